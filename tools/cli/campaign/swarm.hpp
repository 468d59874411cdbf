// A machine of another kind for each run: sizes, depths and latencies drawn over their ranges, up
// to extremes, so that runs differ in kind and not only in chance. What a scenario sets itself is
// its story and stays. A run of this kind is judged by checkers, the final state, and expectations
// that hold on any machine ("always").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/language/scenario.hpp"

namespace ioasim::tools {

// Changes the machine of a scenario as `seed` says. Returns what it changed,
// "iommu.iotlb.entries=1".
std::vector<std::string> draw_machine(scenario::Scenario& scenario, std::uint64_t seed);

}  // namespace ioasim::tools
