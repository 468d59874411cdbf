// Notification chains, hazards in handlers, pending blocks, ordered work, allocators.
#include <doctest/doctest.h>

#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

// KVM and VDCM on the set, the IOMMU on the global chain.
struct ThreeParties {
    explicit ThreeParties(Profile profile = Profile::Spec) : h(profile), set(h.mm_set(1)) {
        h.core.register_notifier(h.ctx, set, vdcm);
        h.core.register_notifier(h.ctx, nullptr, iommu);
        h.core.register_notifier(h.ctx, set, kvm);
    }
    Ioasid active() {
        const Ioasid id = h.alloc(set);
        h.get(set, id);
        h.calls.clear();
        return id;
    }
    LoggingBlock::Action on_kvm;
    LoggingBlock::Action on_iommu;
    IoasidHarness h;
    IoasidSet* set;
    LoggingBlock kvm{h.calls, "kvm", kPriorityCpu,
                     [this](ExecContext& c, const NotifierPayload& p) {
                         return on_kvm ? on_kvm(c, p) : NotifyResult::Ok;
                     }};
    LoggingBlock iommu{h.calls, "iommu", kPriorityIommu,
                       [this](ExecContext& c, const NotifierPayload& p) {
                           return on_iommu ? on_iommu(c, p) : NotifyResult::Ok;
                       }};
    LoggingBlock vdcm{h.calls, "vdcm", kPriorityDevice};
};

class Item final : public WorkItem {
public:
    Item(Lines& ran, std::string name, std::function<void()> action = {})
        : WorkItem(kNoIoasid), name_(std::move(name)), ran_(ran), action_(std::move(action)) {}
    const std::string& name() const override { return name_; }
    void run(ExecContext&) override {
        ran_.push_back(name());
        if (action_) {
            action_();
        }
    }

private:
    std::string name_;
    Lines& ran_;
    std::function<void()> action_;
};

class Provider final : public AllocatorOps {
public:
    Provider(const std::string& name, const void* functions)
        : AllocatorOps(name), functions_(functions) {}
    const void* functions() const override { return functions_; }
    Ioasid alloc(ExecContext&, Ioasid, Ioasid) override { return next; }
    void free(ExecContext&, Ioasid id) override { freed.push_back(id.value()); }
    Ioasid next{500};
    std::vector<std::uint32_t> freed;

private:
    const void* functions_;
};

}  // namespace

// --- order ------------------------------------------------------------------------------------

TEST_CASE("ioasid notify: FREE goes to CPU, IOMMU, DEVICE over both chains in spec") {
    ThreeParties t;
    t.h.core.free(t.h.ctx, t.set, t.active());
    CHECK(t.h.calls == Lines{"kvm:FREE 1", "iommu:FREE 1", "vdcm:FREE 1"});
}

TEST_CASE("ioasid notify: posted code calls the global chain first") {
    ThreeParties t(Profile::V4);
    t.h.core.free(t.h.ctx, t.set, t.active());
    CHECK(t.h.calls == Lines{"iommu:FREE 1", "kvm:FREE 1", "vdcm:FREE 1"});
}

TEST_CASE("ioasid notify: BIND and UNBIND go to the set alone, ALLOC too") {
    ThreeParties t;
    const Ioasid id = t.h.alloc(t.set);
    t.h.core.attach_spid(t.h.ctx, t.set, id, Spid{101});
    t.h.core.detach_spid(t.h.ctx, id);
    t.h.core.detach_spid(t.h.ctx, id);  // nothing there: nothing sent
    CHECK(t.h.calls == Lines{"kvm:ALLOC 1", "vdcm:ALLOC 1", "kvm:BIND 1/101", "vdcm:BIND 1/101",
                             "kvm:UNBIND 1/101", "vdcm:UNBIND 1/101"});
}

TEST_CASE("ioasid notify: events of one set do not reach another's chain") {
    ThreeParties t;
    IoasidSet* other = t.h.mm_set(2);
    t.h.core.attach_spid(t.h.ctx, other, t.h.alloc(other), Spid{1});
    CHECK(t.h.calls.empty());
}

TEST_CASE("ioasid notify: equal priorities are called in order of registration") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock a(h.calls, "a", 1);
    LoggingBlock b(h.calls, "b", 1);
    LoggingBlock c(h.calls, "c", 2);
    for (LoggingBlock* block : {&a, &b, &c, &a}) {
        CHECK(h.core.register_notifier(h.ctx, set, *block) == Errno::Ok);
    }
    h.alloc(set);
    CHECK(h.calls == Lines{"c:ALLOC 1", "a:ALLOC 1", "b:ALLOC 1"});
}

