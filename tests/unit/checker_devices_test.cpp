// Checkers of what stands between machines and devices: device TLBs behind waits, credits of page
// requests, requests on their way, submissions of virtual devices and of machines that move.
#include <doctest/doctest.h>

#include "core/trace/migration_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "tests/support/checker_harness.hpp"

using namespace ioasim;
using ioasim::test::CheckerHarness;

namespace {

constexpr Rid kDevice{0x10};
constexpr Rid kOther{0x18};

void tell_and_keep(CheckerHarness& h, const std::string& device, Rid rid, std::uint64_t iova) {
    h.emit(trace::VtdTranslationEntry{h.iommu(), rid, Pasid{5}, Iova{iova}, Hpa{iova + 0x100000},
                                      0x1000, true, true, false, false},
           "iommu0");
    h.emit(trace::VtdFill{h.name(device), h.name("dev_tlb"), rid, Pasid{5}, DomainId{0}, Iova{iova},
                          Hpa{iova + 0x100000}, 0x1000},
           device);
}

void ask(CheckerHarness& h, std::uint64_t first, std::uint64_t last, bool global = false) {
    h.emit(trace::VtdDevTlbRequest{h.iommu(), kDevice, Pasid{5}, 3, Iova{first}, last, global},
           "iommu0");
}

void answer(CheckerHarness& h, bool timeout = false) {
    h.emit(trace::VtdDevTlbDone{h.iommu(), kDevice, 3, timeout}, "iommu0");
}

void dropped(CheckerHarness& h, const std::string& device, std::uint64_t iova) {
    h.emit(trace::VtdDrop{h.name(device), h.name("dev_tlb"), Pasid{5}, DomainId{0}, Iova{iova},
                          h.name("invalidate")},
           device);
}

void asks_pages(CheckerHarness& h, std::uint32_t group, std::uint32_t requests,
                std::uint64_t outstanding) {
    h.emit(trace::RequesterPageGroup{h.name("dsa0"), Pasid{5}, group, Iova{0x1000}, requests,
                                     outstanding, 32},
           "dsa0");
}

void pages_answered(CheckerHarness& h, std::uint32_t group, const std::string& meaning) {
    h.emit(trace::RequesterPageAnswer{h.name("dsa0"), group, 0, h.name(meaning)}, "dsa0");
}

}  // namespace

