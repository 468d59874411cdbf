// `ioasim bench points FILE`: published measurements, carried out and judged.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

struct PointsOptions {
    std::vector<std::string> files;
    std::vector<std::string> rows;  // empty: all
    std::string trace;
    std::string svg;     // folder
    bool force = false;  // traces may replace files
    bool json = false;
    std::string profile;              // empty: "spr", for discrete functions "discrete-nic"
    std::vector<std::string> params;  // component.path=value
};

// 0: every scored row is within its tolerance; 1: one is not, or was not carried out; 2: usage, or
// a file that cannot be read; 3: a trace or plot is lost; 128 and the signal that ended it.
int run_bench_points(const PointsOptions& options);

}  // namespace ioasim::tools