TEST_CASE("ioasid notify: a stop value ends only the rest of its own chain") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        ThreeParties t(profile);
        t.on_kvm = [](ExecContext&, const NotifierPayload&) { return NotifyResult::Bad; };
        t.h.core.free(t.h.ctx, t.set, t.active());
        const Lines spec{"kvm:FREE 1", "iommu:FREE 1"};
        const Lines v4{"iommu:FREE 1", "kvm:FREE 1"};
        CHECK(t.h.calls == (profile == Profile::Spec ? spec : v4));
    }
}

TEST_CASE("ioasid notify: a handler cannot veto") {
    ThreeParties t;
    t.on_kvm = [](ExecContext&, const NotifierPayload&) { return notify_error(Errno::Enomem); };
    const Ioasid id = t.h.alloc(t.set);
    CHECK(t.h.core.attach_spid(t.h.ctx, t.set, id, Spid{5}) == Errno::Ok);
    CHECK(t.h.core.find_by_spid(t.h.ctx, t.set, Spid{5}, false) == id);
}

TEST_CASE("ioasid notify: explicit events with scope flags") {
    ThreeParties t;
    const Ioasid id = t.active();
    const auto send = [&](Ioasid which, IoasidNotification event, unsigned flags) {
        t.h.calls.clear();
        return t.h.core.notify(t.h.ctx, which, event, flags).error();
    };
    CHECK(send(id, IoasidNotification::Bind, kNotifyAll) == Errno::Ok);
    CHECK(t.h.calls == Lines{"iommu:BIND 1"});
    CHECK(send(id, IoasidNotification::Unbind, kNotifySet) == Errno::Ok);
    CHECK(t.h.calls == Lines{"kvm:UNBIND 1", "vdcm:UNBIND 1"});
    CHECK(send(id, IoasidNotification::Bind, kNotifyAll | kNotifySet) == Errno::Ok);
    CHECK(t.h.calls == Lines{"kvm:BIND 1", "iommu:BIND 1", "vdcm:BIND 1"});
    CHECK(send(Ioasid{77}, IoasidNotification::Bind, kNotifyAll) == Errno::Einval);
    CHECK(send(id, IoasidNotification::Bind, 4) == Errno::Einval);
    CHECK(send(id, IoasidNotification::Bind, 0) == Errno::Einval);
    CHECK(send(id, IoasidNotification::Free, kNotifyAll) == Errno::Einval);
    CHECK(t.h.calls.empty());
    ThreeParties v4(Profile::V4);
    CHECK(v4.h.core.notify(v4.h.ctx, v4.active(), IoasidNotification::Bind, kNotifyAll).error() ==
          Errno::Eopnotsupp);
}

TEST_CASE("ioasid notify: handlers are told between the event and its reclaim") {
    ThreeParties t;
    t.on_iommu = [&](ExecContext& ctx, const NotifierPayload& p) {
        CHECK(t.h.core.put_locked(ctx, p.set, p.id, t.h.me));
        return NotifyResult::Ok;
    };
    const Ioasid id = t.active();
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK(t.h.told({"ioasid.free ", "ioasid.handler ", "ioasid.reclaim", "ioasid.hazard"}) ==
          Lines{"ioasid.free set=mm1 ioasid=1 spid=none",
                "ioasid.handler set=mm1 ioasid=1 notification=FREE block=kvm priority=3 chain=set",
                "ioasid.handler set=mm1 ioasid=1 notification=FREE block=iommu priority=2 "
                "chain=global",
                "ioasid.reclaim set=mm1 ioasid=1 live=0",
                "ioasid.handler set=mm1 ioasid=1 notification=FREE block=vdcm priority=1 "
                "chain=set"});
    CHECK(t.h.probes.hits(ioasid_probes::kReclaimInHandler) == 1);
}

