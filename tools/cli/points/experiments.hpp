// Carries out the experiments of points, each in a process of its own: the kernel can be elaborated
// once in a process. Equal experiments run once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/platform/config.hpp"
#include "models/platform/experiment_patterns.hpp"
#include "tools/cli/points/point.hpp"
#include "tools/cli/points/verdict.hpp"

namespace ioasim::tools {

struct ExperimentOptions {
    // Of each topology: the profile's parameters, and those given beside.
    std::map<platform::Topology, platform::ExperimentParams> params;
    std::string trace;  // a file of events for each experiment; empty: none
    std::uint32_t processes = 2;
};

std::vector<PointResult> carry_out_points(const std::vector<const Point*>& points,
                                          const ExperimentOptions& options);

}  // namespace ioasim::tools
