#include "tools/cli/points/verdict.hpp"

#include <algorithm>
#include <cmath>

namespace ioasim::tools {
namespace {

constexpr double kNoResult = 1;

double fitted_error(const PointResult& result, double offset) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < result.scalars.size(); ++i) {
        const Scalar& scalar = result.scalars[i];
        errors.push_back(scalar.simulated
                             ? scalar_error(result.point->values[i], result.point->metric,
                                            *scalar.simulated + offset)
                             : kNoResult);
    }
    return quantile(errors, 0.5);
}

}  // namespace

double scalar_error(const PointValue& value, Metric metric, double simulated) {
    if (value.measured) {
        const double scale = metric == Metric::Count ? std::max(1.0, std::fabs(*value.measured))
                                                     : std::fabs(*value.measured);
        return std::fabs(simulated - *value.measured) / scale;
    }
    if (value.low && simulated < *value.low) {
        return (*value.low - simulated) / std::fabs(*value.low);
    }
    if (value.high && simulated > *value.high) {
        return (simulated - *value.high) / std::fabs(*value.high);
    }
    return 0;
}

double quantile(std::vector<double> values, double position) {
    if (values.empty()) {
        return kNoResult;
    }
    std::sort(values.begin(), values.end());
    const double at = position * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const std::size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (values[high] - values[low]) * (at - static_cast<double>(low));
}

void judge(PointResult& result) {
    const Point& point = *result.point;
    if (point.free_offset) {
        // The best constant lies where one scalar is met, or at an end of the interval.
        std::vector<double> offsets{point.free_offset->first, point.free_offset->second};
        for (std::size_t i = 0; i < result.scalars.size(); ++i) {
            if (result.scalars[i].simulated && point.values[i].measured) {
                offsets.push_back(
                    std::clamp(*point.values[i].measured - *result.scalars[i].simulated,
                               point.free_offset->first, point.free_offset->second));
            }
        }
        result.offset = *std::min_element(offsets.begin(), offsets.end(), [&](double a, double b) {
            return fitted_error(result, a) < fitted_error(result, b);
        });
    }
    for (std::size_t i = 0; i < result.scalars.size(); ++i) {
        Scalar& scalar = result.scalars[i];
        if (scalar.simulated) {
            *scalar.simulated += result.offset;
            scalar.error = scalar_error(point.values[i], point.metric, *scalar.simulated);
        }
    }
}

std::vector<RowResult> judge_rows(std::vector<PointResult> results,
                                  const std::vector<std::string>& info_rows) {
    std::vector<RowResult> rows;
    for (PointResult& result : results) {
        judge(result);
        auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const RowResult& r) { return r.row == result.point->row; });
        if (row == rows.end()) {
            rows.emplace_back();
            row = rows.end() - 1;
            row->row = result.point->row;
            row->tolerance = result.point->tolerance;
            row->scored =
                std::find(info_rows.begin(), info_rows.end(), row->row) == info_rows.end();
        }
        row->finished = row->finished && result.finished;
        row->points.push_back(std::move(result));
    }
    for (RowResult& row : rows) {
        std::vector<double> errors;
        for (const PointResult& point : row.points) {
            for (const Scalar& scalar : point.scalars) {
                errors.push_back(scalar.error);
                row.carried_out = row.carried_out && !scalar.not_carried_out;
            }
        }
        row.median = quantile(errors, 0.5);
        row.p90 = quantile(errors, 0.9);
        // Tolerance 0: every scalar is exact.
        const bool any =
            std::any_of(row.points.begin(), row.points.end(), [](const PointResult& point) {
                return std::any_of(
                    point.scalars.begin(), point.scalars.end(),
                    [](const Scalar& scalar) { return scalar.simulated.has_value(); });
            });
        // Whatever its tolerance: a row without any result has not passed.
        row.passed = any && row.scored && row.finished && row.carried_out &&
                     (row.tolerance == 0 ? quantile(errors, 1) == 0 : row.median <= row.tolerance);
    }
    return rows;
}

}  // namespace ioasim::tools
