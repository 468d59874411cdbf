// What versions of the core got wrong: the right answer in the document's profile, the version's
// own in its profile, and the seeded defect that turns the one into the other.
#include <doctest/doctest.h>

#include "core/ioasid/switch_defects.hpp"
#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

const Defect& defect(const char* name) {
    const Declaration* found = Declaration::find(Declaration::Kind::Defect, name);
    REQUIRE(found != nullptr);
    return static_cast<const Defect&>(*found);
}

// A block each on the global chain and on the set's, with results of their own.
struct TwoChains {
    explicit TwoChains(const Switches& switches) : h(switches), set(h.mm_set(1)) {
        h.core.register_notifier(h.ctx, nullptr, global);
        h.core.register_notifier(h.ctx, set, own);
    }
    NotifyResult notify(NotifyResult of_global, NotifyResult of_set) {
        results = {of_global, of_set};
        const Ioasid id = h.alloc(set);
        return *h.core.notify(h.ctx, id, IoasidNotification::Bind, kNotifyAll | kNotifySet);
    }
    IoasidHarness h;
    IoasidSet* set;
    std::pair<NotifyResult, NotifyResult> results;
    LoggingBlock global{h.calls, "global", kPriorityIommu,
                        [this](ExecContext&, const NotifierPayload&) { return results.first; }};
    LoggingBlock own{h.calls, "own", kPriorityCpu,
                     [this](ExecContext&, const NotifierPayload&) { return results.second; }};
};

}  // namespace

TEST_CASE("ioasid notify: an error of either chain is the result; V4 loses the global one's") {
    using R = NotifyResult;
    Switches v4 = Switches::preset(Profile::V4);
    v4.explicit_notify = true;
    CHECK(TwoChains(Switches{}).notify(R::Bad, R::Ok) == R::Bad);
    CHECK(TwoChains(Switches{}).notify(R::Ok, R::Bad) == R::Bad);
    CHECK(TwoChains(Switches{}).notify(R::Done, R::Ok) == R::Ok);
    CHECK(TwoChains(v4).notify(R::Bad, R::Ok) == R::Ok);
    CHECK(TwoChains(v4).notify(R::Ok, R::Bad) == R::Bad);
}

TEST_CASE("ioasid alloc: the number that means failure is never given out") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1, 1);
    CHECK_FALSE(is_valid(h.alloc(set, kInvalidIoasid, kInvalidIoasid)));
    CHECK(set->live() == 0);
    CHECK(h.core.find(h.ctx, nullptr, kNoIoasid).error() == Errno::Enoent);
    CHECK(is_valid(h.alloc(set, kInvalidIoasid - 1, kInvalidIoasid)));
    CHECK(h.told({"ioasid.hazard"}).empty());
}

TEST_CASE("ioasid alloc: posted code leaves a freed entry under the number that means failure") {
    for (const Profile profile : {Profile::V4, Profile::Dcp, Profile::Mainline}) {
        CAPTURE(profile_name(profile));
        IoasidHarness h(profile);
        IoasidSet* set =
            profile == Profile::Mainline ? h.core.declare_set("tag") : h.mm_set(1, 100);
        CHECK(h.core.find(h.ctx, nullptr, kNoIoasid).error() == Errno::Enoent);
        CHECK(h.told({"ioasid.hazard"}).empty());
        CHECK_FALSE(is_valid(h.alloc(set, kInvalidIoasid, kInvalidIoasid)));
        CHECK_FALSE(h.core.find(h.ctx, nullptr, kNoIoasid).ok());
        h.get(nullptr, kNoIoasid);
        h.put(nullptr, kNoIoasid);
        h.core.free(h.ctx, set, kNoIoasid);
        CHECK(h.told({"ioasid.hazard kind=freed_entry_used"}).size() == 4);
    }
}

TEST_CASE("ioasid alloc: without memory for the set's array everything goes back") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1, 1);
    h.probes.fail_next(ioasid_probes::kSetStoreNoMemory);
    CHECK_FALSE(is_valid(h.alloc(set, 5)));
    CHECK(set->live() == 0);
    CHECK(h.alloc(set, 5).value() == 5);
}

