// The checkers about hardware: isolation, use after free, order, invalidation, conservation of
// work, liveness and hazards.
#include <doctest/doctest.h>

#include "tests/support/checker_harness.hpp"
#include "traces/explain.hpp"

using namespace ioasim;
using test::CheckerHarness;
using trace::IoasidNotification;

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

// Two VMs with a page each and a PASID each.
struct TwoTenants : CheckerHarness {
    TwoTenants() {
        owner("vm1", 0x10000, 0x2000);
        owner("vm2", 0x12000, 0x1000);
        alloc("vm1", 201);
        alloc("vm2", 202);
        space("vm1", 201);
        space("vm2", 202);
        device_access(0, 201, 0);  // tells which device the function is
    }
};

}  // namespace

// --- isolation
// --------------------------------------------------------------------------------------

TEST_CASE("isolation: own memory is fine, a neighbour's is not") {
    TwoTenants h;
    h.memory_access(0x10000, 201);
    h.memory_access(0x11fc0, 201, 0, true);
    h.memory_access(0x12000, 202);
    CHECK(h.found() == "");
    h.memory_access(0x12000, 201, 7);
    REQUIRE(h.found() == "isolation.foreign_memory");
    CHECK(h.first().text ==
          "a read of function 00:02.0, descriptor 7: address space vm1 reached "
          "memory of vm2 at 0x12000");
}

TEST_CASE("isolation: an access that runs over into a neighbour's page is found") {
    TwoTenants h;
    h.memory_access(0x11fc0, 201, 0, false, 0x80);
    CHECK(h.found() == "isolation.foreign_memory");
}

TEST_CASE("isolation: memory that was given away or belongs to nobody") {
    TwoTenants h;
    SUBCASE("never owned") {
        h.memory_access(0x40000, 201);
        CHECK(h.found() == "isolation.unowned_memory");
    }
    SUBCASE("freed") {
        h.owner("", 0x11000, 0x1000);
        h.memory_access(0x10fc0, 201);
        CHECK(h.found() == "");
        h.memory_access(0x11000, 201);
        CHECK(h.found() == "isolation.unowned_memory");
    }
    SUBCASE("given to the neighbour") {
        h.owner("vm2", 0x10000, 0x1000);
        h.memory_access(0x11000, 201);
        h.memory_access(0x10000, 202);
        CHECK(h.found() == "");
        h.memory_access(0x10fff, 201, 0, true, 1);
        CHECK(h.found() == "isolation.foreign_memory");
    }
}

TEST_CASE("isolation: a descriptor works for the space of its acceptance") {
    TwoTenants h;
    h.enqueue(1, 201);
    h.space("", 201);  // unbound, translations not flushed yet
    h.memory_access(0x10000, 201, 1);
    CHECK(h.found() == "");
    h.space("vm2", 201);  // the PASID changed hands under the running descriptor
    h.memory_access(0x12000, 201, 1);
    CHECK(h.found() == "isolation.foreign_memory");
}

TEST_CASE("isolation: a PASID that stands for nothing reaches no memory") {
    TwoTenants h;
    h.memory_access(0x10000, 250);
    CHECK(h.found() == "isolation.no_space");
}

TEST_CASE("isolation: interrupt messages are no memory, requests without PASID need a space") {
    TwoTenants h;
    h.memory_access(0xFEE00000, 201, 0, true, 4);
    h.memory_access(0x12000, kNone);
    CHECK(h.found() == "");
}

TEST_CASE("isolation: processes and their kernel") {
    TwoTenants h;
    h.owner("host", 0x20000, 0x1000);
    h.owner("host/app", 0x21000, 0x1000);
    h.space("host/app", 300);
    h.space("host", 301);
    h.space("vm1/app", 302);
    h.memory_access(0x21000, 300);
    h.memory_access(0x21000, 301);  // a kernel's PASID reaches its processes
    h.memory_access(0x10000, 302);  // a guest process is backed by its VM
    CHECK(h.found() == "");
    h.memory_access(0x20000, 300);  // a process does not reach its kernel
    h.memory_access(0x12000, 302);  // nor a guest process another VM
    CHECK(h.found() == "isolation.foreign_memory isolation.foreign_memory");
}

