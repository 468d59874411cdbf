// The checker of address translation services.
#include <doctest/doctest.h>

#include "core/trace/ats_events.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "tests/support/checker_harness.hpp"

using namespace ioasim;
using ioasim::test::CheckerHarness;

namespace {

constexpr Rid kDevice{0x10};

void tell(CheckerHarness& h, std::uint64_t iova, std::uint64_t hpa, bool write = true,
          std::uint64_t bytes = 0x1000, bool privileged = false) {
    h.emit(trace::VtdTranslationEntry{h.iommu(), kDevice, Pasid{5}, Iova{iova}, Hpa{hpa}, bytes,
                                      true, write, false, privileged},
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
void use(CheckerHarness& h, std::uint64_t hpa, bool write = true, std::uint64_t operation = 1) {
    h.emit(trace::VtdTranslatedRequest{h.iommu(), kDevice, Hpa{hpa}, 4, write, operation},
           "iommu0");
}
void start(CheckerHarness& h, std::uint64_t operation) {
    h.emit(
        trace::RequesterStart{h.name("dev0"), operation, kDevice, Pasid{5}, Iova{0x5000}, 4, true},
        "dev0");
}
void reset(CheckerHarness& h) {
    h.emit(trace::PcieFunctionReset{kDevice, 0, 0, TimePs{0}}, "dev0");
}
void keep(CheckerHarness& h, std::uint64_t iova, std::uint64_t hpa, std::uint64_t bytes = 0x1000,
          std::uint32_t pasid = 5) {
    h.emit(trace::VtdFill{h.name("dev0"), h.name("dev_tlb"), kDevice, Pasid{pasid}, DomainId{0},
                          Iova{iova}, Hpa{hpa}, bytes},
           "dev0");
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
    start(h, 7);
    reset(h);
    SUBCASE("not of what was on its way") {
        use(h, 0x100000, true, 7);
        CHECK(h.found() == "");
    }
    SUBCASE("of what the device does later") {
        start(h, 8);
        use(h, 0x100000, true, 8);
        CHECK(h.found() == "ats.stale_use");
    }
    SUBCASE("told again") {
        tell(h, 0x5000, 0x100000);
        use(h, 0x100000, true, 8);
        CHECK(h.found() == "");
    }
}

TEST_CASE("ats: an invalidation's answer leaves nothing on its way") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000);
    start(h, 7);
    ask(h, 0x5000, 0x5FFF);
    done(h);
    reset(h);
    use(h, 0x100000, true, 7);
    CHECK(h.found() == "ats.stale_use");
}

TEST_CASE("ats: one page, told with more rights and with fewer") {
    CheckerHarness h;
    SUBCASE("to the supervisor and the user") {
        tell(h, 0x5000, 0x100000, true, 0x1000, true);
        tell(h, 0x5000, 0x100000, false);
        use(h, 0x100000);
        CHECK(h.found() == "");
    }
    SUBCASE("what an invalidation leaves has its own rights") {
        tell(h, 0x5000, 0x100000, true);
        ask(h, 0x5000, 0x5FFF);
        tell(h, 0x5000, 0x100000, false);
        use(h, 0x100000);
        CHECK(h.found() == "");
        done(h);
        use(h, 0x100000);
        CHECK(h.found() == "ats.not_granted");
    }
}

TEST_CASE("ats: a page that moved is stale where it was") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000);
    ask(h, 0x5000, 0x5FFF);
    done(h);
    tell(h, 0x5000, 0x200000);
    use(h, 0x200000);
    CHECK(h.found() == "");
    use(h, 0x100000);
    CHECK(h.found() == "ats.stale_use");
}

TEST_CASE("ats: what is told for untranslated requests only gives no address to use") {
    CheckerHarness h;
    h.emit(trace::VtdTranslationEntry{h.iommu(), kDevice, Pasid{5}, Iova{0xFEE00000}, Hpa{0},
                                      0x1000, false, true, true, false},
           "iommu0");
    keep(h, 0xFEE00000, 0);
    use(h, 0x100, false);
    CHECK(h.found() == "");
}

TEST_CASE("ats: a device keeps only what it was told") {
    CheckerHarness h;
    tell(h, 0x5000, 0x100000);
    tell(h, 0x6000, 0x300000, false);
    SUBCASE("each entry") {
        keep(h, 0x5000, 0x100000);
        keep(h, 0x6000, 0x300000);
        use(h, 0x300000, false);
        CHECK(h.found() == "");
        use(h, 0x300000, true);
        CHECK(h.found() == "ats.not_granted");
    }
    SUBCASE("a bigger page") {
        keep(h, 0x0, 0x0, 0x200000);
        CHECK(h.found() == "ats.not_told");
    }
    SUBCASE("elsewhere") {
        keep(h, 0x6000, 0x101000);
        CHECK(h.found() == "ats.not_told");
    }
    SUBCASE("at another address") {
        keep(h, 0x6000, 0x100000);
        CHECK(h.found() == "ats.not_told");
    }
    SUBCASE("of another PASID") {
        keep(h, 0x5000, 0x100000, 0x1000, 6);
        CHECK(h.found() == "ats.not_told");
    }
}

TEST_CASE("ats: addresses by hand are nobody's business here") {
    CheckerHarness h;
    use(h, 0x100000);
    CHECK(h.found() == "");
}

TEST_CASE("ats: page requests beyond the allocation") {
    CheckerHarness h;
    const auto group = [&](std::uint32_t index, std::uint32_t requests, std::uint64_t outstanding) {
        h.emit(trace::RequesterPageGroup{h.name("dev0"), Pasid{5}, index, Iova{0}, requests,
                                         outstanding, 4},
               "dev0");
    };
    group(0, 4, 4);
    CHECK(h.found() == "");
    group(1, 1, 5);
    CHECK(h.found() == "ats.overdrawn");
}