TEST_CASE("ioasid alloc: without memory for the set's array V4 frees twice, returns the number") {
    IoasidHarness h(Profile::V4);
    IoasidSet* set = h.mm_set(1, 1);
    h.probes.fail_next(ioasid_probes::kSetStoreNoMemory);
    CHECK(h.alloc(set, 5).value() == 5);
    CHECK(h.told({"ioasid.hazard"}).size() == 2);
    CHECK(h.core.find(h.ctx, nullptr, Ioasid{5}).error() == Errno::Enoent);
}

TEST_CASE("ioasid mainline: a free is a put of the owner's, each time") {
    IoasidHarness h(Profile::Mainline);
    IoasidSet* tag = h.core.declare_set("svm");
    const Ioasid id = h.alloc(tag);
    h.get(tag, id);
    h.get(tag, id);
    h.told({});
    h.core.free(h.ctx, tag, id);
    h.core.free(h.ctx, tag, id);
    CHECK(h.told({"ioasid.put"}) == Lines{"ioasid.put set=svm ioasid=1 refs=2 holder=owner",
                                          "ioasid.put set=svm ioasid=1 refs=1 holder=owner"});
    CHECK(h.put(tag, id));
}

TEST_CASE("ioasid defects: of early versions, by what they break") {
    const auto with = [](const Defect& which) {
        auto h = std::make_unique<IoasidHarness>();
        h->probes.enable(which);
        return h;
    };
    auto h = with(ioasid_probes::kSecondFreeDrops);
    IoasidSet* set = h->mm_set(1);
    Ioasid id = h->alloc(set);
    h->get(set, id);
    h->core.free(h->ctx, set, id);
    h->core.free(h->ctx, set, id);
    CHECK(set->live() == 0);

    h = with(ioasid_probes::kSpidProbeKeepsReference);
    set = h->mm_set(1);
    id = h->alloc(set);
    h->core.attach_spid(h->ctx, set, id, Spid{101});
    h->core.attach_spid(h->ctx, set, h->alloc(set), Spid{101});
    CHECK(h->core.view(id)->refs == 2);

    h = with(ioasid_probes::kUnbindWithoutSpid);
    set = h->mm_set(1);
    id = h->alloc(set);
    h->core.attach_spid(h->ctx, set, id, Spid{101});
    h->told({});
    h->core.detach_spid(h->ctx, id);
    CHECK(h->told({"ioasid.unbind"}) == Lines{"ioasid.unbind set=mm1 ioasid=1 spid=none"});

    h = with(ioasid_probes::kAdjustComparesPool);
    h->core.install_capacity(h->ctx, 15);
    set = h->mm_set(1, 10);
    CHECK(h->core.adjust_set(h->ctx, set, 11) == Errno::Enospc);

    h = with(ioasid_probes::kDestroyedSetListed);
    set = h->mm_set(1);
    h->core.set_free(h->ctx, set);
    CHECK(h->core.find_mm_set(h->ctx, 1) == set);

    h = with(ioasid_probes::kRegistrationRelocks);
    set = h->mm_set(1);
    LoggingBlock kvm(h->calls, "kvm", kPriorityCpu);
    h->core.register_notifier_mm(h->ctx, 1, kvm);
    CHECK(h->hazards.size() == 1);
}

TEST_CASE("ioasid defects: of delivery") {
    const auto calls_with = [](const Defect& which) {
        IoasidHarness h;
        h.probes.enable(which);
        IoasidSet* set = h.mm_set(1);
        LoggingBlock iommu(h.calls, "iommu", kPriorityIommu);
        LoggingBlock kvm(h.calls, "kvm", kPriorityCpu);
        h.core.register_notifier(h.ctx, nullptr, iommu);
        h.core.register_notifier(h.ctx, set, kvm);
        h.core.register_notifier(h.ctx, set, kvm);
        const Ioasid id = h.alloc(set);
        h.get(set, id);
        h.core.free(h.ctx, set, id);
        return h.calls;
    };
    CHECK(calls_with(ioasid_probes::kAllocAndFreeRejected).empty());
    CHECK(calls_with(ioasid_probes::kFreeToGlobalOnly) == Lines{"kvm:ALLOC 1", "iommu:FREE 1"});
    CHECK(calls_with(ioasid_probes::kBlockListedTwice) ==
          Lines{"kvm:ALLOC 1", "kvm:ALLOC 1", "kvm:FREE 1", "kvm:FREE 1", "iommu:FREE 1"});
}

