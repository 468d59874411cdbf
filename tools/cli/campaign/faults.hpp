// Faults for a run of swarm: kinds of injections that a real system survives, each by chance from
// a stream of its own or at a drawn time, until a drawn time within the run's length without
// faults. Then they heal: none comes any more, and what is under way must end within the bound of
// models/platform/liveness.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

// Whether a campaign draws a kind of injection; why not, where it does not.
struct FaultPolicy {
    std::string_view kind;
    std::string_view left_out;  // empty: it is drawn
};
// Of every kind of `ioasim inject list`, by name.
const std::vector<FaultPolicy>& fault_policies();

// Whether the run with this seed is one with faults: half of those of scenarios that end by
// themselves, have a kernel, and bring in nothing themselves that may come without limit.
bool draws_faults(const scenario::Scenario& scenario, std::uint64_t seed);

// What such a run brings in, as a scenario says it; `work`: how long it takes without.
struct DrawnFaults {
    std::vector<scenario::Node> inject;
    TimePs heal;
    TimePs work;
    // Some call may fail, or somebody is killed or reset: the run ends in another state.
    bool fail = false;
    // Parameters that the faults ask for.
    std::vector<platform::ParamOverride> params;

    // "inject=[...]" and "run.heal={...}", as `--set` takes them; with what the scenario has
    // itself.
    std::vector<std::string> sets(const scenario::Scenario& scenario) const;
    std::string text() const;  // on one line
};
// Nothing: none of the kinds fits the system.
std::optional<DrawnFaults> draw_faults(const scenario::Scenario& scenario, std::uint64_t seed,
                                       TimePs work);
// Those of a run whose machine is drawn; `make` makes the same run without them, to see how long
// it takes. Nothing: the run has none.
std::optional<DrawnFaults> faults_of_run(const Job& job,
                                         const std::function<RunResult(const Job&)>& make);
// Makes them part of the scenario, whose limit becomes the end of the liveness phase. Where calls
// may fail nothing is promised any more; what must not happen, or not more often, is judged. How
// many expectations are not, which would be in a run with other faults.
std::size_t add_faults(scenario::Scenario& scenario, const DrawnFaults& faults);

}  // namespace ioasim::tools
