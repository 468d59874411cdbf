// The checkers about the life of an ID: level, references, ownership, conservation of quota, that a
// life as documented is no finding at all; and of what an ID leads to.
#include <doctest/doctest.h>

#include "core/trace/sva_events.hpp"
#include "tests/support/checker_harness.hpp"
#include "traces/explain.hpp"

using namespace ioasim;
using test::CheckerHarness;
using trace::IoasidState;

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

}  // namespace

TEST_CASE("checkers: an orderly life under DMA is no finding") {
    CheckerHarness h;
    h.orderly_life("vm1", 201, 101);
    h.orderly_life("vm2", 202, 101);
    h.orderly_life("vm1", 201, 101);  // the ID again, in its next life
    h.finish();
    CHECK(h.found() == "");
    CHECK(h.checkers.active() == traces::CheckerSet::all_names());
}

TEST_CASE("checkers: IDs of a guest kernel and of the host with one number are two IDs") {
    CheckerHarness h;
    h.alloc("vm1", 5);
    h.emit(trace::IoasidAlloc{h.name("vm1"), h.name("app"), Ioasid{5}, 1}, "vm1/vcpu0/app");
    h.emit(trace::IoasidStateChange{h.name("vm1"), h.name("app"), Ioasid{5}, IoasidState::Free,
                                    IoasidState::Idle},
           "vm1/vcpu0/app");
    h.free("vm1", 5, 0);
    CHECK(h.found() == "");
}

TEST_CASE("checkers: a private set has numbers of its own") {
    CheckerHarness h;
    h.emit(trace::IoasidSetAlloc{h.kernel(), h.name("private"), 3, 0, 800});
    h.alloc("vm1", 7);
    h.alloc("private", 7);
    h.free("private", 7, 0);
    h.free("vm1", 7, 0);
    h.finish();
    CHECK(h.found() == "");
}

TEST_CASE("checkers: one that is left out reports nothing and is not named") {
    traces::CheckerOptions options;
    options.without = {"level"};
    CheckerHarness h{options};
    h.alloc("vm1", 201);
    h.state("vm1", 201, IoasidState::Idle, IoasidState::FreePending);
    CHECK(h.found() == "");
    const auto active = h.checkers.active();
    CHECK(std::find(active.begin(), active.end(), "level") == active.end());
}

// --- level
// ------------------------------------------------------------------------------------------

TEST_CASE("level: FREE twice in one life is found, once in each of two lives is not") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.free("vm1", 201, 1);
    CHECK(h.found() == "");
    h.emit(trace::IoasidFree{h.kernel(), h.name("vm1"), Ioasid{201}, Spid{kNone}});
    CHECK(h.found() == "level.repeated_free");
}

TEST_CASE("level: FREE that never came is found at the reclaim") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.emit(trace::IoasidFreeCall{h.kernel(), h.name("vm1"), Ioasid{201}, Errno::Ok});
    h.put("vm1", 201, 1, "owner");
    h.state("vm1", 201, IoasidState::Active, IoasidState::FreePending);
    h.put("vm1", 201, 0, "iommu");
    h.reclaim("vm1", 201);
    CHECK(h.found() == "level.missing_free");
}

TEST_CASE("level: BIND and UNBIND must take turns") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.bind("vm1", 201, 101);
    h.unbind("vm1", 201, 101);
    h.bind("vm1", 201, 101);
    CHECK(h.found() == "");
    SUBCASE("two binds") {
        h.emit(trace::IoasidBind{h.kernel(), h.name("vm1"), Ioasid{201}, Spid{102}});
        CHECK(h.found() == "level.repeated_bind");
    }
    SUBCASE("two unbinds") {
        h.unbind("vm1", 201, 101);
        h.emit(trace::IoasidUnbind{h.kernel(), h.name("vm1"), Ioasid{201}, Spid{101}});
        CHECK(h.found() == "level.repeated_unbind");
    }
    SUBCASE("no unbind before the reclaim") {
        h.untranslate("vm1", 101);
        h.free("vm1", 201, 0);
        CHECK(h.found() == "level.missing_unbind");
    }
}

