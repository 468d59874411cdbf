#include <doctest/doctest.h>

#include "core/base/chooser.hpp"
#include "core/sim/sim_probes.hpp"
#include "core/trace/ioasid_events.hpp"
#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;
using sim::StopReason;

namespace {

// Counts interruptions, and spends time in each.
class Handler final : public Interruptible {
public:
    explicit Handler(SoftwareRun& run, TimePs cost) : run_(run), cost_(cost) {}
    void on_interrupt(ExecContext& ctx) override {
        run_.note(ctx, "interrupted");
        if (cost_ != TimePs{}) {
            ctx.spend(cost_);
        }
    }

private:
    SoftwareRun& run_;
    TimePs cost_;
};

// Waits in each interruption until somebody says go, as a vCPU whose machine is stopped.
class Stopped final : public Interruptible {
public:
    explicit Stopped(SoftwareRun& run) : run_(run) {}
    void on_interrupt(ExecContext& ctx) override {
        const PersonaChange host{ctx, Persona{ctx.name(), ctx.source(), nullptr, nullptr}};
        run_.note(ctx, "stops");
        while (stopped) {
            ctx.wait(resumed);
        }
        run_.note(ctx, "goes on");
    }
    bool stopped = true;
    WaitQueue resumed{"resumed"};

private:
    SoftwareRun& run_;
};

class LastChooser final : public Chooser {
public:
    std::size_t choose(const Choice& choice) override { return choice.count - 1; }
};

}  // namespace

TEST_CASE("dispatcher: spending time takes that time") {
    SoftwareRun run{SoftwareRun::params(1)};
    run.task("a", 5_ns, [&](ExecContext& ctx) {
        run.note(ctx, "starts");
        ctx.spend(30_ns);
        ctx.spend(0_ps);
        run.note(ctx, "ends");
    });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"5000 a starts", "35000 a ends"});
}

TEST_CASE("dispatcher: tasks on two CPUs overlap, on one they take turns") {
    for (const std::uint64_t cpus : {2, 1}) {
        SoftwareRun run{SoftwareRun::params(cpus)};
        for (const char* name : {"a", "b"}) {
            run.task(name, 0_ps, [&](ExecContext& ctx) {
                ctx.spend(10_ns);
                run.note(ctx, "ends");
            });
        }
        CHECK(run.run() == StopReason::Idle);
        // One CPU: b starts when a ended, after the switch (1 ps).
        CHECK(run.log == Lines{"10000 a ends", cpus == 2 ? "10000 b ends" : "20001 b ends"});
    }
}

TEST_CASE("dispatcher: a task keeps to its CPU") {
    SoftwareRun run{SoftwareRun::params(2)};
    run.task(
        "first", 0_ps, [&](ExecContext& ctx) { ctx.spend(10_ns); }, 1);
    run.task(
        "second", 0_ps,
        [&](ExecContext& ctx) {
            CHECK(run.dispatcher().cpu_of(ctx) == 1);
            run.note(ctx, "runs");
        },
        1);
    run.run();
    CHECK(run.log == Lines{"10001 second runs"});
}

TEST_CASE("dispatcher: a sleeper gives its CPU up and has none while it sleeps") {
    SoftwareRun run{SoftwareRun::params(1)};
    WaitQueue queue{"q"};
    ExecContext& sleeper = run.task("sleeper", 0_ps, [&](ExecContext& ctx) {
        ctx.wait(queue);
        run.note(ctx, "woke");
    });
    run.task("other", 0_ps, [&](ExecContext& ctx) {
        CHECK(run.dispatcher().cpu_of(sleeper) == -1);
        ctx.spend(20_ns);
        ctx.wake_one(queue);
        ctx.spend(5_ns);
        run.note(ctx, "ends");
    });
    CHECK(run.run() == StopReason::Idle);
    // other starts after the switch at 1 ps; the sleeper waits for the only CPU.
    CHECK(run.log == Lines{"25001 other ends", "25002 sleeper woke"});
}

