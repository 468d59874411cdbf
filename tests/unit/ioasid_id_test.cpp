// IDs, references and states, SPIDs, private data, profiles without parts, faults, time.
#include <memory>

#include <doctest/doctest.h>

#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

// --- IDs --------------------------------------------------------------------------------------

TEST_CASE("ioasid alloc: inclusive range, lowest free first, 0 only if asked for") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    CHECK(h.alloc(set, 3, 5).value() == 3);
    CHECK(h.alloc(set, 3, 5).value() == 4);
    CHECK(h.alloc(set, 3, 5).value() == 5);
    CHECK_FALSE(is_valid(h.alloc(set, 3, 5)));
    CHECK_FALSE(is_valid(h.alloc(set, 9, 8)));
    CHECK(h.alloc(set, 0, 5).value() == 0);
    h.core.free(h.ctx, set, Ioasid{4});
    CHECK(h.alloc(set, 1, 9).value() == 1);
    CHECK(h.alloc(set, 3, 9).value() == 4);
    CHECK_FALSE(is_valid(h.alloc(nullptr)));
}

TEST_CASE("ioasid free: of an IDLE ID is silent, of an ACTIVE one waits for its users") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock block(h.calls, "kvm", kPriorityCpu);
    h.core.register_notifier(h.ctx, nullptr, block);
    h.core.free(h.ctx, set, h.alloc(set));
    CHECK(h.calls.empty());
    const Ioasid id = h.alloc(set);
    h.get(set, id);
    h.core.free(h.ctx, set, id);
    CHECK(h.core.view(id)->state == IoasidState::FreePending);
    CHECK(h.core.view(id)->refs == 1);
    h.core.free(h.ctx, set, id);  // no second drop, no second event
    CHECK(h.core.view(id)->refs == 1);
    CHECK(h.calls == Lines{"kvm:FREE 1"});
    CHECK(h.get(set, id) == Errno::Ebusy);
    CHECK(h.core.find(h.ctx, set, id).ok());
    CHECK(h.alloc(set).value() == 2);  // not handed out while somebody uses it
    CHECK(h.put(set, id));
    CHECK(h.alloc(set).value() == 1);
}

TEST_CASE("ioasid states: told once for each real change") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid id = h.alloc(set);
    h.get(set, id);
    h.get(set, id);
    h.put(set, id);
    h.put(set, id);
    h.get(set, id);
    h.core.free(h.ctx, set, id);
    h.put(set, id);
    CHECK(h.told({"ioasid.state"}) ==
          Lines{"ioasid.state set=mm1 ioasid=1 from=FREE to=IDLE",
                "ioasid.state set=mm1 ioasid=1 from=IDLE to=ACTIVE",
                "ioasid.state set=mm1 ioasid=1 from=ACTIVE to=IDLE",
                "ioasid.state set=mm1 ioasid=1 from=IDLE to=ACTIVE",
                "ioasid.state set=mm1 ioasid=1 from=ACTIVE to=FREE_PENDING",
                "ioasid.state set=mm1 ioasid=1 from=FREE_PENDING to=FREE"});
}

TEST_CASE("ioasid references: each one is told with its holder and the count after it") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid id = h.alloc(set);
    h.get(set, id);
    h.core.free(h.ctx, set, id);
    h.put(set, id);
    CHECK(h.told({"ioasid.get", "ioasid.put", "ioasid.free_call", "ioasid.reclaim"}) ==
          Lines{"ioasid.get set=mm1 ioasid=1 refs=2 holder=me",
                "ioasid.free_call set=mm1 ioasid=1 result=0",
                "ioasid.put set=mm1 ioasid=1 refs=1 holder=owner",
                "ioasid.put set=mm1 ioasid=1 refs=0 holder=me",
                "ioasid.reclaim set=mm1 ioasid=1 live=0"});
}