TEST_CASE("level: an SPID serves one ID of a set at a time") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.alloc("vm1", 203, 2);
    h.alloc("vm2", 202);
    h.bind("vm1", 201, 101);
    h.bind("vm2", 202, 101);  // another set: fine
    h.unbind("vm1", 201, 101);
    h.bind("vm1", 203, 101);  // it is free again
    CHECK(h.found() == "");
    h.bind("vm1", 201, 101);
    CHECK(h.found() == "level.spid_used_twice");
}

TEST_CASE("level: states follow the life of an ID") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    SUBCASE("a transition that no ID has") {
        h.state("vm1", 201, IoasidState::Idle, IoasidState::FreePending);
        CHECK(h.found() == "level.transition");
    }
    SUBCASE("a transition from where it was not") {
        h.state("vm1", 201, IoasidState::Active, IoasidState::Idle);
        CHECK(h.found() == "level.transition");
    }
    SUBCASE("in use and back") {
        h.get("vm1", 201, 2, "iommu");
        h.put("vm1", 201, 1, "iommu");
        h.state("vm1", 201, IoasidState::Active, IoasidState::Idle);
        CHECK(h.found() == "");
    }
}

// --- references
// -------------------------------------------------------------------------------------

TEST_CASE("references: a put needs a get by the same holder") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.put("vm1", 201, 1, "kvm/vm1");
    CHECK(h.found() == "references.foreign_put");
    CHECK(h.first().who == "host.ioasid(201)");
    CHECK(h.first().text == "kvm/vm1 put a reference that it does not hold; holders: iommu, owner");
}

TEST_CASE("references: more than three holders are kept apart") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    for (std::uint32_t i = 0; i < 6; ++i) {
        h.get("vm1", 201, 2 + i, "user" + std::to_string(i));
    }
    for (std::uint32_t i = 0; i < 6; ++i) {
        h.put("vm1", 201, 6 - i, "user" + std::to_string(i));
    }
    CHECK(h.found() == "");
    h.put("vm1", 201, 0, "user5");
    CHECK(h.found() == "references.foreign_put");
}

TEST_CASE("references: counts move by one") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    SUBCASE("a get that counts two") {
        h.emit(trace::IoasidGet{h.kernel(), h.name("vm1"), Ioasid{201}, 3, h.name("iommu")});
        CHECK(h.found() == "references.count");
    }
    SUBCASE("a put that counts two") {
        h.get("vm1", 201, 2, "iommu");
        h.put("vm1", 201, 0, "iommu");
        CHECK(h.found() == "references.count");
    }
    SUBCASE("a put that goes below zero") {
        h.put("vm1", 201, 0, "owner");
        h.put("vm1", 201, kNone, "iommu");
        CHECK(h.found() == "references.count references.foreign_put");
    }
}

TEST_CASE("references: a freed ID gives out no reference") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.free("vm1", 201, 1);
    h.emit(trace::IoasidGet{h.kernel(), h.name("vm1"), Ioasid{201}, 2, h.name("late")});
    CHECK(h.found() == "references.get_when_pending");
}

TEST_CASE("references: a reclaim before the last put is found and names the holders") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.free("vm1", 201, 1);
    h.reclaim("vm1", 201);
    CHECK(h.found() == "references.reclaimed_in_use");
    CHECK(h.first().text == "was reclaimed with 1 reference held by iommu");
}