TEST_CASE("dispatcher: wake_one takes the longest sleeper, wake_all everyone") {
    SoftwareRun run{SoftwareRun::params(4)};
    WaitQueue queue{"q"};
    for (const char* name : {"a", "b", "c"}) {
        run.task(name, 0_ps, [&](ExecContext& ctx) {
            ctx.wait(queue);
            run.note(ctx, "woke");
        });
    }
    run.task("waker", 10_ns, [&](ExecContext& ctx) {
        CHECK(queue.size() == 3);
        ctx.wake_one(queue);
        ctx.spend(10_ns);
        ctx.wake_all(queue);
    });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"10001 a woke", "20001 b woke", "20001 c woke"});
}

TEST_CASE("dispatcher: waking an empty queue is nothing, and is not remembered") {
    SoftwareRun run{SoftwareRun::params(1)};
    WaitQueue queue{"q"};
    run.task("a", 0_ps, [&](ExecContext& ctx) {
        ctx.wake_one(queue);
        ctx.wake_all(queue);
        ctx.wait(queue);
        FAIL("nobody woke it");
    });
    CHECK(run.run() == StopReason::Deadlock);
}

TEST_CASE("dispatcher: a deadline ends a sleep, a wake before it wins") {
    SoftwareRun run{SoftwareRun::params(2)};
    WaitQueue lonely{"lonely"};
    WaitQueue busy{"busy"};
    run.task("a", 0_ps, [&](ExecContext& ctx) {
        CHECK_FALSE(ctx.wait_until(lonely, 10_ns));
        run.note(ctx, "timed out");
        CHECK(lonely.empty());
        CHECK(ctx.wait_until(busy, 30_ns));
        run.note(ctx, "woke");
        ctx.spend(50_ns);  // the old deadline must not disturb this
        run.note(ctx, "ends");
    });
    run.task("b", 20_ns, [&](ExecContext& ctx) { ctx.wake_one(busy); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"10000 a timed out", "20001 a woke", "70001 a ends"});
}

TEST_CASE("dispatcher: a released lock goes to the longest waiter, nobody barges in") {
    SoftwareRun run{SoftwareRun::params(4)};
    SimLock lock{SimLock::Kind::Mutex, "m"};
    const auto use = [&](ExecContext& ctx) {
        LockGuard guard{ctx, lock};
        run.note(ctx, "in");
        ctx.spend(10_ns);
    };
    run.task("a", 0_ps, use);
    run.task("b", 1_ns, use);
    run.task("c", 2_ns, use);
    // Asks at the very moment of a's release: b was handed the lock already.
    run.task("d", 10_ns, use);
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"0 a in", "10001 b in", "20002 c in", "30003 d in"});
    CHECK(lock.stats().acquired == 4);
    CHECK(lock.stats().contended == 3);
    CHECK(lock.stats().longest_wait == TimePs{20'003});
}

TEST_CASE("dispatcher: the waiter of a mutex gives its CPU up, of a spinlock keeps it") {
    for (const auto kind : {SimLock::Kind::Mutex, SimLock::Kind::Spin}) {
        SoftwareRun run{SoftwareRun::params(2)};
        SimLock lock{kind, "l"};
        run.task(
            "owner", 0_ps,
            [&](ExecContext& ctx) {
                LockGuard guard{ctx, lock};
                ctx.spend(20_ns);
            },
            0);
        run.task(
            "waiter", 5_ns,
            [&](ExecContext& ctx) {
                LockGuard guard{ctx, lock};
            },
            1);
        run.task(
            "third", 6_ns, [&](ExecContext& ctx) { run.note(ctx, "runs"); }, 1);
        CHECK(run.run() == StopReason::Idle);
        const bool spins = kind == SimLock::Kind::Spin;
        CHECK(run.log == Lines{spins ? "20002 third runs" : "6000 third runs"});
    }
}

TEST_CASE("dispatcher: the chooser picks the waiter of a lock") {
    LastChooser last;
    SoftwareRun run{SoftwareRun::params(4), last};
    SimLock lock{SimLock::Kind::Mutex, "m"};
    for (const char* name : {"a", "b", "c", "d"}) {
        run.task(name, 0_ps, [&](ExecContext& ctx) {
            LockGuard guard{ctx, lock};
            run.note(ctx, "in");
            ctx.spend(10_ns);
        });
    }
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"0 a in", "10001 d in", "20002 c in", "30003 b in"});
}