// --- use after free
// ---------------------------------------------------------------------------------

TEST_CASE("use after free: whatever still names an ID at its reclaim is found") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    SUBCASE("a PASID entry") {
        h.entry_set(201);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.pasid_entry");
    }
    SUBCASE("the entry of one of two devices") {
        h.entry_set(201, 2, 0x10);
        h.entry_set(201, 2, 0x18);
        h.entry_clear(201, 0x10);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.pasid_entry");
    }
    SUBCASE("a cached translation") {
        h.fill("iotlb", 201, 0x1000);
        h.fill("iotlb", 201, 0x2000);
        h.drop("iotlb", 201, 0x1000);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.cached");
    }
    SUBCASE("a translation that the device keeps") {
        h.emit(trace::VtdTranslationEntry{h.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000},
                                          Hpa{0x8000}, 4096, true, true, false, false},
               "iommu0");
        h.emit(trace::VtdFill{h.name("dsa0"), h.name("dev_tlb"), Rid{0x10}, Pasid{201}, DomainId{0},
                              Iova{0x1000}, Hpa{0x8000}, 4096},
               "dsa0");
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.cached");
    }
    SUBCASE("a VM's translation table") {
        h.translate("vm1", 101, 201);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.vmcs_table");
    }
    SUBCASE("a dedicated workqueue") {
        h.emit(trace::DsaWqState{h.name("dsa0"), h.name("wq1"), true, false, Pasid{201}, 16},
               "dsa0");
        h.free("vm1", 201, 0);
        CHECK(h.found() == "use_after_free.workqueue");
    }
    SUBCASE("nothing: a disabled queue, a rewritten table entry, a context entry") {
        h.emit(trace::DsaWqState{h.name("dsa0"), h.name("wq1"), true, false, Pasid{201}, 16},
               "dsa0");
        h.emit(trace::DsaWqState{h.name("dsa0"), h.name("wq1"), false, false, Pasid{201}, 16},
               "dsa0");
        h.alloc("vm1", 203, 2);
        h.translate("vm1", 101, 201);
        h.translate("vm1", 101, 203);
        h.fill("context", 201, 0);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "");
    }
}

TEST_CASE("use after free: an ID in the pool is not used") {
    CheckerHarness h;
    h.owner("vm1", 0x10000, 0x1000);
    h.space("vm1", 201);
    h.alloc("vm1", 201);
    h.free("vm1", 201, 0);
    SUBCASE("by a device") {
        h.memory_access(0x10000, 201);
        CHECK(h.found() == "use_after_free.access");
    }
    SUBCASE("by a new PASID entry") {
        h.entry_set(201);
        CHECK(h.found() == "use_after_free.pasid_entry");
    }
    SUBCASE("by a walk") {
        h.fill("iotlb", 201);
        CHECK(h.found() == "use_after_free.cached");
    }
    SUBCASE("by a VM's table") {
        h.translate("vm1", 101, 201);
        CHECK(h.found() == "use_after_free.vmcs_table");
    }
    SUBCASE("until it is allocated again") {
        h.alloc("vm1", 201);
        h.memory_access(0x10000, 201);
        CHECK(h.found() == "");
    }
}

TEST_CASE("use after free: a PASID that the core never gave out is not its concern") {
    CheckerHarness h;
    h.entry_set(0);
    h.fill("pasid", 0, 0);
    CHECK(h.found() == "");
}

// --- order
// ------------------------------------------------------------------------------------------

TEST_CASE("order: priority falls within one notification") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.emit(trace::IoasidFree{h.kernel(), h.name("vm1"), Ioasid{201}, Spid{101}});
    h.handler(201, IoasidNotification::Free, "kvm", 3, "set");
    h.handler(201, IoasidNotification::Free, "iommu", 2, "global");
    SUBCASE("to the end") {
        h.handler(201, IoasidNotification::Free, "vdcm", 1, "set");
        h.handler(201, IoasidNotification::Unbind, "kvm", 3, "set");  // the next one
        CHECK(h.found() == "");
    }
    SUBCASE("but not here") {
        h.handler(201, IoasidNotification::Free, "other", 3, "set");
        REQUIRE(h.found() == "order.priority");
        CHECK(h.first().text == "FREE: other of priority 3 was called after iommu of priority 2");
    }
    SUBCASE("and an explicit notify starts anew") {
        h.handler(201, IoasidNotification::Free, "kvm", 3, "set");
        h.handler(201, IoasidNotification::Free, "iommu", 2, "global");
        CHECK(h.found() == "");
    }
}

