#include "tools/cli/points/points_report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/report_text.hpp"
#include "tools/cli/run_result.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

std::string percent(double value) {
    return fmt::format("{:.1f} %", value * 100);
}

std::string measured_text(const PointValue& value) {
    if (value.measured) {
        return fmt::format("{:.6g}", *value.measured);
    }
    const auto bound = [](const std::optional<double>& v) {
        return v ? fmt::format("{:.6g}", *v) : std::string{};
    };
    return fmt::format("{}..{}", bound(value.low), bound(value.high));
}

void add_point(std::string& out, const PointResult& result) {
    const Point& point = *result.point;
    out += fmt::format("  {} ({}), {} over {}\n", point.id, point.testbed,
                       metric_name(point.metric), point.x_name);
    for (std::size_t i = 0; i < result.scalars.size(); ++i) {
        const Scalar& s = result.scalars[i];
        out +=
            s.simulated
                ? fmt::format("    {:>16}  measured {:>12}  simulated {:>12.6g}  off {:>8}\n", s.x,
                              measured_text(point.values[i]), *s.simulated, percent(s.error))
                : fmt::format("    {:>16}  measured {:>12}  {}\n", s.x,
                              measured_text(point.values[i]), s.problem);
    }
    if (point.free_offset) {
        out += fmt::format("    free offset {:.1f} ns, fitted within {:.0f}..{:.0f}\n",
                           result.offset, point.free_offset->first, point.free_offset->second);
    }
    if (!point.inferred.empty()) {
        out += fmt::format("    inferred: {}\n", fmt::join(point.inferred, ", "));
    }
}

const char* verdict(const RowResult& row) {
    return !row.carried_out ? "not carried out"
           : !row.scored    ? "info"
           : row.passed     ? "pass"
                            : "FAIL";
}

// A row without a result counts as wholly wrong.
double median_of_rows(const std::vector<RowResult>& rows) {
    std::vector<double> medians;
    for (const RowResult& row : rows) {
        if (row.scored) {
            medians.push_back(row.median);
        }
    }
    return medians.empty() ? std::nan("") : quantile(medians, 0.5);
}

std::size_t count(const std::vector<RowResult>& rows, bool RowResult::*member) {
    return static_cast<std::size_t>(
        std::count_if(rows.begin(), rows.end(), [&](const RowResult& r) { return r.*member; }));
}

std::size_t not_carried_out(const std::vector<RowResult>& rows) {
    return static_cast<std::size_t>(std::count_if(
        rows.begin(), rows.end(), [](const RowResult& r) { return r.scored && !r.carried_out; }));
}

const char* outcome_name(const PointsOutcome& outcome) {
    return outcome.interrupted            ? "INTERRUPTED"
           : !outcome.not_written.empty() ? "OUTPUT LOST"
           : outcome.status() == kPass    ? "PASS"
                                          : "FAIL";
}

Node real(double value) {
    if (!std::isfinite(value)) {
        return Node{};
    }
    Node node = Node::number(0);
    node.text = fmt::format("{:.6g}", value);
    return node;
}

Node json_point(const PointResult& result) {
    Node out = Node::object();
    out.set("id", Node::string(result.point->id));
    out.set("metric", Node::string(metric_name(result.point->metric)));
    Node values = Node::array();
    for (std::size_t i = 0; i < result.scalars.size(); ++i) {
        const Scalar& s = result.scalars[i];
        Node value = Node::object();
        value.set("x", Node::string(s.x));
        const auto& measured = result.point->values[i].measured;
        value.set("measured", measured ? real(*measured) : Node{});
        value.set("simulated", s.simulated ? real(*s.simulated) : Node{});
        value.set("error", real(s.error));
        if (!s.problem.empty()) {
            value.set("problem", Node::string(s.problem));
        }
        values.items.push_back(std::move(value));
    }
    out.set("values", std::move(values));
    if (result.point->free_offset) {
        out.set("free_offset_ns", real(result.offset));
    }
    Node inferred = Node::array();
    for (const std::string& field : result.point->inferred) {
        inferred.items.push_back(Node::string(field));
    }
    out.set("inferred", std::move(inferred));
    return out;
}

}  // namespace