TEST_CASE("dispatcher: the chooser picks the sleeper to wake, for software and hardware") {
    LastChooser last;
    SoftwareRun run{SoftwareRun::params(4), last};
    WaitQueue queue{"q"};
    for (const char* name : {"a", "b", "c"}) {
        run.task(name, 0_ps, [&](ExecContext& ctx) {
            ctx.wait(queue);
            run.note(ctx, "woke");
        });
    }
    run.task("waker", 10_ns, [&](ExecContext& ctx) { ctx.wake_one(queue); });
    run.script("device").at(20_ns, [&] { run.dispatcher().wake_one(queue); });
    CHECK(run.run() == StopReason::Deadlock);
    CHECK(run.log == Lines{"10001 c woke", "20001 b woke"});
}

TEST_CASE("dispatcher: the chooser picks the task that gets a free CPU") {
    LastChooser last;
    SoftwareRun run{SoftwareRun::params(1), last};
    for (const char* name : {"a", "b", "c"}) {
        run.task(name, 0_ps, [&](ExecContext& ctx) {
            run.note(ctx, "runs");
            ctx.spend(10_ns);
        });
    }
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"0 a runs", "10001 c runs", "20002 b runs"});
}

TEST_CASE("dispatcher: an interruption comes 1 ps later and lengthens what was being spent") {
    SoftwareRun run{SoftwareRun::params(2)};
    Handler handler{run, 5_ns};
    ExecContext& busy = run.task("busy", 0_ps, [&](ExecContext& ctx) {
        PersonaChange persona{ctx, Persona{"busy", ctx.source(), nullptr, &handler}};
        ctx.spend(20_ns);
        run.note(ctx, "ends");
    });
    run.task("kicker", 10_ns, [&](ExecContext&) { CHECK(run.dispatcher().interrupt(busy)); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"10001 busy interrupted", "25000 busy ends"});
}

TEST_CASE("dispatcher: an interrupted sleeper serves it and sleeps on") {
    SoftwareRun run{SoftwareRun::params(2)};
    Handler handler{run, 0_ps};
    WaitQueue queue{"q"};
    ExecContext& sleeper = run.task("sleeper", 0_ps, [&](ExecContext& ctx) {
        PersonaChange persona{ctx, Persona{"sleeper", ctx.source(), nullptr, &handler}};
        ctx.wait(queue);
        run.note(ctx, "woke");
    });
    run.task("other", 10_ns, [&](ExecContext& ctx) {
        run.dispatcher().interrupt(sleeper);
        ctx.spend(10_ns);
        ctx.wake_one(queue);
    });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"10001 sleeper interrupted", "20001 sleeper woke"});
}

// A task that wants a lock until `left`, is stopped at 10 ns and goes on at 30 ns.
static Lines stopped_waiter(SimLock::Kind kind, TimePs left, const Defect* defect = nullptr) {
    SoftwareRun run{SoftwareRun::params(3)};
    if (defect != nullptr) {
        run.sim().probes().enable(*defect);
    }
    Stopped machine{run};
    SimLock lock{kind, "lock"};
    run.task("owner", 0_ps, [&](ExecContext& ctx) {
        LockGuard guard{ctx, lock};
        ctx.spend(left);
    });
    ExecContext& waiter = run.task("waiter", 1_ns, [&](ExecContext& ctx) {
        PersonaChange persona{ctx, Persona{"waiter", ctx.source(), nullptr, &machine}};
        LockGuard guard{ctx, lock};
        run.note(ctx, "has it");
    });
    run.task("manager", 10_ns, [&](ExecContext& ctx) {
        run.dispatcher().interrupt(waiter);
        ctx.spend(20_ns);
        machine.stopped = false;
        ctx.wake_all(machine.resumed);
    });
    run.log.emplace_back(run.run() == StopReason::Idle ? "idle" : "stuck");
    return run.log;
}

