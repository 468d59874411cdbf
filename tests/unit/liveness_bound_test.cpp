// How long work may take behind the last fault, and what a campaign draws.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "models/platform/liveness.hpp"
#include "models/platform/platform.hpp"
#include "tools/cli/campaign/faults.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {

using platform::DeviceConfig;
using platform::liveness_bound;
using platform::LivenessBound;
using platform::PlatformConfig;

namespace {

PlatformConfig healing(TimePs work) {
    PlatformConfig config;
    config.heal = platform::HealConfig{10_us, work};
    return config;
}

platform::InjectionConfig hang(std::uint64_t count, TimePs by) {
    platform::InjectionConfig one;
    one.fault.kind = platform::find_inject_kind("dsa.hang");
    one.count = count;
    one.numbers["by"] = by.ps();
    return one;
}

std::uint64_t usual(const char* owner, const char* path) {
    return platform::find_param(owner, path)->initial;
}

}  // namespace

TEST_CASE("liveness: without faults it is twice the work and every time-out once") {
    const LivenessBound none = liveness_bound(healing(100_us));
    CHECK(none.effects == 0);
    CHECK(none.delays == TimePs{});
    CHECK(none.total == 200_us + none.give_up);
    // At least what each part waits for, and the retries of a program.
    CHECK(none.give_up >=
          TimePs{usual("device", "completion_timeout") + usual("kernel", "work.timeout") +
                 usual("vm", "kill_timeout") +
                 usual("kernel", "user.enqcmd_retries") * usual("kernel", "user.backoff_limit")});
    CHECK(liveness_bound(healing(300_us)).total - none.total == 400_us);
}

TEST_CASE("liveness: each fault costs the work, all time-outs and what it holds up") {
    const LivenessBound none = liveness_bound(healing(100_us));
    PlatformConfig config = healing(100_us);
    config.injections = {hang(3, 7_us), hang(2, 1_us)};
    const LivenessBound some = liveness_bound(config);
    CHECK(some.effects == 5);
    CHECK(some.delays == 23_us);
    CHECK(some.total - none.total == 500_us + some.give_up * 5 + 23_us);
}

TEST_CASE("liveness: the bound follows the machine, the slowest component of a kind") {
    const std::uint64_t before = usual("device", "completion_timeout");
    const LivenessBound none = liveness_bound(healing(100_us));
    PlatformConfig config = healing(100_us);
    config.params.push_back({"device", "completion_timeout", 2 * before});
    CHECK(liveness_bound(config).give_up - none.give_up == TimePs{before});
    DeviceConfig device;
    device.name = "dsa1";
    config.devices.push_back(device);
    config.params.push_back({"dsa1", "completion_timeout", 5 * before});
    CHECK(liveness_bound(config).give_up - none.give_up == TimePs{4 * before});
    // Nobody gives up after it.
    config.params.push_back({"iommu", "invalidation.timeout", 1});
    CHECK(liveness_bound(config).give_up - none.give_up == TimePs{4 * before});
}

TEST_CASE("liveness: a bound is a time, however much is asked for") {
    PlatformConfig config = healing(TimePs{24ULL * 3600 * 1'000'000'000'000});
    config.injections = {hang(1'000'000'000, 1_ms)};
    CHECK(liveness_bound(config).total > 1_ms);
}

TEST_CASE("swarm: a campaign says of each kind of fault whether it draws it, or why not") {
    const auto& policies = fault_policies();
    CHECK(policies.size() == platform::inject_kinds().size());
    std::size_t drawn = 0;
    for (const FaultPolicy& policy : policies) {
        INFO(policy.kind);
        CHECK(platform::find_inject_kind(policy.kind) != nullptr);
        drawn += policy.left_out.empty() ? 1 : 0;
        // What needs to be told more than where cannot be drawn.
        for (const auto& param : platform::find_inject_kind(policy.kind)->params) {
            CHECK((!policy.left_out.empty() || *param.initial != 0));
        }
    }
    CHECK(drawn >= 35);
}

TEST_CASE("swarm: faults depend on the seed alone, fit the system and end within its work") {
    const std::string file = std::string(IOASIM_SOURCE_DIR) + "/scenarios/quickstart/two_vms.json";
    const scenario::Scenario scenario = scenario::load(file, program_vocabulary(), {}).cells.at(0);
    std::set<std::string> kinds;
    std::size_t with = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        with += draws_faults(scenario, seed) ? 1 : 0;
        const auto faults = draw_faults(scenario, seed, 100_us);
        REQUIRE(faults);
        CHECK(faults->text() == draw_faults(scenario, seed, 100_us)->text());
        CHECK(faults->heal <= 100_us);
        CHECK(faults->heal >= 25_us);
        scenario::Scenario run = scenario;
        add_faults(run, *faults);  // refuses what the language refuses
        REQUIRE(run.config.injections.size() == faults->inject.size());
        CHECK(run.limit == run.config.heal->at + liveness_bound(run.config).total);
        for (const auto& injection : run.config.injections) {
            kinds.insert(std::string(injection.fault.kind->name));
            CHECK(injection.count > 0);
            CHECK((!injection.at || *injection.at <= faults->heal));
        }
    }
    CHECK(with > 60);
    CHECK(with < 140);
    CHECK(kinds.size() > 20);
}

TEST_CASE("swarm: where calls fail nothing is promised, and what must not happen still must not") {
    const std::string file = std::string(IOASIM_SOURCE_DIR) + "/scenarios/stress/crowd.json";
    const scenario::Scenario scenario = scenario::load(file, program_vocabulary(), {}).cells.at(0);
    using Kind = scenario::Expectation::Kind;
    const auto number = [](const scenario::Scenario& run, Kind kind) {
        return std::count_if(run.expectations.begin(), run.expectations.end(),
                             [kind](const auto& e) { return e.kind == kind; });
    };
    DrawnFaults faults;
    faults.heal = 10_us;
    faults.work = 100_us;
    for (const bool fail : {false, true}) {
        faults.fail = fail;
        scenario::Scenario run = scenario;
        add_faults(run, faults);
        CHECK(number(run, Kind::Bytes) == (fail ? 0 : 6));
        CHECK(number(run, Kind::Final) == (fail ? 0 : 2));
        CHECK(number(run, Kind::Count) == (fail ? 0 : 1));
        CHECK(number(run, Kind::Never) == 1);
        CHECK(number(run, Kind::Invariants) == 1);
    }
}

}  // namespace ioasim::tools