TEST_CASE("ioasid notify: defects send twice or in reverse") {
    {
        IoasidHarness h;
        h.probes.enable(ioasid_probes::kReversedPriority);
        IoasidSet* set = h.mm_set(1);
        LoggingBlock a(h.calls, "kvm", 3);
        LoggingBlock b(h.calls, "vdcm", 1);
        LoggingBlock g(h.calls, "iommu", 2);
        h.core.register_notifier(h.ctx, set, a);
        h.core.register_notifier(h.ctx, set, b);
        h.core.register_notifier(h.ctx, nullptr, g);
        const Ioasid id = h.alloc(set);
        h.get(set, id);
        h.calls.clear();
        h.core.free(h.ctx, set, id);
        CHECK(h.calls == Lines{"vdcm:FREE 1", "iommu:FREE 1", "kvm:FREE 1"});
    }
    ThreeParties twice;
    twice.h.probes.enable(ioasid_probes::kFreeNotifiedTwice);
    twice.h.probes.enable(ioasid_probes::kUnbindTwice);
    const Ioasid id = twice.active();
    twice.h.core.attach_spid(twice.h.ctx, twice.set, id, Spid{4});
    twice.h.calls.clear();
    twice.h.core.detach_spid(twice.h.ctx, id);
    CHECK(twice.h.calls.size() == 4);
    twice.h.calls.clear();
    twice.h.core.free(twice.h.ctx, twice.set, id);
    CHECK(twice.h.calls.size() == 6);
}

// --- atomicity --------------------------------------------------------------------------------

TEST_CASE("ioasid handler: a plain call is told as self deadlock and goes on as if locked") {
    ThreeParties t;
    const Ioasid id = t.active();
    t.on_kvm = [&](ExecContext& ctx, const NotifierPayload& p) {
        CHECK(ctx.kind() == ContextKind::AtomicHandler);
        CHECK(ctx.atomic());
        CHECK(t.h.core.put(ctx, p.set, p.id, t.h.me));
        return NotifyResult::Ok;
    };
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK(t.h.told({"ioasid.hazard"}) ==
          Lines{"ioasid.hazard kind=self_deadlock actor=test lock=host/ioasid_allocator_lock "
                "chain=ioasid_free > kvm > ioasid_put"});
    CHECK_FALSE(t.h.core.view(id).has_value());
    CHECK(t.h.core.allocator_lock().owner() == nullptr);
}

TEST_CASE("ioasid handler: the locked variants are legal, find and queue_work too") {
    ThreeParties t;
    Lines ran;
    Item item(ran, "drain");
    const Ioasid id = t.active();
    t.on_kvm = [&](ExecContext& ctx, const NotifierPayload& p) {
        CHECK(t.h.core.find(ctx, p.set, p.id).ok());
        CHECK(t.h.core.find_set(ctx, p.id).ok());
        CHECK(t.h.core.queue_work(ctx, item));
        CHECK(t.h.core.put_locked(ctx, p.set, p.id, t.h.me));
        return NotifyResult::Ok;
    };
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK(t.h.told({"ioasid.hazard"}).empty());
    CHECK(t.h.hazards.empty());
}

TEST_CASE("ioasid handler: detach_spid inside FREE is told, in deferred work it is legal") {
    ThreeParties t;
    Lines ran;
    const Ioasid id = t.active();
    t.h.core.attach_spid(t.h.ctx, t.set, id, Spid{7});
    Item item(ran, "teardown", [&] { t.h.core.detach_spid(t.h.ctx, id); });
    t.on_iommu = [&](ExecContext& ctx, const NotifierPayload&) {
        t.h.core.queue_work(ctx, item);
        return NotifyResult::Ok;
    };
    t.h.told({});
    t.h.calls.clear();
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK(t.h.core.run_pending(t.h.ctx) == 1);
    CHECK(t.h.told({"ioasid.hazard"}).empty());
    CHECK(t.h.calls == Lines{"kvm:FREE 1/7", "iommu:FREE 1/7", "vdcm:FREE 1/7", "kvm:UNBIND 1/7",
                             "vdcm:UNBIND 1/7"});
    t.on_iommu = [&](ExecContext& ctx, const NotifierPayload& p) {
        t.h.core.detach_spid(ctx, p.id);
        return NotifyResult::Ok;
    };
    const Ioasid second = t.active();
    t.h.core.attach_spid(t.h.ctx, t.set, second, Spid{8});
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, second);
    CHECK(t.h.told({"ioasid.hazard"}) ==
          Lines{"ioasid.hazard kind=self_deadlock actor=test lock=host/ioasid_allocator_lock "
                "chain=ioasid_free > iommu > ioasid_detach_spid"});
}

TEST_CASE("ioasid handler: a call that sleeps is told and does not sleep") {
    ThreeParties t;
    const Ioasid id = t.active();
    t.on_kvm = [&](ExecContext& ctx, const NotifierPayload& p) {
        t.h.core.detach_data(ctx, p.id);
        return NotifyResult::Ok;
    };
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK(t.h.told({"ioasid.hazard kind=sleep_in_atomic"}).size() == 1);
}