TEST_CASE("references: what waits for ever is a leak, with its story") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    h.free("vm1", 201, 1);
    SUBCASE("when the run ended by itself") {
        h.finish("idle");
        CHECK(h.found() == "references.leak");
        const traces::Finding& leak = h.first();
        CHECK(leak.text ==
              "was freed, but waits for ever in FREE_PENDING: 1 reference held by iommu");
        REQUIRE(leak.events.size() == 8);
        CHECK(leak.events[0] ==
              "5 ns ioasid.alloc kernel=host set=vm1 ioasid=201 live=1 [host/task]");
        CHECK(leak.events.back().find("ioasid.free ") != std::string::npos);
    }
    SUBCASE("not when the run was cut off") {
        h.finish("limit");
        CHECK(h.found() == "");
    }
}

TEST_CASE("references: an ID that its owner keeps is no leak, one that outlives its VM is") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "iommu");
    SUBCASE("the VM lives") {
        h.finish();
        CHECK(h.found() == "");
    }
    SUBCASE("the VM is gone") {
        h.emit(trace::VmDestroy{h.name("vm1"), h.name("killed")});
        h.finish();
        CHECK(h.found() == "references.leak");
    }
    SUBCASE("the owner put its reference and is gone") {
        h.put("vm1", 201, 1, "owner");
        h.state("vm1", 201, IoasidState::Active, IoasidState::Idle);
        h.finish();
        CHECK(h.found() == "references.leak");
    }
}

TEST_CASE("references: a core without states tells the owner's put at its free") {
    CheckerHarness h;
    h.emit(trace::IoasidAlloc{h.kernel(), h.name("sva"), Ioasid{9}, 0});
    h.emit(trace::IoasidGet{h.kernel(), h.name("sva"), Ioasid{9}, 2, h.name("iommu")});
    h.emit(trace::IoasidFreeCall{h.kernel(), h.name("sva"), Ioasid{9}, Errno::Ok});
    h.put("sva", 9, 1, "owner");
    SUBCASE("and the others put theirs") {
        h.put("sva", 9, 0, "iommu");
        h.emit(trace::IoasidReclaim{h.kernel(), h.name("sva"), Ioasid{9}, 0});
        CHECK(h.found() == "");
    }
    SUBCASE("but a user's reference counts") {
        h.emit(trace::IoasidReclaim{h.kernel(), h.name("sva"), Ioasid{9}, 0});
        CHECK(h.found() == "references.reclaimed_in_use");
    }
}

// --- ownership
// --------------------------------------------------------------------------------------

TEST_CASE("ownership: a free through another set is found unless it was refused") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.emit(trace::IoasidFreeCall{h.kernel(), h.name("vm2"), Ioasid{201}, Errno::Eacces});
    CHECK(h.found() == "");
    h.emit(trace::IoasidFreeCall{h.kernel(), h.name("vm2"), Ioasid{201}, Errno::Ok});
    CHECK(h.found() == "ownership.foreign_call");
}

TEST_CASE("ownership: a task of one VM must not free another VM's ID") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    const trace::IoasidFreeCall call{h.kernel(), h.name("vm1"), Ioasid{201}, Errno::Ok};
    SUBCASE("its own vCPU may") {
        h.emit(call, "host/vm1-vcpu0");
        CHECK(h.found() == "");
    }
    SUBCASE("a worker of the host may") {
        h.emit(call, "host/ioasid_wq");
        CHECK(h.found() == "");
    }
    SUBCASE("a neighbour's vCPU may not") {
        h.emit(call, "host/vm2-vcpu0");
        CHECK(h.found() == "ownership.foreign_call");
    }
}

TEST_CASE("ownership: references are taken for one's own VM only") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.get("vm1", 201, 2, "kvm/vm1");
    CHECK(h.found() == "");
    h.emit(trace::IoasidGet{h.kernel(), h.name("vm1"), Ioasid{201}, 3, h.name("kvm/vm2")});
    CHECK(h.found() == "ownership.foreign_reference");
}

TEST_CASE("ownership: a VM translates to its own IDs only") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.alloc("vm2", 202);
    h.translate("vm1", 101, 201);
    h.translate("vm2", 101, 202);
    CHECK(h.found() == "");
    h.translate("vm2", 102, 201);
    CHECK(h.found() == "ownership.foreign_translation");
}

