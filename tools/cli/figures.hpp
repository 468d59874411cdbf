// A run in numbers, for `ioasim compare`: what came of it, what it cost, what could go wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/stats.hpp"

namespace ioasim::tools {

struct RunFigure {
    std::string aspect;  // "outcome", "cost" or "risk"
    std::string name;
    bool time = false;  // picoseconds, else a count
    std::uint64_t value = 0;
};

std::vector<RunFigure> figures_of(const traces::StatsResult& stats);

}  // namespace ioasim::tools