TEST_CASE("ioasid lock: a locked variant without the lock is told") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid id = h.alloc(set);
    h.told({});
    h.core.get_locked(h.ctx, set, id, h.me);
    CHECK(h.told({"ioasid.hazard kind=lock_not_held"}).size() == 1);
    h.core.lock(h.ctx);
    h.core.put_locked(h.ctx, set, id, h.me);
    h.core.unlock(h.ctx);
    CHECK(h.told({"ioasid.hazard"}).empty());
}

TEST_CASE("ioasid lock: V4 takes list lock and allocator lock in both orders, spec does not") {
    for (const Profile profile : {Profile::V4, Profile::Spec, Profile::Dcp}) {
        IoasidHarness h(profile);
        LoggingBlock block(h.calls, "kvm", kPriorityCpu);
        h.core.register_notifier_mm(h.ctx, 1, block);
        h.mm_set(1);
        const std::size_t inversions = profile == Profile::V4 ? 1 : 0;
        REQUIRE(h.hazards.size() == inversions);
        if (inversions != 0) {
            CHECK(h.hazards[0].kind == HazardKind::LockOrder);
        }
    }
}

TEST_CASE("ioasid time: handlers run under the lock, one after the other") {
    const IoasidParams params = IoasidParams::table().defaults();
    IoasidHarness h(Profile::Spec, params);
    IoasidSet* set = h.mm_set(1);
    const TimePs busy{700'000};
    LoggingBlock a(h.calls, "a", 3, [&](ExecContext& ctx, const NotifierPayload&) {
        CHECK(ctx.holds(h.core.allocator_lock()));
        ctx.spend(busy);
        return NotifyResult::Ok;
    });
    LoggingBlock b(h.calls, "b", 1);
    h.core.register_notifier(h.ctx, set, a);
    h.core.register_notifier(h.ctx, set, b);
    const TimePs held = h.core.allocator_lock().stats().held;
    const TimePs start = h.ctx.now();
    h.alloc(set);
    const TimePs took = h.ctx.now() - start;
    CHECK(took >= busy + params.handler_call * 2 + params.alloc);
    CHECK(h.core.allocator_lock().stats().held - held == took);
}

// --- registration -----------------------------------------------------------------------------

TEST_CASE("ioasid registration: a block that waits for its mm attaches when the set is made") {
    for (const Profile profile : {Profile::Spec, Profile::Dcp, Profile::V4}) {
        IoasidHarness h(profile);
        LoggingBlock kvm(h.calls, "kvm", kPriorityCpu);
        CHECK(h.core.register_notifier_mm(h.ctx, 1, kvm) == Errno::Ok);
        h.alloc(h.mm_set(1));
        // V4 stored neither mm nor block.
        CHECK(h.calls == (profile == Profile::V4 ? Lines{} : Lines{"kvm:ALLOC 1"}));
        const Errno again = h.core.register_notifier_mm(h.ctx, 1, kvm);
        CHECK(again == Errno::Ebusy);  // duplicate, or (V4) live IDs
    }
}

TEST_CASE("ioasid registration: a dead set's block is pending again and attaches to the next") {
    IoasidHarness h;
    LoggingBlock kvm(h.calls, "kvm", kPriorityCpu);
    IoasidSet* set = h.mm_set(1);
    h.core.register_notifier_mm(h.ctx, 1, kvm);
    h.core.set_free(h.ctx, set);
    REQUIRE(h.core.mm_list().size() == 1);
    CHECK_FALSE(h.core.mm_list()[0].active);
    h.alloc(h.mm_set(1));
    CHECK(h.calls == Lines{"kvm:ALLOC 1"});
}

TEST_CASE("ioasid registration: on a set with live IDs refused, by either call") {
    IoasidHarness h;
    LoggingBlock kvm(h.calls, "kvm", kPriorityCpu);
    IoasidSet* set = h.mm_set(1);
    IoasidSet* untyped = *h.core.set_alloc(h.ctx, 0, 5, SetType::None, "none");
    h.alloc(set);
    h.alloc(untyped);
    CHECK(h.core.register_notifier(h.ctx, set, kvm) == Errno::Ebusy);
    CHECK(h.core.register_notifier_mm(h.ctx, 1, kvm) == Errno::Ebusy);
    CHECK(h.core.register_notifier_mm(h.ctx, 0, kvm) == Errno::Einval);
    CHECK(h.core.register_notifier(h.ctx, untyped, kvm) == Errno::Ok);
    IoasidHarness v4(Profile::V4);
    set = v4.mm_set(1);
    v4.alloc(set);
    CHECK(v4.core.register_notifier(v4.ctx, set, kvm) == Errno::Ok);
    CHECK(v4.core.register_notifier_mm(v4.ctx, 1, kvm) == Errno::Ebusy);
}

TEST_CASE("ioasid registration: silence after each of the three unregister calls") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    LoggingBlock on_set(h.calls, "set", 1);
    LoggingBlock global(h.calls, "global", 1);
    LoggingBlock by_mm(h.calls, "mm", 1);
    h.core.register_notifier(h.ctx, set, on_set);
    h.core.register_notifier(h.ctx, nullptr, global);
    h.core.register_notifier_mm(h.ctx, 1, by_mm);
    h.core.unregister_notifier(h.ctx, set, by_mm);  // registered by mm: refused
    CHECK(set->chain().contains(by_mm));
    h.core.unregister_notifier(h.ctx, set, on_set);
    h.core.unregister_notifier(h.ctx, nullptr, global);
    h.core.unregister_notifier_mm(h.ctx, 1, by_mm);
    const Ioasid id = h.alloc(set);
    h.get(set, id);
    h.core.free(h.ctx, set, id);
    CHECK(h.calls.empty());
}

