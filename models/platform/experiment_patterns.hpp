// The patterns of experiments, one function each: which hardware one needs and what its software
// does there. A pattern sees the platform as software does; it knows no names of experiments.
//
// A new pattern is a PatternSpec in a file of its own and one line in patterns() (in
// experiment_patterns.cpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/sim/simulation.hpp"
#include "core/trace/recorder.hpp"
#include "models/platform/config.hpp"
#include "models/platform/experiment.hpp"

namespace ioasim::platform {

struct BareWorld;  // bare_program.hpp: registers of all components, instructions

// What the software of an experiment has: the machine, its task on processor 0, and more tasks.
class Harness {
public:
    Harness(BareWorld& bare, ExecContext& context, const std::vector<Experiment>& experiments,
            const PlatformConfig& configuration)
        : world(bare),
          ctx(context),
          series(experiments),
          config(configuration),
          results(experiments.size()) {}

    // Runs each body on a processor of its own, the first on the caller's, and returns when all
    // have ended.
    void run_together(const std::vector<std::function<void(ExecContext&)>>& bodies);

    BareWorld& world;
    ExecContext& ctx;
    // More than one: the values of a sequence, which one machine carries out in turn.
    const std::vector<Experiment>& series;
    const PlatformConfig& config;      // with all parameters
    std::vector<Measurement> results;  // of each; of `shared`: of each client
    // What listens to the run's events lives as long as the run.
    std::vector<std::shared_ptr<trace::Listener>> listeners;
};

// The accelerators: the experiment's own, or the same shape for each.
std::vector<DeviceShape> device_shapes(const Experiment& experiment);

struct PatternSpec {
    const char* name;
    Topology topology;
    PlatformConfig (*platform)(const Experiment& experiment);
    void (*run)(Harness& harness);
};

// nullptr: no such pattern on this topology.
const PatternSpec* find_pattern(const std::string& name, Topology topology);
// Why an experiment is not carried out: no such pattern on its topology; empty: it can be.
std::string no_pattern(const Experiment& experiment);
// Known to the format, carried out or not.
const std::vector<std::string>& pattern_names();

// Parameters away from their defaults: those of a timing profile, below what the experiment says,
// and those that have the last word.
struct ExperimentParams {
    std::vector<ParamOverride> profile;
    std::vector<ParamOverride> last;
};

// Elaborates the platform in this process and runs the series; several results, see Harness. What
// went wrong is the `problem` of the measurements. `prepare` may add listeners.
std::vector<Measurement> carry_out(const std::vector<Experiment>& series,
                                   const ExperimentParams& params,
                                   const std::function<void(sim::Simulation&)>& prepare = {},
                                   const std::function<void()>& finish = {});

}  // namespace ioasim::platform
