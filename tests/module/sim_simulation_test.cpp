#include <doctest/doctest.h>

#include <stdexcept>

#include "core/trace/run_events.hpp"
#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;
using sim::Simulation;
using sim::SimulationOptions;
using sim::StopReason;

namespace {

SimulationOptions limited(TimePs limit) {
    SimulationOptions options;
    options.limit = limit;
    return options;
}

}  // namespace

TEST_CASE("simulation: a run with nothing left to do ends idle, at the last activity") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    int done = 0;
    script.at(5_ns, [&] { ++done; });
    script.at(7_ns, [&] { ++done; });
    CHECK(sim.run() == StopReason::Idle);
    CHECK(done == 2);
    CHECK(Simulation::now() == 7_ns);
}

TEST_CASE("simulation: the limit is exclusive") {
    Simulation sim{limited(10_ns)};
    Script script{sim, "script"};
    Lines log;
    script.at(TimePs{9'999}, [&] { log.push_back("before"); });
    script.at(10_ns, [&] { log.push_back("at"); });
    CHECK(sim.run() == StopReason::Limit);
    CHECK(log == Lines{"before"});
    CHECK(Simulation::now() == 10_ns);
}

TEST_CASE("simulation: a module that spins in one instant is a hang") {
    class Spinner final : public sim::Module {
    public:
        using Module::Module;
        void advance(TimePs) override { ++turns; }
        std::optional<TimePs> next_wakeup() const override { return TimePs{1000}; }
        std::uint64_t turns = 0;
    };
    SimulationOptions options = limited(1_ms);
    options.activations_per_instant = 50;
    Simulation sim{options};
    Spinner spinner{sim, "spinner"};
    CHECK(sim.run() == StopReason::Hang);
    CHECK(Simulation::now() == 1_ns);
    CHECK(spinner.turns >= 50);
    CHECK(spinner.turns <= 52);
}

TEST_CASE("simulation: many activations in many instants are no hang") {
    SimulationOptions options = limited(1_ms);
    options.activations_per_instant = 3;
    Simulation sim{options};
    Script script{sim, "script"};
    for (unsigned i = 1; i <= 100; ++i) {
        script.at(TimePs{i}, [] {});
    }
    CHECK(sim.run() == StopReason::Idle);
    CHECK(script.advances == 100);
}

TEST_CASE("simulation: a module that still has work at the end is a deadlock") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    script.is_busy = true;
    script.at(1_ns, [] {});
    CHECK(sim.run() == StopReason::Deadlock);
}

TEST_CASE("simulation: a stop that was asked for comes at that time, the first reason holds") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    bool later = false;
    script.at(3_ns, [&] {
        sim.request_stop(StopReason::HostTime);
        sim.request_stop(StopReason::Requested);
    });
    script.at(4_ns, [&] { later = true; });
    CHECK(sim.run() == StopReason::HostTime);
    CHECK(Simulation::now() == 3_ns);
    CHECK_FALSE(later);
}

TEST_CASE("simulation: a signal ends the run at the next activation") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    script.at(3_ns, [&] { Simulation::interrupt_from_signal(); });
    script.at(4_ns, [] {});
    script.at(5_ns, [] { FAIL("ran after the signal"); });
    CHECK(sim.run() == StopReason::Signal);
    CHECK(Simulation::now() == 4_ns);
}

TEST_CASE("simulation: a bug in a module leaves run() as what it was") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    script.at(2_ns, [] { SIM_CHECK(false, "broken on purpose"); });
    CHECK_THROWS_WITH_AS(sim.run(), doctest::Contains("broken on purpose"), ModelBug);
    CHECK(Simulation::now() == 2_ns);
}

TEST_CASE("simulation: the earliest wake-up wins, later requests are not lost") {
    Simulation sim{limited(1_ms)};
    Lines log;
    class Module final : public sim::Module {
    public:
        Module(Simulation& s, Lines& lines) : sim::Module(s, "m"), lines_(lines) {}
        void advance(TimePs now) override {
            lines_.push_back(std::to_string(now.ps()));
            while (timeline.due(now)) {
                timeline.pop();
            }
        }
        std::optional<TimePs> next_wakeup() const override { return timeline.next(); }
        sim::Timeline<int> timeline;

    private:
        Lines& lines_;
    };
    Module module{sim, log};
    Script script{sim, "script"};
    script.at(1_ps, [&] {
        for (const TimePs time : {30_ps, 10_ps, 20_ps}) {
            module.timeline.schedule(time, 0, 0);
            module.wake_at(time);
        }
    });
    sim.run();
    CHECK(log == Lines{"10", "20", "30"});
}

TEST_CASE("simulation: modules start before time does, once each") {
    class Starter final : public sim::Module {
    public:
        using Module::Module;
        void start() override {
            ++starts;
            CHECK(now() == 0_ps);
        }
        void advance(TimePs) override { CHECK(starts == 1); }
        std::optional<TimePs> next_wakeup() const override { return std::nullopt; }
        int starts = 0;
    };
    Simulation sim{limited(1_us)};
    Starter a{sim, "a"};
    Starter b{sim, "b"};
    a.wake_at(1_ns);
    sim.run();
    CHECK(a.starts == 1);
    CHECK(b.starts == 1);
}

TEST_CASE("simulation: the stream starts with run.start and ends with run.end") {
    Simulation sim{limited(1_ms)};
    StreamLog stream{sim.recorder(), trace::kAllCategories};
    Script script{sim, "a-device"};
    script.at(2_ns, [&] { script.emit(trace::RunStart{}); });
    sim.run();
    CHECK(stream.lines == Lines{"0 run run.start", "2000 a-device run.start", "2000 run run.end"});
}

TEST_CASE("simulation: the heartbeat beats while a run goes on") {
    Simulation sim{limited(1_ms)};
    Script script{sim, "script"};
    for (unsigned i = 1; i <= 30'000; ++i) {
        script.at(TimePs{i}, [] {});
    }
    int beats = 0;
    sim.heartbeat = [&] { ++beats; };
    sim.run();
    CHECK(beats == 3);
}

TEST_CASE("simulation: a second one in the process starts at time 0 and knows nothing") {
    for (int i = 0; i < 2; ++i) {
        Simulation sim{limited(1_ms)};
        Script script{sim, "script"};
        int done = 0;
        script.at(5_ns, [&] { ++done; });
        CHECK(sim.run() == StopReason::Idle);
        CHECK(Simulation::now() == 5_ns);
        CHECK(done == 1);
    }
}

TEST_CASE("simulation: the state dump names every module") {
    class Dumper final : public sim::Module {
    public:
        using Module::Module;
        void advance(TimePs) override {}
        std::optional<TimePs> next_wakeup() const override { return std::nullopt; }
        void dump(sim::StateDump& out) const override { out.line("three queued"); }
    };
    Simulation sim{limited(1_us)};
    Dumper dumper{sim, "dsa0/engine0"};
    const Lines lines = sim.dump_state();
    const auto place = std::find(lines.begin(), lines.end(), "dsa0/engine0:");
    REQUIRE(place != lines.end());
    CHECK(*(place + 1) == "  three queued");
}

TEST_CASE("simulation: names with separators of the kernel are allowed, equal ones too") {
    Simulation sim{limited(1_us)};
    Script a{sim, "vm1/vdev.0"};
    Script b{sim, "vm1/vdev 0"};
    CHECK(a.name() == "vm1/vdev.0");
    CHECK(sim.run() == StopReason::Idle);
}