TEST_CASE("ioasid registration: unregistering from an empty set destroys it in one version") {
    for (const Profile profile : {Profile::Spec, Profile::V4, Profile::Dcp}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        LoggingBlock block(h.calls, "kvm", kPriorityCpu);
        h.core.register_notifier(h.ctx, set, block);
        h.core.unregister_notifier(h.ctx, set, block);
        CHECK(set->registered() == (profile != Profile::Dcp));
    }
}

TEST_CASE("ioasid registration: a set that dies during FREE keeps its chain until the end") {
    ThreeParties t(Profile::V4);
    t.on_iommu = [&](ExecContext& ctx, const NotifierPayload& p) {
        t.h.core.put_locked(ctx, nullptr, p.id, t.h.me);
        return NotifyResult::Ok;
    };
    const Ioasid id = t.active();
    t.h.told({});
    t.h.core.free(t.h.ctx, t.set, id);
    CHECK_FALSE(t.set->registered());
    CHECK(t.h.calls == Lines{"iommu:FREE 1", "kvm:FREE 1", "vdcm:FREE 1"});
    CHECK(t.h.told({"ioasid.hazard kind=destroyed_set"}).size() == 1);
}

// --- ordered work -----------------------------------------------------------------------------

TEST_CASE("ioasid work: runs in queueing order; an item that started can be queued again") {
    IoasidHarness h;
    Lines ran;
    Item b(ran, "b");
    Item* self = nullptr;
    bool again = true;
    Item a(ran, "a", [&] {
        if (std::exchange(again, false)) {
            CHECK(h.core.queue_work(h.ctx, *self));
        }
    });
    self = &a;
    CHECK(h.core.queue_work(h.ctx, a));
    CHECK(h.core.queue_work(h.ctx, b));
    CHECK_FALSE(h.core.queue_work(h.ctx, a));
    CHECK(h.core.run_pending(h.ctx) == 3);
    CHECK(ran == Lines{"a", "b", "a"});
    CHECK(h.core.workqueue().idle());
    CHECK(h.told({"ioasid.work work=b"}) == Lines{"ioasid.work work=b ioasid=none phase=queued",
                                                  "ioasid.work work=b ioasid=none phase=start",
                                                  "ioasid.work work=b ioasid=none phase=done"});
}

TEST_CASE("ioasid work: a queued item can be taken back") {
    IoasidHarness h;
    Lines ran;
    Item a(ran, "a");
    h.core.queue_work(h.ctx, a);
    CHECK(h.core.workqueue().cancel(a));
    CHECK_FALSE(h.core.workqueue().cancel(a));
    CHECK(h.core.run_pending(h.ctx) == 0);
}

TEST_CASE("ioasid work: the defect takes the newest item first") {
    IoasidHarness h;
    h.probes.enable(ioasid_probes::kUnorderedWork);
    Lines ran;
    Item a(ran, "a");
    Item b(ran, "b");
    h.core.queue_work(h.ctx, a);
    h.core.queue_work(h.ctx, b);
    h.core.run_pending(h.ctx);
    CHECK(ran == Lines{"b", "a"});
}

