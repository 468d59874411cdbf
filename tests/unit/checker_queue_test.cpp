// The checker of the queues of remapping units.
#include <doctest/doctest.h>

#include "tests/support/checker_harness.hpp"

using namespace ioasim;
using ioasim::test::CheckerHarness;

TEST_CASE("queue: a wait comes behind the device TLBs before it") {
    CheckerHarness h;
    const auto ask = [&](std::uint32_t itag) {
        h.emit(trace::VtdDevTlbRequest{h.iommu(), Rid{0x10}, Pasid{kInvalidIoasid}, itag, Iova{0},
                                       0xFFF, false},
               "iommu0");
    };
    const auto end = [&](std::uint32_t itag, bool timeout, std::uint16_t rid = 0x10) {
        h.emit(trace::VtdDevTlbDone{h.iommu(), Rid{rid}, itag, timeout}, "iommu0");
    };
    ask(3);
    h.emit(trace::VtdInvWait{h.iommu(), false, false}, "iommu0");
    SUBCASE("answered") {
        ask(4);
        end(3, false);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("not answered") {
        h.wait_done();
        CHECK(h.found() == "queue.wait_passed_device");
    }
    SUBCASE("out of time is no answer") {
        end(3, true);
        h.wait_done();
        CHECK(h.found() == "queue.wait_passed_device");
    }
    SUBCASE("aborted") {
        end(3, true);
        h.emit(trace::VtdQueueStop{h.iommu(), h.name("ite"), 0x10, 0}, "iommu0");
        h.emit(trace::VtdInvWait{h.iommu(), false, false}, "iommu0");
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("ITag given out twice") {
        ask(3);
        CHECK(h.found() == "queue.itag_in_use");
    }
    SUBCASE("answered by another") {
        end(3, false, 0x11);
        CHECK(h.found() == "queue.itag_in_use");
    }
}

TEST_CASE("queue: nothing passes a fence") {
    CheckerHarness h;
    h.emit(trace::VtdInvWait{h.iommu(), true, false}, "iommu0");
    SUBCASE("before it is done") {
        h.invalidate("piotlb", "pasid", 201);
        CHECK(h.found() == "queue.passed_fence");
    }
    SUBCASE("afterwards") {
        h.wait_done();
        h.invalidate("piotlb", "pasid", 201);
        CHECK(h.found() == "");
    }
}

TEST_CASE("queue: a page request drops its page, and a draining wait waits for it") {
    CheckerHarness h;
    const auto drop = [&](std::uint64_t address) {
        h.emit(trace::VtdInvalidation{h.iommu(), h.name("page_request"), h.name("page"),
                                      DomainId{1}, Pasid{201}, 0, Iova{address}, 0x1000},
               "iommu0");
    };
    const auto ask = [&] {
        h.emit(trace::VtdPageRequest{h.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000}, 1, false,
                                     false, true},
               "iommu0");
    };
    SUBCASE("dropped and visible") {
        drop(0x1000);
        ask();
        h.emit(trace::VtdInvWait{h.iommu(), false, true}, "iommu0");
        h.emit(trace::VtdPrq{h.iommu(), 0, 32}, "iommu0");
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("not visible") {
        drop(0x1000);
        ask();
        h.emit(trace::VtdInvWait{h.iommu(), false, true}, "iommu0");
        h.wait_done();
        CHECK(h.found() == "queue.wait_passed_pages");
    }
    SUBCASE("sent before a device's answer") {
        h.emit(trace::VtdDevTlbRequest{h.iommu(), Rid{0x10}, Pasid{kInvalidIoasid}, 0, Iova{0},
                                       0xFFF, false},
               "iommu0");
        h.emit(trace::VtdInvWait{h.iommu(), false, true}, "iommu0");
        drop(0x1000);
        ask();
        h.emit(trace::VtdDevTlbDone{h.iommu(), Rid{0x10}, 0, false}, "iommu0");
        h.wait_done();
        CHECK(h.found() == "queue.wait_passed_pages");
    }
    SUBCASE("not dropped") {
        ask();
        CHECK(h.found() == "queue.page_still_cached");
    }
    SUBCASE("another page dropped") {
        drop(0x2000);
        ask();
        CHECK(h.found() == "queue.page_still_cached");
    }
}
