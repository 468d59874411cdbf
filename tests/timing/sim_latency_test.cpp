// Is each latency of the kernel tight: nothing one picosecond before, there at the time. A probe
// looks at both instants; it is software on a CPU of its own, so it runs after the hardware of
// each.
#include <doctest/doctest.h>

#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;
using sim::StopReason;

namespace {

// Runs with `happened` watched at 1 ps before `time` and at `time`.
void expect_at(SoftwareRun& run, TimePs time, const bool& happened) {
    // CPU 7 is the probe's; software of an instant runs in the order of CPUs, so it looks last.
    run.task(
        "probe", time - 1_ps,
        [&happened](ExecContext& ctx) {
            CHECK_FALSE(happened);
            ctx.spend(1_ps);
            CHECK(happened);
        },
        7);
    CHECK(run.run() == StopReason::Idle);
    CHECK(happened);
}

class Flag final : public sim::Module {
public:
    Flag(sim::Simulation& sim, const std::string& name) : Module(sim, name) {}
    void advance(TimePs now) override {
        while (inbox.due(now)) {
            inbox.pop();
            got = true;
        }
    }
    std::optional<TimePs> next_wakeup() const override { return inbox.next(); }
    sim::Inbox<int> inbox{*this, 64};
    bool got = false;
};

}  // namespace

TEST_CASE("timing: a message of a link arrives after its latency") {
    for (const TimePs latency : {1_ps, 700_ps, 5_ns}) {
        SoftwareRun run{SoftwareRun::params(8)};
        Flag receiver{run.sim(), "receiver"};
        sim::Link<int> link{sim::LinkParams{latency, 0, 0}};
        link.bind(receiver.inbox, 0);
        run.script("sender").at(10_ns, [&] { link.send(10_ns, 1); });
        expect_at(run, 10_ns + latency, receiver.got);
    }
}