TEST_CASE("order: posted code calls one chain after the other") {
    traces::CheckerOptions options;
    options.spec_order = false;
    CheckerHarness h{options};
    h.alloc("vm1", 201);
    h.emit(trace::IoasidFree{h.kernel(), h.name("vm1"), Ioasid{201}, Spid{101}});
    h.handler(201, IoasidNotification::Free, "iommu", 0, "global");
    h.handler(201, IoasidNotification::Free, "kvm", 3, "set");
    CHECK(h.found() == "");
    h.handler(201, IoasidNotification::Free, "late", 4, "set");
    CHECK(h.found() == "order.priority");
}

TEST_CASE("order: the PASID entry goes after the CPU stage of UNBIND") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.entry_set(201, 2, 0x10);
    h.entry_set(201, 2, 0x18);
    h.bind("vm1", 201, 101);
    h.entry_clear(201, 0x10);  // one of two devices
    CHECK(h.found() == "");
    SUBCASE("first the processors") {
        h.unbind("vm1", 201, 101);
        h.entry_clear(201, 0x18);
        CHECK(h.found() == "");
    }
    SUBCASE("first the entry") {
        h.entry_clear(201, 0x18);
        CHECK(h.found() == "order.entry_before_cpu");
    }
}

TEST_CASE("order: no vCPU submits after KVM finished UNBIND") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.bind("vm1", 201, 101);
    const trace::CpuEnqcmd submit{h.name("vm1/vcpu0"),
                                  Hpa{0x1000},
                                  Pasid{101},
                                  Pasid{201},
                                  trace::EnqcmdOutcome::Accepted,
                                  10_ns,
                                  1};
    h.emit(submit, "vm1/vcpu0/app");
    h.unbind("vm1", 201, 101);
    CHECK(h.found() == "");
    SUBCASE("at once") {
        h.emit(submit, "vm1/vcpu0/app");
        CHECK(h.found() == "order.submit_after_unbind");
    }
    SUBCASE("unless it was bound again") {
        h.bind("vm1", 201, 101);
        h.emit(submit, "vm1/vcpu0/app");
        CHECK(h.found() == "");
    }
}

TEST_CASE("order: ordered work runs as it was queued, one at a time") {
    CheckerHarness h;
    const auto work = [&](const std::string& item, const std::string& phase) {
        h.emit(trace::IoasidWork{h.kernel(), h.name(item), Ioasid{201}, h.name(phase)});
    };
    work("w1", "queued");
    work("w2", "queued");
    work("w3", "queued");
    SUBCASE("in order") {
        for (const char* item : {"w1", "w2", "w3"}) {
            work(item, "start");
            work(item, "done");
        }
        CHECK(h.found() == "");
    }
    SUBCASE("out of order") {
        work("w2", "start");
        CHECK(h.found() == "order.work");
    }
    SUBCASE("two at once") {
        work("w1", "start");
        work("w2", "start");
        CHECK(h.found() == "order.work");
    }
}

// --- invalidation
// -----------------------------------------------------------------------------------

