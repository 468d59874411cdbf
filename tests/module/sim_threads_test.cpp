// The kernel's threads under the tasks: made when needed, used again.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;
using sim::StopReason;

TEST_CASE("dispatcher: tasks start tasks, and threads of ended ones are used again") {
    SoftwareRun run{SoftwareRun::params(2)};
    std::set<const void*> stacks;
    int started = 0;
    std::function<void(ExecContext&)> link = [&](ExecContext& ctx) {
        const int here = ++started;
        stacks.insert(&here);
        if (started < 20) {
            run.task(fmt::format("t{}", started), ctx.now() + 1_ns, link);
        }
    };
    run.task("t0", 0_ps, link);
    CHECK(run.run() == StopReason::Idle);
    CHECK(started == 20);
    CHECK(stacks.size() <= 2);  // the next task is made before this one has ended
}

TEST_CASE("dispatcher: any number of tasks at once, from before time runs and within it") {
    SoftwareRun run{SoftwareRun::params(1)};
    int ended = 0;
    const auto start_all = [&](TimePs at) {
        for (int i = 0; i < 100; ++i) {
            run.task(fmt::format("t{}", i), at, [&ended](ExecContext& ctx) {
                ctx.spend(1_us);
                ++ended;
            });
        }
    };
    start_all(0_ps);
    run.task("more", 1_ns, [&](ExecContext& ctx) { start_all(ctx.now() + 1_ns); });
    CHECK(run.run() == StopReason::Idle);
    CHECK(ended == 200);
}