TEST_CASE("ioasid ownership: a foreign set is refused by get, find, free and put") {
    IoasidHarness h;
    IoasidSet* mine = h.mm_set(1);
    IoasidSet* other = h.mm_set(2);
    const Ioasid id = h.alloc(mine);
    h.get(mine, id);
    CHECK(h.get(other, id) == Errno::Eacces);
    CHECK(h.core.find(h.ctx, other, id).error() == Errno::Eacces);
    CHECK_FALSE(h.put(other, id));
    h.core.free(h.ctx, other, id);
    h.core.free(h.ctx, nullptr, id);  // no set never matches
    CHECK(h.core.view(id)->state == IoasidState::Active);
    CHECK(h.core.view(id)->refs == 2);
    CHECK(h.core.attach_spid(h.ctx, other, id, Spid{1}) == Errno::Eacces);
    CHECK(h.core.attach_data(h.ctx, other, id, &h) == Errno::Eacces);
    CHECK(h.get(nullptr, id) == Errno::Ok);
    CHECK_FALSE(h.core.is_in_set(h.ctx, other, id));
    CHECK(h.core.is_in_set(h.ctx, mine, id));
}

TEST_CASE("ioasid get: FREE_PENDING is found before a foreign set") {
    IoasidHarness h;
    IoasidSet* mine = h.mm_set(1);
    IoasidSet* other = h.mm_set(2);
    const Ioasid id = h.alloc(mine);
    CHECK(h.get(mine, Ioasid{77}) == Errno::Einval);
    h.get(mine, id);
    h.core.free(h.ctx, mine, id);
    CHECK(h.get(other, id) == Errno::Ebusy);
}

TEST_CASE("ioasid get_if_owned: by the mm of the caller") {
    IoasidHarness h;
    IoasidSet* mine = h.mm_set(1);
    IoasidSet* untyped = *h.core.set_alloc(h.ctx, 0, 5, SetType::None, "none");
    const Ioasid id = h.alloc(mine);
    const Ioasid bare = h.alloc(untyped);
    CHECK(h.core.get_if_owned(h.ctx, 1, Ioasid{99}, h.me) == Errno::Enoent);
    CHECK(h.core.get_if_owned(h.ctx, 1, bare, h.me) == Errno::Einval);
    CHECK(h.core.get_if_owned(h.ctx, 2, id, h.me) == Errno::Eperm);
    CHECK(h.core.get_if_owned(h.ctx, 1, id, h.me) == Errno::Ok);
    h.core.free(h.ctx, mine, id);
    CHECK(h.core.get_if_owned(h.ctx, 1, id, h.me) == Errno::Ebusy);
}

TEST_CASE("ioasid put: the owner's put instead of a free reclaims without an event") {
    IoasidHarness h;
    LoggingBlock block(h.calls, "iommu", kPriorityIommu);
    h.core.register_notifier(h.ctx, nullptr, block);
    IoasidSet* set = h.mm_set(1);
    const Ioasid id = h.alloc(set);
    CHECK(h.core.put(h.ctx, set, id, h.core.owner()));
    CHECK(h.calls.empty());
    CHECK_FALSE(h.core.view(id).has_value());
}

TEST_CASE("ioasid data: attached once, found with a getter that may refuse") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid id = h.alloc(set);
    int data = 0;
    CHECK(h.core.attach_data(h.ctx, set, Ioasid{9}, &data) == Errno::Enoent);
    CHECK(h.core.attach_data(h.ctx, set, id, &data) == Errno::Ok);
    CHECK(h.core.attach_data(h.ctx, set, id, &data) == Errno::Ebusy);
    void* seen = nullptr;
    const DataGetter accept = [&](void* p) { return (seen = p) != nullptr; };
    const DataGetter refuse = [](void*) { return false; };
    CHECK(*h.core.find(h.ctx, set, id, &accept) == &data);
    CHECK(seen == &data);
    CHECK(*h.core.find(h.ctx, set, id, &refuse) == nullptr);
    h.core.detach_data(h.ctx, id);
    CHECK(*h.core.find(h.ctx, set, id) == nullptr);
}

// --- SPIDs ------------------------------------------------------------------------------------

TEST_CASE("ioasid spid: two sets use the same one for different IDs") {
    IoasidHarness h;
    IoasidSet* vm1 = h.mm_set(1);
    IoasidSet* vm2 = h.mm_set(2);
    h.alloc(vm1, 201, 201);
    h.alloc(vm2, 202, 202);
    CHECK(h.core.attach_spid(h.ctx, vm1, Ioasid{201}, Spid{101}) == Errno::Ok);
    CHECK(h.core.attach_spid(h.ctx, vm2, Ioasid{202}, Spid{101}) == Errno::Ok);
    CHECK(h.core.find_by_spid(h.ctx, vm1, Spid{101}, false).value() == 201);
    CHECK(h.core.find_by_spid(h.ctx, vm2, Spid{101}, false).value() == 202);
}