TEST_CASE("ownership: a vCPU that submits under another VM's ID is found") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    const auto submit = [&](const std::string& cpu, trace::EnqcmdOutcome outcome) {
        h.emit(
            trace::CpuEnqcmd{h.name(cpu), Hpa{0x1000}, Pasid{101}, Pasid{201}, outcome, 10_ns, 1},
            cpu + "/app");
    };
    submit("vm1/vcpu0", trace::EnqcmdOutcome::Accepted);
    submit("cpu3", trace::EnqcmdOutcome::Accepted);     // the host itself
    submit("vm2/vcpu0", trace::EnqcmdOutcome::Exit72);  // never left the processor
    CHECK(h.found() == "");
    submit("vm2/vcpu0", trace::EnqcmdOutcome::Accepted);
    CHECK(h.found() == "ownership.foreign_submit");
}

// --- quota
// ------------------------------------------------------------------------------------------

TEST_CASE("conservation: quota comes back when a set dies") {
    CheckerHarness h;
    h.emit(trace::IoasidSetFree{h.kernel(), h.name("vm2"), 900});
    h.vm("vm2", 50, 850, 3);
    CHECK(h.found() == "");
    h.emit(trace::IoasidSetFree{h.kernel(), h.name("vm1"), 850});
    CHECK(h.found() == "conservation.quota");
}

TEST_CASE("conservation: two sets of one name have two quotas") {
    CheckerHarness h;
    h.emit(trace::IoasidSetAlloc{h.kernel(), h.name("sva"), 3, 10, 790});
    h.emit(trace::IoasidSetAlloc{h.kernel(), h.name("sva"), 4, 20, 770});
    h.emit(trace::IoasidSetFree{h.kernel(), h.name("sva"), 780});
    h.emit(trace::IoasidSetFree{h.kernel(), h.name("sva"), 800});
    CHECK(h.found() == "");
}

TEST_CASE("conservation: a changed quota is counted and obeyed") {
    CheckerHarness h;
    h.emit(trace::IoasidSetQuota{h.kernel(), h.name("vm1"), 1, 899});
    h.alloc("vm1", 201, 1);
    CHECK(h.found() == "");
    h.alloc("vm1", 203, 2);
    CHECK(h.found() == "conservation.quota_exceeded");
}

TEST_CASE("explain: every code has a meaning, a reason and causes, in order") {
    const auto& all = traces::explanations();
    CHECK(std::is_sorted(all.begin(), all.end(),
                         [](const auto& a, const auto& b) { return a.code < b.code; }));
    const auto checkers = traces::CheckerSet::all_names();
    for (const auto& entry : all) {
        CAPTURE(entry.code);
        CHECK_FALSE(entry.meaning.empty());
        CHECK_FALSE(entry.why.empty());
        CHECK_FALSE(entry.causes.empty());
        CHECK(traces::find_explanation(entry.code) == &entry);
        const std::string checker{entry.code.substr(0, entry.code.find('.'))};
        CHECK(std::find(checkers.begin(), checkers.end(), checker) != checkers.end());
    }
    CHECK(traces::find_explanation("references.none") == nullptr);
}

TEST_CASE("use after free: page tables that their process has given back") {
    CheckerHarness h;
    h.alloc("host/app", 7);
    h.device_access(0, 7, 0);
    h.emit(trace::MmRelease{h.name("host/app"), 1}, "host");
    SUBCASE("no PASID leads there again") {
        h.space("host/app", 7);
        CHECK(h.found() == "use_after_free.address_space");
    }
    SUBCASE("nowhere, and elsewhere") {
        h.space("", 7);
        h.space("host/other", 7);
        CHECK(h.found() == "");
    }
    SUBCASE("a new program has others") {
        h.emit(trace::ProcessExec{h.name("host/app")}, "host");
        h.space("host/app", 7);
        CHECK(h.found() == "");
    }
}
