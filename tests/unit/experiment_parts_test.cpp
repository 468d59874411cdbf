// When repetitions of experiments end, and what a core's clock changes.
#include <doctest/doctest.h>

#include <algorithm>

#include "models/platform/core_clock.hpp"
#include "models/platform/dsa_pattern_parts.hpp"

using namespace ioasim;
using namespace ioasim::platform;

TEST_CASE("experiment repetitions: those that differ are all carried out") {
    Repetitions repetitions(100);
    std::uint64_t carried_out = 0;
    while (!repetitions.over()) {
        CHECK(repetitions.ended(TimePs{1000 + carried_out % 20}) == 1);
        ++carried_out;
    }
    CHECK(carried_out == 100);
}

TEST_CASE("experiment repetitions: the same picoseconds many times in a row stand for the rest") {
    Repetitions repetitions(1000);
    std::uint64_t carried_out = 0;
    std::uint64_t stood_for = 0;
    while (!repetitions.over()) {
        stood_for += repetitions.ended(carried_out == 5 ? TimePs{999} : 1_ns);
        ++carried_out;
    }
    CHECK(stood_for == 1000);
    CHECK(carried_out == 6 + 21);  // the odd one, then one and twenty like it
}

TEST_CASE("experiment convergence: at least forty, never more than the experiment says") {
    Convergence steady(1000);
    std::uint64_t n = 1;
    while (!steady.enough(1_ns)) {
        ++n;
    }
    CHECK(n == 40);
    Convergence drifting(50);
    for (n = 1; !drifting.enough(TimePs{1000 * n}); ++n) {
    }
    CHECK(n == 50);
}

TEST_CASE("experiment clock: half the clock doubles what a core does, and nothing of memory") {
    PlatformConfig config;
    config.params = {{"software", "core_clock", 3000}, {"cpu", "block", 4000}};
    const auto changed = at_core_clock(config, 1500);
    const auto value = [&changed](const std::string& component, const std::string& path) {
        const auto found =
            std::find_if(changed.begin(), changed.end(), [&](const ParamOverride& one) {
                return one.component == component && one.path == path;
            });
        return found == changed.end() ? 0 : found->value;
    };
    CHECK(value("cpu", "block") == 8000);
    CHECK(value("cpu", "block.miss") == 0);
    CHECK(value("memory", "latency") == 0);
}