TEST_CASE("invalidation: what a device TLB held of it is gone when the wait is done") {
    CheckerHarness h;
    tell_and_keep(h, "dev0", kDevice, 0x5000);
    tell_and_keep(h, "dev1", kOther, 0x5000);
    SUBCASE("dropped before the answer; the neighbour's copy is its own") {
        ask(h, 0x5000, 0x5FFF);
        dropped(h, "dev0", 0x5000);
        answer(h);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("kept") {
        ask(h, 0x5000, 0x5FFF);
        answer(h);
        CHECK(h.found() == "");
        h.wait_done();
        REQUIRE(h.found() == "invalidation.survived_wait");
        CHECK(h.first().text.find("dev_tlb entry for PASID 5") != std::string::npos);
        h.wait_done();
        CHECK(h.codes().size() == 1);
    }
    SUBCASE("kept of a whole function") {
        ask(h, 0, ~std::uint64_t{0}, true);
        answer(h);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("pages beside the range stay") {
        ask(h, 0x6000, 0x6FFF);
        answer(h);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("out of time is no answer") {
        ask(h, 0x5000, 0x5FFF);
        answer(h, true);
        h.emit(trace::VtdQueueStop{h.iommu(), h.name("ite"), 0x10, 0}, "iommu0");
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("told again in between: another entry") {
        ask(h, 0x5000, 0x5FFF);
        dropped(h, "dev0", 0x5000);
        answer(h);
        tell_and_keep(h, "dev0", kDevice, 0x5000);
        h.wait_done();
        CHECK(h.found() == "");
    }
}

TEST_CASE("conservation: credits of page requests come back with the answer") {
    CheckerHarness h;
    asks_pages(h, 0, 2, 2);
    SUBCASE("of each answer that belongs to a group") {
        asks_pages(h, 1, 1, 3);
        pages_answered(h, 0, "retry");
        pages_answered(h, 7, "unexpected");
        asks_pages(h, 2, 1, 2);
        CHECK(h.found() == "");
    }
    SUBCASE("kept") {
        pages_answered(h, 0, "invalid");
        asks_pages(h, 1, 1, 3);
        REQUIRE(h.found() == "conservation.credit_not_back");
        CHECK(h.first().who == "dsa0");
        CHECK(h.first().text == "counts 3 page requests outstanding, but 1 wait for an answer");
        asks_pages(h, 2, 1, 4);
        CHECK(h.codes().size() == 1);  // told once
    }
    SUBCASE("a function that was reset begins anew") {
        asks_pages(h, 0, 1, 1);
        asks_pages(h, 1, 1, 2);
        CHECK(h.found() == "");
    }
}

TEST_CASE("queue: the tail of page requests never comes to the head") {
    CheckerHarness h;
    const auto queued = [&](std::uint64_t address) {
        h.emit(trace::VtdInvalidation{h.iommu(), h.name("page_request"), h.name("page"),
                                      DomainId{1}, Pasid{201}, 0, Iova{address}, 0x1000},
               "iommu0");
        h.emit(trace::VtdPageRequest{h.iommu(), Rid{0x10}, Pasid{201}, Iova{address}, 1, false,
                                     false, true},
               "iommu0");
    };
    queued(0x1000);
    h.emit(trace::VtdPrq{h.iommu(), 64, 32}, "iommu0");
    CHECK(h.found() == "");
    queued(0x2000);
    h.emit(trace::VtdPrq{h.iommu(), 64, 64}, "iommu0");
    CHECK(h.found() == "queue.tail_met_head");
}

TEST_CASE("queue: requests with old translations reach memory before the wait is done") {
    CheckerHarness h;
    h.space("vm1", 201);
    h.owner("vm1", 0x8000, 0x1000);
    const auto translated = [&](bool write) {
        h.emit(trace::VtdTranslated{h.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000}, Hpa{0x8000},
                                    write, true, TimePs{1}, true},
               "iommu0");
    };
    const auto reached = [&](bool write) {
        h.emit(trace::MemoryAccess{Rid{0x10}, Pasid{201}, Hpa{0x8000}, 64, write, 0,
                                   h.name("memory"), 0},
               "memory");
    };
    const auto flushed = [&] {
        h.invalidate("iotlb", "global", 201);
        h.emit(trace::VtdInvWait{h.iommu(), false, false}, "iommu0");
        h.wait_done();
    };
    const auto late = [&] {
        const auto codes = h.codes();
        return std::count(codes.begin(), codes.end(), "queue.wait_passed_request");
    };
    translated(true);
    SUBCASE("in time") {
        reached(true);
        flushed();
        translated(true);
        reached(true);
        CHECK(late() == 0);
    }
    SUBCASE("late") {
        translated(false);
        flushed();
        reached(true);
        CHECK(late() == 1);
        reached(false);
        CHECK(late() == 2);
    }
    SUBCASE("the second of two to one address") {
        translated(true);
        reached(true);
        flushed();
        CHECK(late() == 0);
        reached(true);
        CHECK(late() == 1);
    }
}

TEST_CASE("conservation: what a VMM kept for a virtual device reaches one, once") {
    CheckerHarness h;
    const auto resumed = [&](std::uint64_t number, Errno result = Errno::Ok) {
        h.emit(trace::VdevSubmissionResumed{h.name("vm1"), h.name("dsa0"), 0, number, Pasid{101},
                                            Pasid{201}, result},
               "host/vm1");
    };
    h.emit(trace::VdevSubmissionQueued{h.name("vm1"), h.name("dsa0"), 0, 1, Pasid{101}},
           "host/vm1");
    SUBCASE("handed on") {
        resumed(1);
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("twice") {
        resumed(1);
        resumed(1);
        CHECK(h.found() == "conservation.submission_twice");
    }
    SUBCASE("refused") {
        resumed(1, Errno::Enospc);
        CHECK(h.found() == "conservation.submission_lost");
    }
    SUBCASE("its machine is killed") {
        h.emit(trace::VmDestroy{h.name("vm1"), h.name("killed")});
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("its machine is lost on its way") {
        h.emit(trace::VmDestroy{h.name("vm1"), h.name("lost")});
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("its machine ran to its end") {
        h.emit(trace::VmDestroy{h.name("vm1"), h.name("shutdown")});
        CHECK(h.found() == "conservation.submission_lost");
    }
    SUBCASE("never") {
        h.finish();
        CHECK(h.found() == "conservation.submission_lost");
    }
}

TEST_CASE("order: an entry that a reset takes out is no teardown of the other device's") {
    CheckerHarness h;
    const auto reset = [&](const std::string& phase, const std::string& device = "dsa1") {
        h.emit(trace::IommuReset{h.name(device), h.name(phase), 1}, "host/reset");
    };
    const auto set = [&](std::uint16_t rid) {
        h.emit(trace::VtdPasidEntrySet{h.iommu(), Rid{rid}, Pasid{201}, DomainId{2}, 3},
               "host/reset");
    };
    h.alloc("vm1", 201);
    h.entry_set(201, 2, 0x10);
    h.entry_set(201, 2, 0x18);
    h.bind("vm1", 201, 101);
    reset("begin");
    h.emit(trace::VtdPasidEntryClear{h.iommu(), Rid{0x18}, Pasid{201}, true}, "host/reset");
    reset("prepare");
    SUBCASE("the other one goes meanwhile") {
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "");
        set(0x18);
        reset("done");
        CHECK(h.found() == "");
        h.entry_clear(201, 0x18);
        CHECK(h.found() == "order.entry_before_cpu");
    }
    SUBCASE("the reset fails, and it stays attached") {
        reset("blocked");
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "");
    }
    SUBCASE("the reset fails, and the same task resets another function") {
        reset("blocked");
        reset("begin", "dsa2");
        reset("prepare", "dsa2");
        reset("done", "dsa2");
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "");
    }
    SUBCASE("the reset fails, it is detached, and another task resets the function") {
        reset("blocked");
        for (const char* phase : {"begin", "prepare", "done"}) {
            h.emit(trace::IommuReset{h.name("dsa1"), h.name(phase), 0}, "host/again");
        }
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "order.entry_before_cpu");
    }
    SUBCASE("it was detached during the reset") {
        reset("done");
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "order.entry_before_cpu");
    }
    SUBCASE("it is there again") {
        set(0x18);
        reset("done");
        h.entry_clear(201, 0x10);
        CHECK(h.found() == "");
        h.entry_clear(201, 0x18);
        CHECK(h.found() == "order.entry_before_cpu");
    }
}

TEST_CASE("order: nothing of a VM reaches a device behind the drain of its move") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    const auto step = [&](trace::MigrationPhase phase) {
        h.emit(trace::VmMigration{h.name("vm1"), h.name("host2"), phase, 0}, "host/vm1");
    };
    const auto submit = [&] {
        h.emit(trace::CpuEnqcmd{h.name("vm1/vcpu0"), Hpa{0x1000}, Pasid{101}, Pasid{201},
                                trace::EnqcmdOutcome::Accepted, 10_ns, 1},
               "vm1/vcpu0/app");
    };
    submit();
    step(trace::MigrationPhase::Drained);
    CHECK(h.found() == "");
    SUBCASE("behind it") {
        submit();
        CHECK(h.found() == "order.submit_after_drain");
    }
    SUBCASE("when it goes on") {
        step(trace::MigrationPhase::Resumed);
        submit();
        CHECK(h.found() == "");
    }
}