TEST_CASE("dispatcher: who waits for a lock may wait in an interruption of that") {
    for (const auto kind : {SimLock::Kind::Spin, SimLock::Kind::Mutex}) {
        CHECK(stopped_waiter(kind, 50_ns) ==
              Lines{"10001 waiter stops", "30001 waiter goes on", "50001 waiter has it", "idle"});
        // The lock is handed over while the waiter stands still: it has it when it comes back.
        CHECK(stopped_waiter(kind, 20_ns) ==
              Lines{"10001 waiter stops", "30001 waiter goes on", "30001 waiter has it", "idle"});
        CHECK(stopped_waiter(kind, 20_ns, &sim::kNestedWakeLost).back() == "stuck");
    }
}

TEST_CASE("dispatcher: a sleep that was interrupted by another ends at its own time") {
    for (const bool woken : {true, false}) {
        SoftwareRun run{SoftwareRun::params(3)};
        Stopped machine{run};
        WaitQueue queue{"q"};
        ExecContext& sleeper = run.task("sleeper", 0_ps, [&](ExecContext& ctx) {
            PersonaChange persona{ctx, Persona{"sleeper", ctx.source(), nullptr, &machine}};
            run.note(ctx, ctx.wait_until(queue, 40_ns) ? "woke" : "timed out");
        });
        run.task("manager", 10_ns, [&](ExecContext& ctx) {
            run.dispatcher().interrupt(sleeper);
            ctx.spend(10_ns);
            if (woken) {
                ctx.wake_one(queue);  // in the middle of the other wait, which goes on
            }
            ctx.spend(10_ns);
            machine.stopped = false;
            ctx.wake_all(machine.resumed);
        });
        CHECK(run.run() == StopReason::Idle);
        CHECK(run.log == Lines{"10001 sleeper stops", "30001 sleeper goes on",
                               woken ? "30001 sleeper woke" : "40000 sleeper timed out"});
        CHECK(queue.empty());
    }
}

TEST_CASE("dispatcher: an interruption inside one instruction waits for its end") {
    SoftwareRun run{SoftwareRun::params(2)};
    Handler handler{run, 0_ps};
    ExecContext& busy = run.task("busy", 0_ps, [&](ExecContext& ctx) {
        PersonaChange persona{ctx, Persona{"busy", ctx.source(), nullptr, &handler}};
        {
            OneInstruction instruction{ctx};
            ctx.spend(20_ns);
            run.note(ctx, "instruction ends");
        }
        ctx.spend(1_ns);
    });
    run.task("kicker", 10_ns, [&](ExecContext&) { run.dispatcher().interrupt(busy); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"20000 busy instruction ends", "20000 busy interrupted"});
}

TEST_CASE("dispatcher: a task that ended cannot be interrupted") {
    SoftwareRun run{SoftwareRun::params(1)};
    ExecContext& task = run.task("a", 0_ps, [](ExecContext&) {});
    run.script("device").at(5_ns, [&] { CHECK_FALSE(run.dispatcher().interrupt(task)); });
    CHECK(run.run() == StopReason::Idle);
}

TEST_CASE("dispatcher: hardware wakes a sleeper") {
    SoftwareRun run{SoftwareRun::params(1)};
    WaitQueue queue{"completion"};
    run.task("driver", 0_ps, [&](ExecContext& ctx) {
        ctx.wait(queue);
        run.note(ctx, "woke");
    });
    run.script("device").at(40_ns, [&] { run.dispatcher().wake_all(queue); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"40001 driver woke"});
}

TEST_CASE("dispatcher: a stalled CPU is kept, and no hazard even in atomic context") {
    SoftwareRun run{SoftwareRun::params(1)};
    StreamLog stream{run.sim().recorder(),
                     trace::category_bit(trace::IoasidHazard::kName.category)};
    WaitQueue queue{"mmio"};
    run.task("driver", 0_ps, [&](ExecContext& ctx) {
        AtomicSection handler{ctx};
        ctx.stall(queue);
        run.note(ctx, "answered");
    });
    run.task("other", 1_ns, [&](ExecContext& ctx) { run.note(ctx, "runs"); });
    run.script("device").at(40_ns, [&] { run.dispatcher().wake_all(queue); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"40001 driver answered", "40002 other runs"});
    CHECK(stream.lines.empty());
}