TEST_CASE("ioasid spid: twice in one set is refused, detach and re-attach is not") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid a = h.alloc(set);
    const Ioasid b = h.alloc(set);
    CHECK(h.core.attach_spid(h.ctx, set, a, kNoSpid) == Errno::Einval);
    CHECK(h.core.attach_spid(h.ctx, set, Ioasid{99}, Spid{5}) == Errno::Enoent);
    CHECK(h.core.attach_spid(h.ctx, set, a, Spid{5}) == Errno::Ok);
    CHECK(h.core.attach_spid(h.ctx, set, b, Spid{5}) == Errno::Einval);
    CHECK_FALSE(is_valid(h.core.find_by_spid(h.ctx, set, Spid{6}, false)));
    h.core.detach_spid(h.ctx, a);
    CHECK_FALSE(is_valid(h.core.find_by_spid(h.ctx, set, Spid{5}, false)));
    CHECK(h.core.attach_spid(h.ctx, set, b, Spid{5}) == Errno::Ok);
    CHECK(h.core.find_by_spid(h.ctx, set, Spid{5}, false) == b);
}

TEST_CASE("ioasid spid: a second alias is refused without BIND in spec, overwrites in V4") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        LoggingBlock block(h.calls, "kvm", kPriorityCpu);
        h.core.register_notifier(h.ctx, set, block);
        const Ioasid id = h.alloc(set);
        h.core.attach_spid(h.ctx, set, id, Spid{5});
        h.calls.clear();
        const Errno second = h.core.attach_spid(h.ctx, set, id, Spid{6});
        if (profile == Profile::Spec) {
            CHECK(second == Errno::Ebusy);
            CHECK(h.core.attach_spid(h.ctx, set, id, Spid{5}) == Errno::Ebusy);
            CHECK(h.calls.empty());
            CHECK(h.core.find_by_spid(h.ctx, set, Spid{5}, false) == id);
        } else {
            CHECK(second == Errno::Ok);
            CHECK(h.calls == Lines{"kvm:BIND 1/6"});
            CHECK_FALSE(is_valid(h.core.find_by_spid(h.ctx, set, Spid{5}, false)));
        }
    }
}

TEST_CASE("ioasid spid: a look-up takes a reference if asked, and refuses a pending ID in spec") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        const Ioasid id = h.alloc(set);
        h.core.attach_spid(h.ctx, set, id, Spid{5});
        CHECK(h.core.find_by_spid(h.ctx, set, Spid{5}, true, h.me) == id);
        CHECK(h.core.view(id)->refs == 2);
        h.core.free(h.ctx, set, id);
        const Ioasid again = h.core.find_by_spid(h.ctx, set, Spid{5}, true, h.me);
        CHECK(is_valid(again) == (profile == Profile::V4));
        CHECK(h.core.view(id)->refs == (profile == Profile::V4 ? 2 : 1));
    }
}

TEST_CASE("ioasid spid: the invalid SPID matches and references everything in posted code") {
    IoasidHarness v4(Profile::V4);
    IoasidSet* set = v4.mm_set(1);
    v4.alloc(set);
    v4.alloc(set);
    CHECK(v4.core.find_by_spid(v4.ctx, set, kNoSpid, true, v4.me).value() == 2);
    CHECK(v4.core.view(Ioasid{1})->refs == 2);
    IoasidHarness spec;
    set = spec.mm_set(1);
    spec.alloc(set);
    CHECK_FALSE(is_valid(spec.core.find_by_spid(spec.ctx, set, kNoSpid, true, spec.me)));
}

