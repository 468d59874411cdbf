#include "models/platform/experiment_patterns.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "core/base/locks.hpp"
#include "core/sim/simulation.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/core_clock.hpp"
#include "models/platform/dsa_bench.hpp"
#include "models/platform/dsa_patterns.hpp"
#include "models/platform/nic_patterns.hpp"
#include "models/platform/platform.hpp"
#include "models/platform/software_patterns.hpp"

namespace ioasim::platform {
namespace {

constexpr std::array<PatternSpec, 16> kPatterns{{
    {"window", Topology::IntegratedDsa, &DsaBench::platform, &run_window},
    {"burst", Topology::IntegratedDsa, &DsaBench::platform, &run_burst},
    {"single", Topology::IntegratedDsa, &DsaBench::platform, &run_single},
    {"batch", Topology::IntegratedDsa, &DsaBench::platform, &run_batch},
    {"batch_pipeline", Topology::IntegratedDsa, &DsaBench::platform, &run_batch_pipeline},
    {"split", Topology::IntegratedDsa, &DsaBench::platform, &run_split},
    {"page_list", Topology::IntegratedDsa, &DsaBench::platform, &run_page_list},
    {"shared", Topology::IntegratedDsa, &DsaBench::platform, &run_shared},
    {"trace", Topology::IntegratedDsa, &DsaBench::platform, &run_trace},
    {"dma_read", Topology::DiscreteNic, &nic_platform, &run_dma_read},
    {"dma_stream", Topology::DiscreteNic, &nic_platform, &run_dma_stream},
    {"invalidate", Topology::Software, &software_platform, &run_invalidate},
    {"io_page_fault", Topology::Software, &software_platform, &run_io_page_fault},
    {"cpu_page_fault", Topology::Software, &software_platform, &run_cpu_page_fault},
    {"vmexit", Topology::Software, &software_platform, &run_vmexit},
    {"primitive", Topology::Software, &software_platform, &run_primitive},
}};

std::vector<Measurement> refused(std::size_t count, const std::string& why) {
    Measurement m;
    m.problem = why;
    return std::vector<Measurement>(count, m);
}

}  // namespace

const PatternSpec* find_pattern(const std::string& name, Topology topology) {
    const auto found = std::find_if(
        kPatterns.begin(), kPatterns.end(),
        [&](const PatternSpec& spec) { return spec.name == name && spec.topology == topology; });
    return found == kPatterns.end() ? nullptr : &*found;
}

std::string no_pattern(const Experiment& experiment) {
    if (find_pattern(experiment.pattern, experiment.topology) != nullptr) {
        return {};
    }
    const auto spec = std::find_if(kPatterns.begin(), kPatterns.end(), [&](const PatternSpec& one) {
        return one.name == experiment.pattern;
    });
    constexpr std::array<const char*, 3> kTopologies{"integrated-dsa", "discrete-nic", "software"};
    const auto name = [&](Topology t) { return kTopologies.at(static_cast<std::size_t>(t)); };
    return spec == kPatterns.end()
               ? fmt::format("not carried out: there is no pattern {}", experiment.pattern)
               : fmt::format("not carried out: the pattern {} is of topology {}, not {}",
                             experiment.pattern, name(spec->topology), name(experiment.topology));
}

const std::vector<std::string>& pattern_names() {
    static const std::vector<std::string> names{
        "window",        "burst",          "single", "batch",    "batch_pipeline", "split",
        "page_list",     "shared",         "trace",  "dma_read", "dma_stream",     "invalidate",
        "io_page_fault", "cpu_page_fault", "vmexit", "primitive"};
    return names;
}

void Harness::run_together(const std::vector<std::function<void(ExecContext&)>>& bodies) {
    WaitQueue ended{"the other actors"};
    std::size_t left = bodies.size() - 1;
    for (std::size_t i = 1; i < bodies.size(); ++i) {
        world.spawn(fmt::format("bare/actor{}", i), static_cast<int>(i),
                    [&, i](ExecContext& other) {
                        bodies[i](other);
                        --left;
                        other.wake_all(ended);
                    });
    }
    bodies[0](ctx);
    while (left != 0) {
        ctx.wait(ended);
    }
}

std::vector<Measurement> carry_out(const std::vector<Experiment>& series,
                                   const ExperimentParams& params,
                                   const std::function<void(sim::Simulation&)>& prepare,
                                   const std::function<void()>& finish) {
    const Experiment& first = series.front();
    const PatternSpec* const pattern = find_pattern(first.pattern, first.topology);
    if (pattern == nullptr) {
        return refused(series.size(), no_pattern(first));
    }
    sim::SimulationOptions options;
    options.limit = TimePs::max() - TimePs{1};
    std::vector<Measurement> results;
    std::vector<std::shared_ptr<trace::Listener>> listeners;
    sim::Simulation sim(options);
    if (prepare) {
        prepare(sim);
    }
    // Also when a bug ends the run: before the simulation goes.
    struct Closing {
        const std::function<void()>& finish;
        bool done = false;
        void operator()() {
            if (finish && !std::exchange(done, true)) {
                finish();
            }
        }
        ~Closing() { (*this)(); }
    } closing{finish};
    PlatformConfig config = pattern->platform(first);
    config.params.insert(config.params.begin(), params.profile.begin(), params.profile.end());
    if (first.cpu_mhz != 0) {
        const auto clocked = at_core_clock(config, first.cpu_mhz);
        config.params.insert(config.params.end(), clocked.begin(), clocked.end());
    }
    config.params.insert(config.params.end(), params.last.begin(), params.last.end());
    Platform platform(sim, config, [&](ExecContext& ctx, BareWorld& world) {
        Harness harness(world, ctx, series, config);
        pattern->run(harness);
        results = std::move(harness.results);
        listeners = std::move(harness.listeners);
        sim.request_stop(sim::StopReason::Requested);
    });
    const sim::StopReason reason = sim.run();
    closing();
    return !results.empty() ? results
                            : refused(series.size(), fmt::format("the software did not end: {}",
                                                                 stop_reason_name(reason)));
}

}  // namespace ioasim::platform
