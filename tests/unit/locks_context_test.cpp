#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/exec_context.hpp"

using namespace ioasim;

namespace {

// A monitor that writes down what it saw.
struct Watch {
    Watch() {
        monitor.on_hazard = [this](const Hazard& hazard) { hazards.push_back(hazard); };
        monitor.on_lock = [this](const ExecContext& ctx, const SimLock& lock, bool acquired,
                                 TimePs) {
            log.push_back(ctx.name() + (acquired ? " takes " : " leaves ") + lock.name());
        };
    }
    LockMonitor monitor;
    std::vector<Hazard> hazards;
    std::vector<std::string> log;
};

}  // namespace

TEST_CASE("locks: taken, held and released by the context that asked") {
    Watch watch;
    ImmediateContext ctx{watch.monitor, "cpu0"};
    SimLock lock{SimLock::Kind::Mutex, "m"};
    {
        LockGuard guard{ctx, lock};
        CHECK(ctx.holds(lock));
        CHECK(lock.owner() == &ctx);
        CHECK(ctx.held_locks().size() == 1);
    }
    CHECK_FALSE(ctx.holds(lock));
    CHECK(lock.owner() == nullptr);
    CHECK(ctx.held_locks().empty());
    CHECK(watch.log == std::vector<std::string>{"cpu0 takes m", "cpu0 leaves m"});
    CHECK(watch.hazards.empty());
}

TEST_CASE("locks: hold time is measured") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock lock{SimLock::Kind::Mutex, "m"};
    for (int i = 0; i < 2; ++i) {
        LockGuard guard{ctx, lock};
        ctx.spend(30_ns);
    }
    CHECK(lock.stats().acquired == 2);
    CHECK(lock.stats().contended == 0);
    CHECK(lock.stats().held == 60_ns);
    CHECK(ctx.now() == 60_ns);
}

TEST_CASE("locks: passing a free spinlock is an acquisition that nobody sees") {
    LockMonitor monitor;
    ImmediateContext ctx{monitor};
    SimLock lock{SimLock::Kind::Spin, "s"};
    CHECK(ctx.pass(lock));
    CHECK(lock.stats().acquired == 1);
    CHECK(lock.owner() == nullptr);
    CHECK(ctx.held_locks().empty());
    CHECK_FALSE(ctx.atomic());
}

TEST_CASE("locks: a lock is not passed where somebody could tell") {
    LockMonitor monitor;
    ImmediateContext ctx{monitor};
    ImmediateContext other{monitor, "other"};
    SimLock lock{SimLock::Kind::Spin, "s"};
    SimLock mutex{SimLock::Kind::Mutex, "m"};
    CHECK_FALSE(ctx.pass(mutex));
    ctx.lock(mutex);
    CHECK_FALSE(ctx.pass(lock));  // their order is to be seen
    ctx.unlock(mutex);
    other.lock(lock);
    CHECK_FALSE(ctx.pass(lock));
    CHECK_FALSE(other.pass(lock));  // a self deadlock
    other.unlock(lock);
    Watch watch;
    ImmediateContext watched{watch.monitor};
    CHECK_FALSE(watched.pass(lock));
    CHECK(lock.stats().acquired == 1);
}

TEST_CASE("locks: a second acquisition by the owner is a self deadlock, and the run goes on") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock lock{SimLock::Kind::Mutex, "ioasid_allocator_lock"};
    Frame outer{ctx, "ioasid_free"};
    ctx.lock(lock);
    {
        Frame handler{ctx, "iommu.free_handler"};
        Frame inner{ctx, "ioasid_put"};
        ctx.lock(lock);
    }
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].kind == HazardKind::SelfDeadlock);
    CHECK(watch.hazards[0].actor == &ctx);
    CHECK(watch.hazards[0].lock == "ioasid_allocator_lock");
    CHECK(watch.hazards[0].chain == "ioasid_free > iommu.free_handler > ioasid_put");
    ctx.unlock(lock);
    CHECK(ctx.holds(lock));  // the outer acquisition still stands
    ctx.unlock(lock);
    CHECK_FALSE(ctx.holds(lock));
}

TEST_CASE("locks: a release by somebody else is reported and changes nothing") {
    Watch watch;
    ImmediateContext owner{watch.monitor, "owner"};
    ImmediateContext other{watch.monitor, "other"};
    SimLock lock{SimLock::Kind::Spin, "s"};
    owner.lock(lock);
    other.unlock(lock);
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].kind == HazardKind::UnlockNotOwner);
    CHECK(watch.hazards[0].actor == &other);
    CHECK(lock.owner() == &owner);
}