TEST_CASE("ioasid spid: a free of an IDLE ID sends UNBIND first in spec, nothing in V4") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        h.alloc(set);  // keeps the set alive
        LoggingBlock block(h.calls, "kvm", kPriorityCpu);
        const Ioasid id = h.alloc(set);
        h.core.attach_spid(h.ctx, set, id, Spid{5});
        IoasidSet* target = set;
        if (profile == Profile::V4) {
            h.core.register_notifier(h.ctx, target, block);
        } else {
            IoasidSet* fresh = h.mm_set(2);
            h.core.register_notifier(h.ctx, fresh, block);
            const Ioasid other = h.alloc(fresh);
            h.core.attach_spid(h.ctx, fresh, other, Spid{5});
            h.calls.clear();
            h.core.free(h.ctx, fresh, other);
            CHECK(h.calls == Lines{"kvm:UNBIND 3/5"});
            CHECK_FALSE(h.core.view(other).has_value());
            continue;
        }
        h.core.free(h.ctx, set, id);
        CHECK(h.calls.empty());
    }
}

// --- profiles without parts, faults -----------------------------------------------------------

TEST_CASE("ioasid mainline: a set is a tag, SPIDs and notifiers do not exist") {
    IoasidHarness h(Profile::Mainline);
    IoasidSet* tag = h.core.declare_set("svm");
    const Ioasid id = h.alloc(tag);
    CHECK(is_valid(h.alloc(nullptr)));
    CHECK(h.core.find(h.ctx, h.core.declare_set("other"), id).error() == Errno::Eacces);
    CHECK(h.core.attach_spid(h.ctx, tag, id, Spid{1}) == Errno::Eopnotsupp);
    CHECK(h.core.set_alloc(h.ctx, 1, 1, SetType::Mm, "x").error() == Errno::Einval);
    CHECK(h.get(nullptr, id) == Errno::Ok);
    CHECK_FALSE(h.put(nullptr, id));
    CHECK(h.put(nullptr, id));
    CHECK(h.core.find(h.ctx, tag, id).error() == Errno::Enoent);
}

TEST_CASE("ioasid switches: a kernel without the subsystem answers -ENOTSUPP") {
    Switches switches = Switches::preset(Profile::Spec);
    switches.subsystem = false;
    IoasidHarness h(switches);
    CHECK(h.core.set_alloc(h.ctx, 1, 1, SetType::Mm, "x").error() == Errno::Enotsupp);
    CHECK_FALSE(is_valid(h.alloc(nullptr)));
    CHECK(h.get(nullptr, Ioasid{1}) == Errno::Enotsupp);
    CHECK(h.core.find(h.ctx, nullptr, Ioasid{1}).error() == Errno::Enotsupp);
    CHECK(h.core.attach_data(h.ctx, nullptr, Ioasid{1}, &h) == Errno::Enotsupp);
    LoggingBlock block(h.calls, "kvm", kPriorityCpu);
    CHECK(h.core.register_notifier(h.ctx, nullptr, block) == Errno::Enotsupp);
}

TEST_CASE("ioasid faults: no memory leaves nothing behind") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1, 5);
    h.probes.fail_calls(ioasid_probes::kAllocNoMemory, 1, 1);
    h.probes.fail_calls(ioasid_probes::kSetAllocNoMemory, 1, 1);
    h.told({});
    CHECK_FALSE(is_valid(h.alloc(set)));
    CHECK(set->live() == 0);
    const std::uint32_t before = h.core.available();
    CHECK(h.core.set_alloc(h.ctx, 2, 5, SetType::Mm, "x").error() == Errno::Enomem);
    CHECK(h.core.available() == before);
    CHECK(h.told({"ioasid.refused"}) ==
          Lines{"ioasid.refused operation=alloc set=mm1 ioasid=none result=-ENOMEM caller=test",
                "ioasid.refused operation=set_alloc set=x ioasid=none result=-ENOMEM caller=test"});
    CHECK(is_valid(h.alloc(set)));
}

