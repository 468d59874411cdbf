// Carries out the experiments of points, each in a process of its own: the kernel can be elaborated
// once in a process. Equal experiments run once.
#pragma once

#include <map>
#include <memory>
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

struct CarriedOut {
    std::vector<PointResult> results;      // of each point
    std::vector<std::string> not_written;  // traces that were lost, each with the reason
};

class ExperimentPlan {
public:
    explicit ExperimentPlan(const std::vector<const Point*>& points);
    ExperimentPlan(ExperimentPlan&&) noexcept;
    ~ExperimentPlan();
    // The files that carry_out() writes when `trace` is asked for, one for each experiment.
    std::vector<std::string> traces(const std::string& trace) const;
    // Until a signal comes (signal_seen): points that are not finished then say so.
    CarriedOut carry_out(const ExperimentOptions& options);

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace ioasim::tools