TEST_CASE("order: no virtual device's workqueue is set to an ID whose last PASID entry has gone") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    const auto set = [&](bool on) {
        h.emit(trace::VdevQueue{h.name("vm1"), h.name("vdev0"), h.name("wq0"), on, Spid{101},
                                Ioasid{201}},
               "host/vm1");
    };
    h.entry_set(201);
    set(true);
    set(false);
    CHECK(h.found() == "");
    h.entry_clear(201);
    SUBCASE("cleared late") {
        set(false);
        CHECK(h.found() == "");
    }
    SUBCASE("set") {
        set(true);
        CHECK(h.found() == "order.queue_after_unbind");
    }
}

TEST_CASE("order: nothing reaches a dedicated workqueue that the host took from a VM") {
    CheckerHarness h;
    h.emit(trace::VdevQuiet{h.name("vm1"), h.name("dsa0"), h.name("wq0")}, "host/vm1");
    SUBCASE("while it is quiet, accepted or not") {
        h.enqueue(1, 201, 0, false);
        CHECK(h.found() == "order.submit_after_quiet");
    }
    SUBCASE("when it is enabled again") {
        h.emit(trace::DsaWqState{h.name("dsa0"), h.name("wq0"), true, false, Pasid{201}, 8},
               "dsa0");
        h.enqueue(1, 201, 0, false);
        CHECK(h.found() == "");
    }
}