int PointsOutcome::status() const {
    const bool passed = std::all_of(rows.begin(), rows.end(),
                                    [](const RowResult& row) { return row.passed || !row.scored; });
    return worse(passed ? kPass : kFailed, not_written.empty() ? kPass : kInternal);
}

std::string summary(const PointFile& file, const PointsOutcome& outcome) {
    const std::vector<RowResult>& rows = outcome.rows;
    const std::size_t scored = count(rows, &RowResult::scored);
    const auto part = [](std::size_t number, const char* what) {
        return number == 0 ? std::string() : fmt::format(", {} {}", number, what);
    };
    std::string rest = part(not_carried_out(rows), "not carried out") +
                       part(rows.size() - scored, "for information") +
                       part(outcome.unfinished, "not finished");
    if (!outcome.not_written.empty()) {
        rest += ", " + plural(outcome.not_written.size(), "output") + " not written";
    }
    const bool plain = !outcome.interrupted && outcome.not_written.empty();
    const double median = median_of_rows(rows);
    return fmt::format("{}: {}{} of {} rows passed{}, median over rows {}\n", file.set,
                       plain ? "" : fmt::format("{}, ", outcome_name(outcome)),
                       count(rows, &RowResult::passed), scored, rest,
                       std::isfinite(median) ? percent(median) : "-");
}

std::string text_report(const PointFile& file, const PointsOutcome& outcome) {
    const std::vector<RowResult>& rows = outcome.rows;
    std::string out;
    for (const RowResult& row : rows) {
        out += fmt::format("{}: {}\n", row.row, verdict(row));
        for (const PointResult& point : row.points) {
            add_point(out, point);
        }
    }
    out +=
        fmt::format("{:<8} {:>9} {:>9} {:>9}  {}\n", "row", "median", "p90", "allowed", "verdict");
    for (const RowResult& row : rows) {
        out += fmt::format("{:<8} {:>9} {:>9} {:>9}  {}\n", row.row, percent(row.median),
                           percent(row.p90), percent(row.tolerance), verdict(row));
    }
    for (const std::string& lost : outcome.not_written) {
        out += fmt::format("NOT WRITTEN {}\n", lost);
    }
    return clean_text(out + summary(file, outcome));
}

std::string json_report(const PointFile& file, const PointsOutcome& outcome) {
    const std::vector<RowResult>& rows = outcome.rows;
    Node out = Node::object();
    out.set("set", Node::string(file.set));
    out.set("outcome", Node::string(outcome_name(outcome)));
    out.set("interrupted", Node::boolean_of(outcome.interrupted));
    Node list = Node::array();
    for (const RowResult& row : rows) {
        Node one = Node::object();
        one.set("row", Node::string(row.row));
        one.set("median", real(row.median));
        one.set("p90", real(row.p90));
        one.set("tolerance", real(row.tolerance));
        one.set("verdict", Node::string(verdict(row)));
        Node points = Node::array();
        for (const PointResult& point : row.points) {
            points.items.push_back(json_point(point));
        }
        one.set("points", std::move(points));
        list.items.push_back(std::move(one));
    }
    out.set("rows", std::move(list));
    out.set("passed", Node::number(count(rows, &RowResult::passed)));
    out.set("scored", Node::number(count(rows, &RowResult::scored)));
    out.set("carried_out", Node::number(count(rows, &RowResult::carried_out)));
    out.set("not_finished", Node::number(outcome.unfinished));
    out.set("not_written", list_of(outcome.not_written));
    out.set("median_over_rows", real(median_of_rows(rows)));
    return to_json(out, 2) + "\n";
}

}  // namespace ioasim::tools