TEST_CASE("ioasid registration: defects forget a waiting block or ignore unregistering") {
    IoasidHarness h;
    h.probes.enable(ioasid_probes::kPendingBlockForgotten);
    h.probes.enable(ioasid_probes::kUnregisterIgnored);
    LoggingBlock waits(h.calls, "waits", 1);
    LoggingBlock leaves(h.calls, "leaves", 1);
    h.core.register_notifier_mm(h.ctx, 1, waits);
    IoasidSet* set = h.mm_set(1);
    h.core.register_notifier(h.ctx, set, leaves);
    h.core.unregister_notifier(h.ctx, set, leaves);
    h.alloc(set);
    CHECK(h.calls == Lines{"leaves:ALLOC 1"});
}

// --- allocators -------------------------------------------------------------------------------

TEST_CASE("ioasid allocator: a custom one precedes the default one, and the default returns") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    const Ioasid early = h.alloc(set);
    Provider provider("vcmd", &h);
    CHECK(h.core.register_allocator(h.ctx, provider) == Errno::Eagain);
    h.core.free(h.ctx, set, early);
    CHECK(h.core.register_allocator(h.ctx, provider) == Errno::Ok);
    CHECK(h.core.register_allocator(h.ctx, provider) == Errno::Eexist);
    CHECK(h.alloc(set).value() == 500);
    h.core.free(h.ctx, set, Ioasid{500});
    CHECK(provider.freed == std::vector<std::uint32_t>{500});
    h.core.unregister_allocator(h.ctx, provider);
    CHECK(h.alloc(set).value() == 1);
}

TEST_CASE("ioasid allocator: a number outside the range is stored by posted code only") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        Provider provider("vcmd", &h);
        h.core.register_allocator(h.ctx, provider);
        const Ioasid id = h.alloc(set, 1, 100);
        CHECK(is_valid(id) == (profile == Profile::V4));
        CHECK(provider.freed.size() == (profile == Profile::V4 ? 0 : 1));
    }
}

TEST_CASE("ioasid allocator: a number in use is refused in spec; V4 hands out another's ID") {
    for (const Profile profile : {Profile::Spec, Profile::V4, Profile::Mainline}) {
        IoasidHarness h(profile);
        IoasidSet* set = profile == Profile::Mainline ? nullptr : h.mm_set(1);
        IoasidSet* other = profile == Profile::Mainline ? nullptr : h.mm_set(2);
        Provider provider("vcmd", &h);
        h.core.register_allocator(h.ctx, provider);
        h.alloc(set, 1, 1000);
        const Ioasid second = h.alloc(other, 1, 1000);
        CHECK(is_valid(second) == (profile == Profile::V4));
        CHECK(provider.freed.size() == (profile == Profile::Spec ? 0 : 1));
        CHECK(h.core.view(Ioasid{500})->set == set);
    }
}

TEST_CASE("ioasid allocator: the removed head of a group stays in use in posted code") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        Provider first("first", &h);
        Provider second("second", &h);
        second.next = Ioasid{600};
        CHECK(h.core.register_allocator(h.ctx, first) == Errno::Ok);
        CHECK(h.core.register_allocator(h.ctx, second) == Errno::Ok);
        h.core.unregister_allocator(h.ctx, first);
        CHECK(h.alloc(set).value() == (profile == Profile::V4 ? 500 : 600));
        CHECK(h.core.register_allocator(h.ctx, first) ==
              (profile == Profile::V4 ? Errno::Eexist : Errno::Ok));
    }
}

TEST_CASE("ioasid allocator: IDs of a removed group become orphans that their set still counts") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    Provider one("one", &h);
    Provider two("two", &one);
    h.core.register_allocator(h.ctx, one);
    h.core.register_allocator(h.ctx, two);
    const Ioasid id = h.alloc(set);
    h.core.unregister_allocator(h.ctx, two);  // waits: nothing changes
    CHECK(h.core.view(id).has_value());
    h.core.unregister_allocator(h.ctx, one);
    CHECK(h.core.find(h.ctx, set, id).error() == Errno::Enoent);
    h.core.free(h.ctx, set, id);
    CHECK(set->live() == 1);
    CHECK(h.core.orphans_of(*set) == std::vector<Ioasid>{id});
    CHECK(h.told({"ioasid.hazard kind=orphaned_ids"}).size() == 1);
    CHECK(h.core.set_free(h.ctx, set) == Errno::Ebusy);
}