TEST_CASE("timing: a message of n bytes arrives after n / rate and the latency") {
    SoftwareRun run{SoftwareRun::params(8)};
    Flag receiver{run.sim(), "receiver"};
    sim::Link<int> link{sim::LinkParams{5_ns, 32'000, 0}};  // 32 GB/s: 2 ns for 64 bytes
    link.bind(receiver.inbox, 0);
    run.script("sender").at(10_ns, [&] { link.send(10_ns, 1, 64); });
    expect_at(run, 17_ns, receiver.got);
}

TEST_CASE("timing: a message behind another waits for its last byte") {
    SoftwareRun run{SoftwareRun::params(8)};
    Flag first{run.sim(), "first"};
    sim::Link<int> link{sim::LinkParams{5_ns, 32'000, 0}};
    link.bind(first.inbox, 0);
    bool second = false;
    Flag& receiver = first;
    run.script("sender").at(10_ns, [&] {
        link.send(10_ns, 1, 64);
        link.send(10_ns, 2, 64);
    });
    run.script("clear").at(18_ns, [&] { receiver.got = false; });
    run.task(
        "copy", 19_ns, [&](ExecContext&) { second = receiver.got; }, 0);
    expect_at(run, 19_ns, second);
}

TEST_CASE("timing: a credit comes back after the latency") {
    SoftwareRun run{SoftwareRun::params(8)};
    Flag receiver{run.sim(), "receiver"};
    sim::Link<int> link{sim::LinkParams{5_ns, 0, 1}};
    link.bind(receiver.inbox, 0);
    auto& script = run.script("sender");
    script.at(10_ns, [&] { link.send(10_ns, 1); });
    script.at(20_ns, [&] { link.return_credit(20_ns); });
    bool free_before = true;
    bool free_at = false;
    script.at(TimePs{24'999}, [&] { free_before = link.can_send(TimePs{24'999}); });
    script.at(25_ns, [&] { free_at = link.can_send(25_ns); });
    CHECK(run.run() == StopReason::Idle);
    CHECK_FALSE(free_before);
    CHECK(free_at);
}

TEST_CASE("timing: spent time ends at its end") {
    SoftwareRun run{SoftwareRun::params(8)};
    bool done = false;
    run.task(
        "task", 10_ns,
        [&](ExecContext& ctx) {
            ctx.spend(TimePs{1'234});
            done = true;
        },
        0);
    expect_at(run, TimePs{11'234}, done);
}

TEST_CASE("timing: a woken task runs after the wake latency") {
    for (const bool by_hardware : {false, true}) {
        auto params = SoftwareRun::params(8);
        params.wake_latency = 3_ns;
        SoftwareRun run{params};
        WaitQueue queue{"q"};
        bool woke = false;
        run.task(
            "sleeper", 0_ps,
            [&](ExecContext& ctx) {
                ctx.wait(queue);
                woke = true;
            },
            0);
        if (by_hardware) {
            run.script("device").at(10_ns, [&] { run.dispatcher().wake_one(queue); });
        } else {
            run.task(
                "waker", 10_ns, [&](ExecContext& ctx) { ctx.wake_one(queue); }, 1);
        }
        expect_at(run, 13_ns, woke);
    }
}

TEST_CASE("timing: a spinning waiter goes on after the handover of the lock") {
    auto params = SoftwareRun::params(8);
    params.lock_handover = 2_ns;
    params.wake_latency = 9_ns;  // not what a spinning waiter pays
    SoftwareRun run{params};
    SimLock lock{SimLock::Kind::Spin, "l"};
    bool got = false;
    run.task(
        "owner", 0_ps,
        [&](ExecContext& ctx) {
            LockGuard guard{ctx, lock};
            ctx.spend(10_ns);
        },
        0);
    run.task(
        "waiter", 1_ns,
        [&](ExecContext& ctx) {
            LockGuard guard{ctx, lock};
            got = true;
        },
        1);
    expect_at(run, 12_ns, got);
}

TEST_CASE("timing: a sleeping waiter of a lock pays the wake latency") {
    auto params = SoftwareRun::params(8);
    params.lock_handover = 2_ns;
    params.wake_latency = 9_ns;
    SoftwareRun run{params};
    SimLock lock{SimLock::Kind::Mutex, "l"};
    bool got = false;
    run.task(
        "owner", 0_ps,
        [&](ExecContext& ctx) {
            LockGuard guard{ctx, lock};
            ctx.spend(10_ns);
        },
        0);
    run.task(
        "waiter", 1_ns,
        [&](ExecContext& ctx) {
            LockGuard guard{ctx, lock};
            got = true;
        },
        1);
    expect_at(run, 19_ns, got);
}

TEST_CASE("timing: a CPU changes to a waiting task after the context switch") {
    auto params = SoftwareRun::params(8);
    params.context_switch = 4_ns;
    SoftwareRun run{params};
    bool ran = false;
    run.task(
        "first", 0_ps, [&](ExecContext& ctx) { ctx.spend(10_ns); }, 0);
    run.task(
        "second", 1_ns, [&](ExecContext&) { ran = true; }, 0);
    expect_at(run, 14_ns, ran);
}

TEST_CASE("timing: a sleep ends at its deadline") {
    SoftwareRun run{SoftwareRun::params(8)};
    WaitQueue queue{"q"};
    bool done = false;
    run.task(
        "sleeper", 0_ps,
        [&](ExecContext& ctx) {
            CHECK_FALSE(ctx.wait_until(queue, 10_ns));
            done = true;
        },
        0);
    expect_at(run, 10_ns, done);
}

TEST_CASE("timing: an interruption is served 1 ps after it was asked for") {
    class Handler final : public Interruptible {
    public:
        void on_interrupt(ExecContext&) override { served = true; }
        bool served = false;
    };
    SoftwareRun run{SoftwareRun::params(8)};
    Handler handler;
    ExecContext& task = run.task(
        "task", 0_ps,
        [&](ExecContext& ctx) {
            PersonaChange persona{ctx, Persona{"task", ctx.source(), nullptr, &handler}};
            ctx.spend(50_ns);
        },
        0);
    run.script("device").at(10_ns, [&] { run.dispatcher().interrupt(task); });
    expect_at(run, TimePs{10'001}, handler.served);
}

TEST_CASE("timing: the limit lets everything before it run, and nothing at it") {
    for (const TimePs limit : {10_ns, TimePs{10'001}}) {
        sim::SimulationOptions options;
        options.limit = limit;
        sim::Simulation sim{options};
        Script script{sim, "script"};
        bool ran = false;
        script.at(10_ns, [&] { ran = true; });
        CHECK(sim.run() == (limit == 10_ns ? StopReason::Limit : StopReason::Idle));
        CHECK(ran == (limit != 10_ns));
    }
}