TEST_CASE("invalidation: what a waited-for invalidation covers is gone") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.alloc("vm1", 203, 2);
    h.entry_set(201);
    h.fill("iotlb", 201, 0x1000);
    h.fill("iotlb", 203, 0x1000);
    h.fill("pasid", 201, 0);
    SUBCASE("dropped in time") {
        h.invalidate("piotlb", "pasid", 201);
        h.drop("iotlb", 201, 0x1000);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("survived") {
        h.invalidate("piotlb", "pasid", 201);
        CHECK(h.found() == "");
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("survived, although covered twice: told once") {
        h.invalidate("iotlb", "domain", kNone);
        h.drop("iotlb", 203, 0x1000);
        h.invalidate("piotlb", "pasid", 201);
        h.wait_done();
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("filled again after it: legal while the entry is present") {
        h.invalidate("piotlb", "pasid", 201);
        h.drop("iotlb", 201, 0x1000);
        h.fill("iotlb", 201, 0x1000);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("another domain is not covered") {
        h.invalidate("iotlb", "domain", kNone, 0, 0, 9);
        h.invalidate("pasid_cache", "pasid", 201, 0, 0, 9);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("pages outside of the range are not covered") {
        h.invalidate("piotlb", "page", 201, 0x2000, 0x1000);
        h.wait_done();
        CHECK(h.found() == "");
        h.invalidate("piotlb", "page", 201, 0x0, 0x2000);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("the PASID cache by domain") {
        h.invalidate("pasid_cache", "domain", kNone);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
}

TEST_CASE("invalidation: a cleared and flushed entry translates nothing") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.entry_set(201);
    const trace::VtdTranslated use{h.iommu(),   Rid{0x10}, Pasid{201}, Iova{0x1000},
                                   Hpa{0x8000}, false,     true,       5_ns};
    h.entry_clear(201);
    h.emit(use, "iommu0");  // not flushed yet
    h.invalidate("pasid_cache", "pasid", 201);
    h.wait_done();
    h.emit(use, "iommu0");  // the IOTLB is not flushed yet
    h.invalidate("iotlb", "domain", kNone);
    h.emit(use, "iommu0");  // not waited for
    CHECK(h.found() == "");
    h.wait_done();
    SUBCASE("no use") {
        h.emit(use, "iommu0");
        CHECK(h.found() == "invalidation.stale_use");
    }
    SUBCASE("no fill") {
        h.fill("iotlb", 201);
        CHECK(h.found() == "invalidation.stale_fill");
    }
    SUBCASE("until it is set again") {
        h.entry_set(201);
        h.fill("iotlb", 201);
        h.emit(use, "iommu0");
        CHECK(h.found() == "");
    }
}

// --- conservation of work
// ---------------------------------------------------------------------------

TEST_CASE("conservation: a descriptor ends once") {
    CheckerHarness h;
    h.enqueue(1, 201);
    h.dispatch(1, 201);
    SUBCASE("once") {
        h.complete(1, 201);
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("without a record, by abort") {
        h.complete(1, 201, "abort", 0);
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("twice") {
        h.complete(1, 201);
        h.complete(1, 201);
        CHECK(h.found() == "conservation.descriptor_ended_twice");
    }
    SUBCASE("never") {
        h.finish();
        REQUIRE(h.found() == "conservation.descriptor_lost");
        CHECK(h.first().who == "dsa0 descriptor 1");
    }
    SUBCASE("never, but the run was cut off") {
        h.finish("limit");
        CHECK(h.found() == "");
    }
    SUBCASE("one that was never accepted") {
        h.complete(1, 201);
        h.complete(2, 201);
        CHECK(h.found() == "conservation.descriptor_unknown");
    }
}

TEST_CASE("conservation: a refused submission owes nothing") {
    CheckerHarness h;
    h.enqueue(0, 201, 0, false);
    h.finish();
    CHECK(h.found() == "");
}

TEST_CASE("conservation: slots of a workqueue come back") {
    CheckerHarness h;
    h.enqueue(1, 201, 1);
    h.complete(1, 201);
    SUBCASE("no") {
        h.finish();
        CHECK(h.found() == "conservation.queue_not_empty");
    }
    SUBCASE("by disabling it") {
        h.emit(trace::DsaWqState{h.name("dsa0"), h.name("wq0"), false, true, Pasid{kNone}, 16},
               "dsa0");
        h.finish();
        CHECK(h.found() == "");
    }
}

TEST_CASE("conservation: a page-request group that wants an answer gets one") {
    CheckerHarness h;
    const auto ask = [&](std::uint32_t group, bool last) {
        h.emit(trace::VtdPageRequest{h.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000}, group, last,
                                     false, false},
               "iommu0");
    };
    const auto answer = [&](std::uint32_t group) {
        h.emit(trace::VtdPageResponse{h.iommu(), Rid{0x10}, Pasid{201}, group, 0, false}, "iommu0");
    };
    ask(1, false);
    ask(1, true);
    SUBCASE("one") {
        answer(1);
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("none") {
        h.finish();
        CHECK(h.found() == "conservation.page_request_unanswered");
    }
    SUBCASE("two") {
        answer(1);
        answer(1);
        CHECK(h.found() == "conservation.page_request_answered_twice");
    }
    SUBCASE("for another group") {
        answer(2);
        CHECK(h.found() == "conservation.page_request_answered_twice");
    }
}

// --- the run
// ----------------------------------------------------------------------------------------

TEST_CASE("liveness: a deadlock shows who waits") {
    traces::CheckerOptions options;
    options.state_dump = [] { return std::vector<std::string>{"task app waits for lock a"}; };
    CheckerHarness h{options};
    SUBCASE("deadlock") {
        h.finish("deadlock");
        REQUIRE(h.found() == "liveness.deadlock");
        CHECK(h.first().events.at(0) == "task app waits for lock a");
    }
    SUBCASE("hang") {
        h.finish("hang");
        CHECK(h.found() == "liveness.hang");
    }
    SUBCASE("the limit alone is none") {
        h.finish("limit");
        CHECK(h.found() == "");
    }
    SUBCASE("work that had to end") {
        h.checkers.set_unfinished({"vm1/vcpu0/app step 3 waits for a completion"});
        h.finish("limit");
        REQUIRE(h.found() == "liveness.unfinished");
        CHECK(h.first().who == "vm1/vcpu0/app");
    }
}

TEST_CASE("hazard: what real code would not survive is a finding") {
    CheckerHarness h;
    h.emit(trace::IoasidHazard{h.kernel(), trace::IoasidHazardKind::SelfDeadlock,
                               h.name("host/task"), h.name("host/ioasid_allocator_lock"),
                               h.name("ioasid_put")});
    REQUIRE(h.found() == "hazard.real_code_breaks");
    CHECK(h.first().text == "self_deadlock at host/ioasid_allocator_lock in ioasid_put");
    h.emit(trace::IoasidHazard{h.kernel(), trace::IoasidHazardKind::EndedWithLock,
                               h.name("host/task"), h.name("host/a"), trace::Name{}});
    REQUIRE(h.codes().size() == 2);
    CHECK(h.checkers.findings().back().text == "ended_with_lock at host/a");
}

TEST_CASE("findings: they are events too, and each code is explained") {
    struct Seen : trace::Listener {
        std::vector<trace::EventRecord> records;
        void on_event(const trace::EventRecord& record) override { records.push_back(record); }
    } seen;
    CheckerHarness h;
    h.recorder.add_listener(seen, trace::category_bit(trace::Category::Run));
    h.alloc("vm1", 201);
    h.entry_set(201);
    h.free("vm1", 201, 0);
    h.get("vm1", 201, 2, "iommu");
    h.finish();
    std::vector<std::string> told;
    for (const auto& record : seen.records) {
        if (record.info->name == "run.finding") {
            told.push_back(
                h.recorder.names().text(trace::Name{static_cast<std::uint32_t>(record.values[0])}));
            CHECK(traces::find_explanation(told.back()) != nullptr);
        }
    }
    CHECK(told == h.codes());
    CHECK(h.checkers.total() == told.size());
    CHECK(h.checkers.counts().at("use_after_free.pasid_entry") == 1);
}

TEST_CASE("findings: a flood is counted, not stored") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    for (int i = 0; i < 5000; ++i) {
        h.put("vm1", 201, 0, "stranger");
    }
    h.recorder.flush();
    CHECK(h.checkers.findings().size() == 1000);
    CHECK(h.checkers.total() >= 5000);
}

TEST_CASE("findings: the history keeps the last events of an ID in order") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    for (std::uint32_t i = 0; i < 20; ++i) {
        h.get("vm1", 201, 2 + i, "iommu");
    }
    h.recorder.flush();
    const auto lines = h.checkers.history("host", 201);
    REQUIRE(lines.size() == 12);
    CHECK(lines.back().find("refs=21") != std::string::npos);
    CHECK(lines.front().find("refs=10") != std::string::npos);
}