TEST_CASE("locks: sleeping locks in atomic context are reported, spinning ones are not") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock mutex{SimLock::Kind::Mutex, "m"};
    SimLock spin{SimLock::Kind::Spin, "s"};
    {
        AtomicSection handler{ctx};
        CHECK(ctx.kind() == ContextKind::AtomicHandler);
        LockGuard inner{ctx, spin};
        CHECK(watch.hazards.empty());
        LockGuard wrong{ctx, mutex};
        REQUIRE(watch.hazards.size() == 1);
        CHECK(watch.hazards[0].kind == HazardKind::SleepInAtomic);
        CHECK(watch.hazards[0].lock == "m");
    }
    CHECK(ctx.kind() == ContextKind::Task);
    LockGuard later{ctx, mutex};
    CHECK(watch.hazards.size() == 1);
}

TEST_CASE("locks: under a spin lock or with interrupts off a context is atomic") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock spin{SimLock::Kind::Spin, "s"};
    CHECK_FALSE(ctx.atomic());
    ctx.lock(spin);
    CHECK(ctx.atomic());
    ctx.unlock(spin);
    CHECK_FALSE(ctx.atomic());
    ctx.irq_off();
    CHECK(ctx.atomic());
    ctx.irq_on();
    CHECK_FALSE(ctx.atomic());
}

TEST_CASE("locks: sleeping on a queue in atomic context is reported with its name") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    WaitQueue queue{"ioasid_wq"};
    AtomicSection handler{ctx};
    CHECK_THROWS_AS(ctx.wait(queue), ModelBug);  // nobody could wake a context in zero time
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].kind == HazardKind::SleepInAtomic);
    CHECK(watch.hazards[0].lock == "ioasid_wq");
}

TEST_CASE("lock order: two locks taken in both orders are an inversion, reported once") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock a{SimLock::Kind::Mutex, "a"};
    SimLock b{SimLock::Kind::Mutex, "b"};
    for (int i = 0; i < 2; ++i) {
        {
            LockGuard first{ctx, a};
            LockGuard second{ctx, b};
        }
        LockGuard first{ctx, b};
        LockGuard second{ctx, a};
    }
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].kind == HazardKind::LockOrder);
    CHECK(watch.hazards[0].lock == "a");
    CHECK(watch.hazards[0].other_lock == "b");
}

TEST_CASE("lock order: a cycle through a third lock is an inversion, among different actors") {
    Watch watch;
    ImmediateContext one{watch.monitor, "one"};
    ImmediateContext two{watch.monitor, "two"};
    SimLock a{SimLock::Kind::Mutex, "a"};
    SimLock b{SimLock::Kind::Mutex, "b"};
    SimLock c{SimLock::Kind::Mutex, "c"};
    const auto nest = [](ExecContext& ctx, SimLock& outer, SimLock& inner) {
        LockGuard first{ctx, outer};
        LockGuard second{ctx, inner};
    };
    nest(one, a, b);
    nest(two, b, c);
    CHECK(watch.hazards.empty());
    nest(one, c, a);
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].other_lock == "c");
}

TEST_CASE("lock order: locks of one class must not nest") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock vm1{SimLock::Kind::Mutex, "vm1/mmu", "mmu"};
    SimLock vm2{SimLock::Kind::Mutex, "vm2/mmu", "mmu"};
    LockGuard first{ctx, vm1};
    LockGuard second{ctx, vm2};
    REQUIRE(watch.hazards.size() == 1);
    CHECK(watch.hazards[0].kind == HazardKind::LockOrder);
}

TEST_CASE("lock order: the same order again and again is none") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    SimLock a{SimLock::Kind::Mutex, "a"};
    SimLock b{SimLock::Kind::Mutex, "b"};
    for (int i = 0; i < 3; ++i) {
        LockGuard first{ctx, a};
        LockGuard second{ctx, b};
    }
    CHECK(watch.hazards.empty());
}

TEST_CASE("context: a change of persona hides the outer one until its end") {
    Watch watch;
    ImmediateContext ctx{watch.monitor, "host/vm1-vcpu0"};
    Frame frame{ctx, "vcpu_run"};
    ctx.irq_off();
    {
        PersonaChange guest{ctx, Persona{"vm1/vcpu0/app", SourceId{9}, nullptr, nullptr}};
        CHECK(ctx.name() == "vm1/vcpu0/app");
        CHECK(ctx.source() == SourceId{9});
        CHECK_FALSE(ctx.atomic());
        CHECK(ctx.call_chain().empty());
    }
    CHECK(ctx.name() == "host/vm1-vcpu0");
    CHECK(ctx.atomic());
    CHECK(ctx.call_chain() == "vcpu_run");
}

TEST_CASE("context: access to memory without any is a bug of the caller") {
    Watch watch;
    ImmediateContext ctx{watch.monitor};
    CHECK_THROWS_AS(ctx.load(0x1000, 8), ModelBug);
}
