// Order among simultaneous arrivals must not depend on how the platform was put together.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "core/base/random.hpp"
#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

// Eight senders and one receiver, built in the given order among bystanders; every sender sends at
// 10 ns on its own port, the even ones a second message.
Lines served(const std::vector<int>& construction, int bystanders) {
    sim::SimulationOptions options;
    sim::Simulation sim{options};
    Lines log;
    std::vector<std::unique_ptr<Script>> modules;
    const auto add_bystander = [&] {
        auto& script = *modules.emplace_back(
            std::make_unique<Script>(sim, fmt::format("by{}", modules.size())));
        for (const TimePs time : {5_ns, 10_ns, 15_ns, 20_ns}) {
            script.at(time, [] {});
        }
    };
    for (int i = 0; i < bystanders; ++i) {
        add_bystander();
    }
    Receiver receiver{sim, "receiver", log};
    std::vector<std::unique_ptr<sim::Link<int>>> links(8);
    for (const int port : construction) {
        auto& link = links[static_cast<std::size_t>(port)];
        link = std::make_unique<sim::Link<int>>(sim::LinkParams{5_ns, 0, 0});
        link->bind(receiver.inbox, static_cast<std::uint32_t>(port));
        auto& script =
            *modules.emplace_back(std::make_unique<Script>(sim, fmt::format("s{}", port)));
        script.at(10_ns, [&link, &script, port] {
            link->send(script.now(), int{port});
            if (port % 2 == 0) {
                link->send(script.now(), port + 100);
            }
        });
        if (bystanders > 0) {
            add_bystander();
        }
    }
    sim.run();
    return log;
}

}  // namespace

TEST_CASE("order: simultaneous arrivals are served by port, in any construction order") {
    std::vector<int> construction(8);
    std::iota(construction.begin(), construction.end(), 0);
    const Lines expected = served(construction, 0);
    REQUIRE(expected.size() == 12);
    CHECK(expected[0] == "15000 receiver got 0");
    CHECK(expected[1] == "15000 receiver got 100");
    CHECK(expected[2] == "15000 receiver got 1");
    CHECK(expected[11] == "15000 receiver got 7");
    RandomStream random{1, "test", "construction"};
    for (int round = 0; round < 20; ++round) {
        for (std::size_t i = construction.size(); i > 1; --i) {
            std::swap(construction[i - 1], construction[random.below(i)]);
        }
        CHECK(served(construction, round % 4) == expected);
    }
}

TEST_CASE("order: software of an instant sees what hardware did in it, whoever was made first") {
    for (const bool hardware_first : {true, false}) {
        SoftwareRun run{SoftwareRun::params(1)};
        int value = 0;
        const auto make_device = [&] { run.script("device").at(10_ns, [&] { value = 7; }); };
        const auto make_task = [&] {
            run.task("task", 10_ns, [&](ExecContext& ctx) {
                CHECK(ctx.now() == 10_ns);
                CHECK(value == 7);
            });
        };
        if (hardware_first) {
            make_device();
            make_task();
        } else {
            make_task();
            make_device();
        }
        CHECK(run.run() == sim::StopReason::Idle);
        CHECK(value == 7);
    }
}

TEST_CASE("order: tasks of one instant run by CPU, then in the order of becoming ready") {
    SoftwareRun run{SoftwareRun::params(4)};
    // Started in another order than their CPUs; all resume at 10 ns.
    for (const int cpu : {2, 0, 3, 1}) {
        run.task(
            fmt::format("cpu{}", cpu), 0_ps,
            [&](ExecContext& ctx) {
                ctx.spend(10_ns);
                run.note(ctx, "resumes");
            },
            cpu);
    }
    run.run();
    CHECK(run.log == Lines{"10000 cpu0 resumes", "10000 cpu1 resumes", "10000 cpu2 resumes",
                           "10000 cpu3 resumes"});
}