TEST_CASE("ioasid defects: differences between versions, each sets its switch in any profile") {
    Probes probes;
    probes.enable(defect("ioasid.capacity_wraps"));
    probes.enable(defect("ioasid.set_dies_when_empty"));
    const Switches broken = with_defects(Switches{}, probes);
    CHECK(broken.capacity_wraps);
    CHECK(broken.set_death == Switches::SetDeath::AtZeroLive);
    CHECK_FALSE(broken.quota_is_signed);
    CHECK_FALSE(with_defects(Switches{}, Probes{}).capacity_wraps);
}

// --- edges ------------------------------------------------------------------------------------

TEST_CASE("ioasid: a reference taken in the UNBIND of an idle free keeps the ID") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock kvm(h.calls, "kvm", 3, [&](ExecContext& ctx, const NotifierPayload& p) {
        if (p.event == IoasidNotification::Unbind) {
            CHECK(h.core.get_locked(ctx, p.set, p.id, h.me) == Errno::Ok);
        }
        return NotifyResult::Ok;
    });
    h.core.register_notifier(h.ctx, set, kvm);
    const Ioasid id = h.alloc(set);
    h.core.attach_spid(h.ctx, set, id, Spid{7});
    h.core.free(h.ctx, set, id);
    REQUIRE(h.core.view(id).has_value());
    CHECK(h.core.view(id)->state == IoasidState::FreePending);
    CHECK(h.calls.back() == "kvm:FREE " + std::to_string(id.value()));
    CHECK(h.put(set, id));
}

TEST_CASE("ioasid: the freed entry at 2^32-1 is met by every look-up, and forbids an allocator") {
    class Provider final : public AllocatorOps {
    public:
        Provider() : AllocatorOps("provider") {}
        const void* functions() const override { return this; }
        Ioasid alloc(ExecContext&, Ioasid min, Ioasid) override { return min; }
        void free(ExecContext&, Ioasid) override {}
    } provider;
    IoasidHarness h(Profile::V4);
    IoasidSet* set = h.mm_set(1);
    CHECK_FALSE(is_valid(h.alloc(set, kInvalidIoasid, kInvalidIoasid)));
    CHECK(h.core.register_allocator(h.ctx, provider) == Errno::Eagain);
    h.core.attach_data(h.ctx, set, kNoIoasid, &provider);
    h.core.attach_spid(h.ctx, set, kNoIoasid, Spid{7});
    h.core.get_if_owned(h.ctx, 1, kNoIoasid, h.me);
    h.core.detach_spid(h.ctx, kNoIoasid);
    h.core.detach_data(h.ctx, kNoIoasid);
    CHECK(h.told({"ioasid.hazard kind=freed_entry_used"}).size() == 5);
}

TEST_CASE("ioasid: registering a provider twice corrupts the posted list, and is told") {
    class Provider final : public AllocatorOps {
    public:
        explicit Provider(const char* name) : AllocatorOps(name) {}
        const void* functions() const override { return "shared"; }
        Ioasid alloc(ExecContext&, Ioasid min, Ioasid) override { return min; }
        void free(ExecContext&, Ioasid) override {}
    };
    for (const Profile profile : {Profile::Spec, Profile::V4, Profile::Dcp, Profile::Mainline}) {
        IoasidHarness h(profile);
        Provider head("head");
        Provider second("second");
        CHECK(h.core.register_allocator(h.ctx, head) == Errno::Ok);
        CHECK(h.core.register_allocator(h.ctx, second) == Errno::Ok);
        const bool posted = profile != Profile::Spec;
        CHECK(h.core.register_allocator(h.ctx, second) == (posted ? Errno::Ok : Errno::Eexist));
        CHECK(h.core.register_allocator(h.ctx, head) == Errno::Eexist);
        CHECK(h.told({"ioasid.hazard kind=allocator_list_corrupted"}).size() == (posted ? 2 : 0));
        CHECK(h.core.allocator_groups()[0].members.size() == 2);
    }
}

