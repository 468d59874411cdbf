// The checker of address translation services.
#include <doctest/doctest.h>

#include "core/trace/ats_events.hpp"
#include "tests/support/checker_harness.hpp"

using namespace ioasim;
using ioasim::test::CheckerHarness;

namespace {

constexpr Rid kDevice{0x10};

void tell(CheckerHarness& h, std::uint64_t iova, std::uint64_t hpa, bool write = true,
          std::uint64_t bytes = 0x1000) {
    h.emit(
        trace::VtdTranslationCompletion{h.iommu(), kDevice, Pasid{5}, Iova{iova}, h.name("success"),
                                        1, Hpa{hpa}, bytes, true, write, false, false},
        "iommu0");
}
void ask(CheckerHarness& h, std::uint64_t first, std::uint64_t last, std::uint32_t pasid = 5,
         bool global = false) {
    h.emit(trace::VtdDevTlbRequest{h.iommu(), kDevice, Pasid{pasid}, 3, Iova{first}, last, global},
           "iommu0");
}
void done(CheckerHarness& h, bool timeout = false) {
    h.emit(trace::VtdDevTlbDone{h.iommu(), kDevice, 3, timeout}, "iommu0");
}
void use(CheckerHarness& h, std::uint64_t hpa, bool write = true) {
    h.emit(trace::VtdTranslatedRequest{h.iommu(), kDevice, Hpa{hpa}, 4, write}, "iommu0");
}

}  // namespace

TEST_CASE("ats: a translation is used until its invalidation is answered") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000);
    ask(h, 0x5000, 0x5FFF);
    use(h, 0x100008);
    CHECK(h.found() == "");
    SUBCASE("answered") {
        done(h);
        use(h, 0x100008);
        CHECK(h.found() == "ats.stale_use");
    }
    SUBCASE("out of time: nothing is promised") {
        done(h, true);
        use(h, 0x100008);
        CHECK(h.found() == "");
    }
    SUBCASE("told again") {
        done(h);
        tell(h, 0x5000, 0x100000);
        use(h, 0x100008);
        CHECK(h.found() == "");
    }
}

TEST_CASE("ats: an invalidation is about its range and its PASID") {
    CheckerHarness h;
    tell(h, 0x200000, 0x400000, true, 0x200000);
    SUBCASE("of another range") {
        ask(h, 0x1000, 0x1FFF);
        done(h);
        use(h, 0x400000);
        CHECK(h.found() == "");
    }
    SUBCASE("of a part of the page") {
        ask(h, 0x3FF000, 0x3FFFFF);
        done(h);
        use(h, 0x400000);
        CHECK(h.found() == "ats.stale_use");
    }
    SUBCASE("of another PASID") {
        ask(h, 0, ~std::uint64_t{0}, 6);
        done(h);
        use(h, 0x400000);
        CHECK(h.found() == "");
    }
    SUBCASE("of every PASID") {
        ask(h, 0, ~std::uint64_t{0}, 6, true);
        done(h);
        use(h, 0x400000);
        CHECK(h.found() == "ats.stale_use");
    }
}

TEST_CASE("ats: what is told behind the invalidation's back is not covered by it") {
    CheckerHarness h;
    ask(h, 0x5000, 0x5FFF);
    tell(h, 0x5000, 0x100000);
    done(h);
    use(h, 0x100000);
    CHECK(h.found() == "");
}

TEST_CASE("ats: a page that is told for reads is not written") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000, false);
    use(h, 0x100000, false);
    CHECK(h.found() == "");
    use(h, 0x100000, true);
    CHECK(h.found() == "ats.not_granted");
}

TEST_CASE("ats: a reset ends every translation") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000);
    h.emit(trace::PcieFunctionReset{kDevice, 0, 0, TimePs{0}}, "dev0");
    use(h, 0x100000);
    CHECK(h.found() == "ats.stale_use");
}

TEST_CASE("ats: addresses by hand are nobody's business here") {
    CheckerHarness h;
    use(h, 0x100000);
    CHECK(h.found() == "");
}

TEST_CASE("ats: page requests beyond the allocation") {
    CheckerHarness h;
    const auto group = [&](std::uint64_t outstanding) {
        h.emit(trace::RequesterPageGroup{h.name("dev0"), Pasid{5}, 0, Iova{0}, 1, outstanding, 4},
               "dev0");
    };
    group(4);
    CHECK(h.found() == "");
    group(5);
    CHECK(h.found() == "ats.overdrawn");
}
