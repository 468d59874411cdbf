// A file of timing points, read: measured series with the experiments that give them. The format is
// "timing-points/1" (tests/timing/points/FORMAT.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/platform/experiment.hpp"
#include "scenarios/language/json_tree.hpp"

namespace ioasim::tools {

enum class Metric : std::uint8_t {
    RateMops,
    ThroughputGbps,
    LatencyNs,
    Ratio,
    MarginalGbps,
    Count,
};
const char* metric_name(Metric metric);

// One value of the x axis: what to run, and what was measured.
struct PointValue {
    std::string x;  // as written
    platform::Experiment experiment;
    std::string text;  // the experiment as written: equal texts are one experiment
    std::optional<platform::Experiment> second;  // marginal_gbps: at the pair's other end
    std::string second_text;
    std::optional<platform::Experiment> baseline;
    std::string baseline_text;
    std::size_t client = 0;  // x "client": whose result is read
    std::optional<double> measured;
    std::optional<double> low, high;  // measured_range
    bool has_range = false;
};

struct Point {
    std::string id;
    std::string row;
    std::string testbed;
    std::string source;
    Metric metric = Metric::LatencyNs;
    bool difference = false;  // of baseline; else ratio
    bool of_latency = true;   // else throughput
    bool by_client = false;
    std::string x_name;
    std::vector<PointValue> values;
    double tolerance = 0;
    std::optional<std::pair<double, double>> free_offset;
    std::vector<std::string> inferred;
};

struct PointFile {
    std::string path;
    std::string set;
    std::vector<Point> points;
    std::vector<std::string> omitted;
    std::vector<std::string> info_rows;  // never scored
};

// False: diagnostics say why.
bool read_points(const std::string& path, scenario::SourceSet& sources,
                 scenario::Diagnostics& diagnostics, PointFile& out);

// An experiment object; every unknown field or value is a diagnostic.
platform::Experiment read_experiment(const scenario::Node& node,
                                     scenario::Diagnostics& diagnostics);
// The fields that there are.
const std::vector<std::string>& experiment_field_names();
// What the points of a file must be, each and together.
void check_points(const scenario::Node& root, scenario::Diagnostics& diagnostics);
// What the fields of an experiment must be together.
void check_experiment(const scenario::Node& node, const platform::Experiment& experiment,
                      scenario::Diagnostics& diagnostics);

}  // namespace ioasim::tools