TEST_CASE("ioasid: calls that name a private set mean its own numbers") {
    IoasidHarness h;
    IoasidSet* common = h.mm_set(1);
    IoasidSet* own = *h.core.set_alloc_private(h.ctx, 2, SetType::Mm, "private");
    const Ioasid id{7};
    CHECK(h.alloc(common, 7, 7) == id);
    CHECK(h.alloc(own, 7, 7) == id);
    h.core.attach_spid(h.ctx, common, id, Spid{70});
    h.core.attach_spid(h.ctx, own, id, Spid{71});
    h.core.detach_spid(h.ctx, id, own);
    CHECK(h.core.find_by_spid(h.ctx, common, Spid{70}, false) == id);
    CHECK(h.core.find_by_spid(h.ctx, own, Spid{71}, false) == kNoIoasid);
    CHECK(h.core.find_mm_set(h.ctx, 2) == nullptr);
    CHECK(h.core.set_alloc(h.ctx, 2, 10, SetType::Mm, "normal").ok());
}

TEST_CASE("ioasid: a set that dies inside its own notification is told before its chain goes on") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock iommu(h.calls, "iommu", 2, [&](ExecContext& ctx, const NotifierPayload& p) {
        if (p.event == IoasidNotification::Free) {
            h.core.put_locked(ctx, p.set, p.id, h.me);
        }
        return NotifyResult::Ok;
    });
    LoggingBlock vdcm(h.calls, "vdcm", 1);
    h.core.register_notifier(h.ctx, nullptr, iommu);
    h.core.register_notifier(h.ctx, set, vdcm);
    const Ioasid id = h.alloc(set);
    h.get(set, id);
    CHECK(h.core.set_free(h.ctx, set) == Errno::Ebusy);
    h.core.free(h.ctx, set, id);
    CHECK(h.told({"ioasid.hazard kind=destroyed_set"}).size() == 1);
}

TEST_CASE("ioasid: a handler that notifies from within is stopped before the stack ends") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock kvm(h.calls, "kvm", 3, [&](ExecContext& ctx, const NotifierPayload& p) {
        return p.event == IoasidNotification::Bind ? *h.core.notify(ctx, p.id, p.event, kNotifySet)
                                                   : NotifyResult::Ok;
    });
    h.core.register_notifier(h.ctx, set, kvm);
    const Ioasid id = h.alloc(set);
    CHECK(h.core.notify(h.ctx, id, IoasidNotification::Bind, kNotifySet).ok());
    CHECK(h.told({"ioasid.hazard kind=notification_too_deep"}).size() == 1);
    CHECK(h.calls.size() > 10);
    CHECK(h.calls.size() < 100);
}

TEST_CASE("ioasid: a kernel without the subsystem answers every call with -ENOTSUPP") {
    Switches switches = Switches::preset(Profile::Spec);
    switches.subsystem = false;
    IoasidHarness h(switches);
    CHECK_FALSE(h.core.install_capacity(h.ctx, 10));
    CHECK(h.core.reserve_capacity(h.ctx, 10).error() == Errno::Enotsupp);
    CHECK(h.core.cancel_capacity(h.ctx, 10).error() == Errno::Enotsupp);
    CHECK(h.core.adjust_set(h.ctx, nullptr, 10) == Errno::Enotsupp);
    CHECK(h.core.find_set(h.ctx, Ioasid{1}).error() == Errno::Enotsupp);
    CHECK(h.core.find_sid(h.ctx, Ioasid{1}).error() == Errno::Enotsupp);
    CHECK(h.core.get_locked(h.ctx, nullptr, Ioasid{1}, h.me) == Errno::Enotsupp);
    CHECK(h.core.notify(h.ctx, Ioasid{1}, IoasidNotification::Bind, kNotifyAll).error() ==
          Errno::Enotsupp);
    CHECK(h.told({"ioasid.hazard"}).empty());
}
