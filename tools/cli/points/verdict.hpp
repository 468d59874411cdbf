// From simulated values to verdicts: errors of scalars, of rows, of a file (format
// "timing-points/1", "Error and verdict").
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/points/point.hpp"

namespace ioasim::tools {

struct Scalar {
    std::string x;
    std::optional<double> simulated;  // none: see `problem`
    double error = 1;
    std::string problem;
    bool not_carried_out = false;
};

struct PointResult {
    const Point* point = nullptr;
    std::vector<Scalar> scalars;
    double offset = 0;     // fitted, within free_offset_ns
    bool finished = true;  // false: a signal came before
};

struct RowResult {
    std::string row;
    std::vector<PointResult> points;
    double tolerance = 0;
    double median = 1;
    double p90 = 1;
    bool carried_out = true;
    bool finished = true;
    bool scored = true;  // false: a row for information
    bool passed = false;
};

// The error of one scalar.
double scalar_error(const PointValue& value, Metric metric, double simulated);
// Position 0 to 1 in the sorted values, linear interpolation.
double quantile(std::vector<double> values, double position);
// Fits the free offset of the point and fills in the errors.
void judge(PointResult& result);
// Rows in the order of their first points; those of `info_rows` are never scored.
std::vector<RowResult> judge_rows(std::vector<PointResult> results,
                                  const std::vector<std::string>& info_rows = {});

}  // namespace ioasim::tools