TEST_CASE("ioasid defects: each breaks what it names") {
    const auto with = [](const Defect& defect) {
        auto h = std::make_unique<IoasidHarness>();
        h->probes.enable(defect);
        return h;
    };
    auto h = with(ioasid_probes::kQuotaNotChecked);
    IoasidSet* set = h->mm_set(1, 1);
    h->alloc(set);
    CHECK(is_valid(h->alloc(set)));

    h = with(ioasid_probes::kForeignFreeAllowed);
    set = h->mm_set(1);
    h->core.free(h->ctx, h->mm_set(2), h->alloc(set));
    CHECK(set->live() == 0);

    h = with(ioasid_probes::kMissingPut);
    set = h->mm_set(1);
    Ioasid id = h->alloc(set);
    h->get(set, id);
    h->core.free(h->ctx, set, id);
    CHECK_FALSE(h->put(set, id));
    CHECK(set->live() == 1);

    h = with(ioasid_probes::kDoublePut);
    set = h->mm_set(1);
    id = h->alloc(set);
    h->get(set, id);
    CHECK(h->put(set, id));
    CHECK(set->live() == 0);

    h = with(ioasid_probes::kSpidLookupGlobal);
    set = h->mm_set(1);
    IoasidSet* other = h->mm_set(2);
    h->core.attach_spid(h->ctx, set, h->alloc(set, 201, 201), Spid{101});
    h->core.attach_spid(h->ctx, other, h->alloc(other, 202, 202), Spid{101});
    CHECK(h->core.find_by_spid(h->ctx, other, Spid{101}, false).value() == 201);

    h = with(ioasid_probes::kSpidConflictAccepted);
    set = h->mm_set(1);
    h->core.attach_spid(h->ctx, set, h->alloc(set), Spid{101});
    CHECK(h->core.attach_spid(h->ctx, set, h->alloc(set), Spid{101}) == Errno::Ok);

    h = with(ioasid_probes::kEarlyReuse);
    set = h->mm_set(1);
    id = h->alloc(set);
    h->get(set, id);
    h->core.free(h->ctx, set, id);
    CHECK(h->alloc(set) == id);
}

TEST_CASE("ioasid defects: of sets and ranges") {
    IoasidHarness h;
    h.probes.enable(ioasid_probes::kQuotaNotReturned);
    h.probes.enable(ioasid_probes::kFreeAllSkipsLast);
    h.probes.enable(ioasid_probes::kRangeIgnored);
    h.probes.enable(ioasid_probes::kPendingGetAllowed);
    IoasidSet* set = h.mm_set(1, 10);
    CHECK(h.alloc(set, 50, 60).value() == 1);
    CHECK(h.alloc(set, 50, 60).value() == 2);
    h.core.free_all_in_set(h.ctx, set);
    CHECK(set->live() == 1);
    h.get(set, Ioasid{2});
    h.core.free(h.ctx, set, Ioasid{2});
    CHECK(h.get(set, Ioasid{2}) == Errno::Ok);
    h.put(set, Ioasid{2});
    h.put(set, Ioasid{2});
    CHECK(h.core.set_free(h.ctx, set) == Errno::Ok);
    CHECK(h.core.available() == 0x100000 - 10);
}

// --- time -------------------------------------------------------------------------------------

TEST_CASE("ioasid time: a global search grows with the numbers in use, an own set's does not") {
    const IoasidParams params = IoasidParams::table().defaults();
    IoasidHarness h(Profile::Spec, params);
    IoasidSet* set = h.mm_set(1, 500000);
    IoasidSet* own = *h.core.set_alloc_private(h.ctx, 2, SetType::Mm, "own");
    const Ioasid id = h.alloc(set, 10, 10);
    const Ioasid mine = h.alloc(own, 10, 10);
    const auto cost = [&](IoasidSet* in, Ioasid which) {
        const TimePs start = h.ctx.now();
        CHECK(h.core.find(h.ctx, in, which).ok());
        return h.ctx.now() - start;
    };
    const TimePs small = cost(set, id);
    h.alloc(set, 300000, 300000);
    CHECK(cost(set, id) == small + params.search_level * 3);  // 1 level to 4
    CHECK(cost(own, mine) == params.find + params.set_level);
}

TEST_CASE("ioasid time: a look-up by SPID is charged for the scan of its set") {
    const IoasidParams params = IoasidParams::table().defaults();
    IoasidHarness h(Profile::Spec, params);
    IoasidSet* set = h.mm_set(1, 1000);
    const auto cost = [&] {
        const TimePs start = h.ctx.now();
        h.core.find_by_spid(h.ctx, set, Spid{1}, false);
        return h.ctx.now() - start;
    };
    CHECK(cost() == TimePs{});
    for (int i = 0; i < 1000; ++i) {
        h.alloc(set);
    }
    CHECK(cost() == params.spid_scan * 1000);
}
