// What became of machines, IDs, workqueues and IOMMUs, in the few lines that a person reads first.
#pragma once

#include <string>
#include <vector>

#include "traces/state_view.hpp"
#include "traces/stats.hpp"

namespace ioasim::tools {

std::vector<std::string> detail_lines(const traces::StatsResult& stats,
                                      const traces::StateView& state);

// Rounded for reading: three digits after the point in the largest unit.
std::string short_time(TimePs time);

}  // namespace ioasim::tools