TEST_CASE("dispatcher: a long task yields at the end of its slice to one that waits") {
    auto params = SoftwareRun::params(1);
    params.time_slice = 10_ns;
    SoftwareRun run{params};
    for (const char* name : {"a", "b"}) {
        run.task(name, 0_ps, [&](ExecContext& ctx) {
            ctx.spend(15_ns);
            run.note(ctx, "ends");
        });
    }
    CHECK(run.run() == StopReason::Idle);
    // a 0 to 10, b 10 to 20, a 20 to 25, b 25 to 30; a switch costs 1 ps of the slice it begins.
    CHECK(run.log == Lines{"25001 a ends", "30003 b ends"});
}

TEST_CASE("dispatcher: atomic code is not preempted") {
    auto params = SoftwareRun::params(1);
    params.time_slice = 10_ns;
    SoftwareRun run{params};
    SimLock lock{SimLock::Kind::Spin, "s"};
    run.task("a", 0_ps, [&](ExecContext& ctx) {
        LockGuard guard{ctx, lock};
        ctx.spend(50_ns);
        run.note(ctx, "leaves");
    });
    run.task("b", 1_ns, [&](ExecContext& ctx) { run.note(ctx, "runs"); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.log == Lines{"50000 a leaves", "50001 b runs"});
}

TEST_CASE("dispatcher: two tasks that wait for each other end the run as a deadlock, named") {
    SoftwareRun run{SoftwareRun::params(2)};
    SimLock a{SimLock::Kind::Mutex, "lock_a"};
    SimLock b{SimLock::Kind::Mutex, "lock_b"};
    const auto take = [](ExecContext& ctx, SimLock& first, SimLock& second) {
        Frame frame{ctx, "take_both"};
        ctx.lock(first);
        ctx.spend(10_ns);
        ctx.lock(second);
    };
    run.task("one", 0_ps, [&](ExecContext& ctx) { take(ctx, a, b); });
    run.task("two", 0_ps, [&](ExecContext& ctx) { take(ctx, b, a); });
    CHECK(run.run() == StopReason::Deadlock);
    CHECK(run.dispatcher().unfinished() == 2);
    const Lines graph = run.dispatcher().wait_for_graph();
    REQUIRE(graph.size() == 3);
    CHECK(graph[0] == "one sleeps for lock lock_b (owner two) in take_both");
    CHECK(graph[1] == "two sleeps for lock lock_a (owner one) in take_both");
    CHECK(graph[2] == "circle: one waits for two waits for one");
}

TEST_CASE("dispatcher: a service that sleeps for ever is no deadlock") {
    SoftwareRun run{SoftwareRun::params(1)};
    WaitQueue queue{"work"};
    run.task(
        "worker", 0_ps, [&](ExecContext& ctx) { ctx.wait(queue); }, -1, true);
    CHECK(run.run() == StopReason::Idle);
    CHECK(run.dispatcher().unfinished() == 0);
}

TEST_CASE("dispatcher: a bug in software leaves run() as what it was") {
    SoftwareRun run{SoftwareRun::params(1)};
    run.task("a", 0_ps, [](ExecContext& ctx) {
        ctx.spend(3_ns);
        SIM_CHECK(false, "broken on purpose");
    });
    CHECK_THROWS_WITH_AS(run.run(), doctest::Contains("broken on purpose"), ModelBug);
    CHECK(sim::Simulation::now() == 3_ns);
}

TEST_CASE("dispatcher: hazards of locks become events of the context that met them") {
    SoftwareRun run{SoftwareRun::params(1)};
    StreamLog stream{run.sim().recorder(),
                     trace::category_bit(trace::IoasidHazard::kName.category)};
    SimLock lock{SimLock::Kind::Mutex, "host/lock"};
    run.task("host/task", 4_ns, [&](ExecContext& ctx) {
        LockGuard outer{ctx, lock};
        LockGuard inner{ctx, lock};
    });
    CHECK(run.run() == StopReason::Idle);
    CHECK(stream.lines == Lines{"4000 host/task ioasid.hazard"});
}

TEST_CASE("dispatcher: a task that ends with a lock is a hazard") {
    SoftwareRun run{SoftwareRun::params(1)};
    StreamLog stream{run.sim().recorder(),
                     trace::category_bit(trace::IoasidHazard::kName.category)};
    SimLock lock{SimLock::Kind::Mutex, "host/lock"};
    run.task("host/task", 4_ns, [&](ExecContext& ctx) { ctx.lock(lock); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(stream.lines == Lines{"4000 host/task ioasid.hazard"});
}

TEST_CASE("dispatcher: who watches for an event is told before another task runs") {
    SoftwareRun run{SoftwareRun::params(2)};
    StreamLog stream{run.sim().recorder(),
                     trace::category_bit(trace::IoasidHazard::kName.category)};
    run.sim().recorder().watch(
        trace::info_of<trace::IoasidHazard>(),
        [&run](const trace::EventRecord&) { run.sim().request_stop(StopReason::Hazard); });
    SimLock lock{SimLock::Kind::Mutex, "host/lock"};
    SimLock other{SimLock::Kind::Mutex, "host/other"};
    run.task("host/one", 4_ns, [&](ExecContext& ctx) { ctx.lock(lock); });
    run.task("host/two", 4_ns, [&](ExecContext& ctx) { ctx.lock(other); });
    CHECK(run.run() == StopReason::Hazard);
    CHECK(stream.lines == Lines{"4000 host/one ioasid.hazard"});
}

TEST_CASE("dispatcher: lock and scheduling events tell who and when") {
    SoftwareRun run{SoftwareRun::params(1)};
    StreamLog stream{run.sim().recorder(), trace::category_bit(trace::Category::Lock) |
                                               trace::category_bit(trace::Category::Sched)};
    SimLock lock{SimLock::Kind::Spin, "l"};
    run.task("t", 2_ns, [&](ExecContext& ctx) {
        LockGuard guard{ctx, lock};
        ctx.spend(1_ns);
    });
    CHECK(run.run() == StopReason::Idle);
    CHECK(stream.lines == Lines{"2000 dispatcher sched.run", "2000 t lock.acquire",
                                "3000 t lock.release", "3000 dispatcher sched.idle"});
}

namespace {

// Hardware that looks at a word at fixed times.
struct Observer final : sim::Module {
    Observer(sim::Simulation& simulation, const int& watched)
        : Module(simulation, "observer"), word(watched) {}
    void advance(TimePs now) override {
        while (!times.empty() && times.front() <= now) {
            seen.emplace_back(now, word);
            times.erase(times.begin());
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return times.empty() ? std::nullopt : std::optional<TimePs>(times.front());
    }
    const int& word;
    std::vector<TimePs> times{3_ns, 5_ns, 5_ns + 1_ps, 9_ns};
    std::vector<std::pair<TimePs, int>> seen;
};

}  // namespace

TEST_CASE("dispatcher: software that runs ahead alone never passes what hardware does") {
    SoftwareRun run{SoftwareRun::params(1)};
    int word = 0;
    Observer observer{run.sim(), word};
    run.task("counter", 0_ps, [&](ExecContext& ctx) {
        for (int i = 1; i <= 10; ++i) {
            ctx.spend(1_ns);
            word = i;
            CHECK(ctx.now() == TimePs{1000} * static_cast<std::uint64_t>(i));
            CHECK(sim::Simulation::now() == ctx.now());
        }
    });
    CHECK(run.run() == StopReason::Idle);
    // In its own instant hardware is first: it sees what software did before.
    using Seen = std::vector<std::pair<TimePs, int>>;
    CHECK(observer.seen == Seen{{3_ns, 2}, {5_ns, 4}, {5_ns + 1_ps, 5}, {9_ns, 8}});
}

TEST_CASE("dispatcher: a deadline that lies behind does not keep the run going") {
    SoftwareRun run{SoftwareRun::params(2)};
    WaitQueue queue{"answer"};
    run.task("sleeper", 0_ps, [&](ExecContext& ctx) { ctx.wait_until(queue, 1_ms); });
    run.task("waker", 2_ns, [&](ExecContext& ctx) { ctx.wake_all(queue); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(sim::Simulation::now() < 1_us);
}
