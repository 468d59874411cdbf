// A file of timing points: points, x axes, measured values.
#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "scenarios/language/json_words.hpp"
#include "tools/cli/points/point.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Diagnostics;
using scenario::Node;

constexpr const char* kFormat = "timing-points/1";

struct MetricName {
    const char* name;
    Metric metric;
};
constexpr MetricName kMetrics[] = {
    {"rate_mops", Metric::RateMops},         {"throughput_gbps", Metric::ThroughputGbps},
    {"latency_ns", Metric::LatencyNs},       {"ratio", Metric::Ratio},
    {"marginal_gbps", Metric::MarginalGbps}, {"count", Metric::Count}};

class Reader {
public:
    explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    bool file(const Node& root, PointFile& out) {
        const Node* const format = root.get("format");
        if (!root.is(Node::Kind::Object) || format == nullptr) {
            complain(Code::MissingKey, root, "this is no file of timing points: no \"format\"");
            return false;
        }
        if (format->text != kFormat) {
            complain(Code::Version, *format,
                     fmt::format("the format {} is unknown", quoted(format->text)),
                     fmt::format("this program reads \"{}\"", kFormat));
            return false;
        }
        keys(root, {"format", "set", "points", "omitted", "info_rows", "notes"}, "the file");
        out.set = text(root, "set");
        const Node* const points = root.get("points");
        if (points == nullptr || !points->is(Node::Kind::Array)) {
            complain(Code::MissingKey, root, "the file has no list \"points\"");
            return false;
        }
        for (const Node& node : points->items) {
            Point point;
            if (read_point(node, point)) {
                out.points.push_back(std::move(point));
            }
        }
        if (const Node* const omitted = root.get("omitted")) {
            if (!omitted->is(Node::Kind::Array)) {
                complain(Code::WrongType, *omitted, "\"omitted\" is a list");
            }
            for (const Node& node : omitted->items) {
                out.omitted.push_back(text(node, "row"));
            }
        }
        read_info_rows(root, out);
        check_points(root, diagnostics_);
        return !diagnostics_.has_errors();
    }

private:
    void read_info_rows(const Node& root, PointFile& out) {
        const Node* const rows = root.get("info_rows");
        if (rows == nullptr) {
            return;
        }
        if (!rows->is(Node::Kind::Array)) {
            complain(Code::WrongType, *rows, "\"info_rows\" is a list of names");
        }
        for (const Node& row : rows->items) {
            if (!row.is(Node::Kind::String)) {
                complain(Code::WrongType, row, "\"info_rows\" is a list of names");
            }
            out.info_rows.push_back(row.text);
        }
    }

    void complain(Code code, const Node& node, std::string text, std::string help = {}) {
        diagnostics_.add({code, node.place, std::move(text), std::move(help), "", false});
    }

    void keys(const Node& node, const std::vector<std::string>& known, const char* what) {
        for (const scenario::Member& member : node.members) {
            if (std::find(known.begin(), known.end(), member.key) == known.end()) {
                diagnostics_.add({Code::UnknownKey, member.place,
                                  fmt::format("{} has no key {}", what, quoted(member.key)),
                                  suggest(member.key, known), "", false});
            }
        }
    }

    static std::string text(const Node& node, const char* key) {
        const Node* const found = node.get(key);
        return found != nullptr && found->is(Node::Kind::String) ? found->text : "";
    }

    std::optional<double> number(const Node& node, const char* what) {
        if (node.is(Node::Kind::Null)) {
            return std::nullopt;
        }
        double value = 0;
        const char* const end = node.text.data() + node.text.size();
        const auto read = node.is(Node::Kind::Number)
                              ? std::from_chars(node.text.data(), end, value)
                              : std::from_chars_result{};
        if (read.ptr != end || read.ec != std::errc{} || !std::isfinite(value)) {
            complain(Code::WrongType, node, fmt::format("{} is a number", what));
            return std::nullopt;
        }
        return value;
    }

    const Node* list(const Node& node, const char* key, std::size_t length) {
        const Node* const found = node.get(key);
        if (found == nullptr) {
            return nullptr;
        }
        if (!found->is(Node::Kind::Array) || found->items.size() != length) {
            complain(Code::ListLength, *found,
                     fmt::format("\"{}\" is a list of {} values, one for each of x", key, length));
            return nullptr;
        }
        return found;
    }

    // Sets the field that a dotted path names.
    void replace(Node& experiment, const Node& name, const Node& value) {
        Node* at = &experiment;
        std::string_view path = name.text;
        while (true) {
            const std::size_t dot = path.find('.');
            const std::string_view key = path.substr(0, dot);
            if (at->is(Node::Kind::Array)) {
                std::size_t index = 0;
                const auto end = key.data() + key.size();
                if (std::from_chars(key.data(), end, index).ptr != end ||
                    index >= at->items.size()) {
                    complain(Code::UnknownField, name,
                             fmt::format("there is no item {} in the experiment", key));
                    return;
                }
                at = &at->items[index];
                if (dot == std::string_view::npos) {
                    *at = value;
                    return;
                }
            } else if (dot == std::string_view::npos) {
                at->set(key, value);
                return;
            } else {
                scenario::Member* const next = at->find(key);
                if (next == nullptr) {
                    complain(Code::UnknownField, name,
                             fmt::format("the experiment has no {}", quoted(key)));
                    return;
                }
                at = &next->value;
            }
            path.remove_prefix(dot + 1);
        }
    }

    platform::Experiment at(const Node& experiment, const Node& name, const Node& value,
                            std::string& text) {
        Node changed = experiment;
        if (name.text != "client") {
            replace(changed, name, value);
        }
        text = to_json(changed, 0);
        return read_experiment(changed, diagnostics_);
    }

    void read_metric(const Node& node, Point& point) {
        const Node* const metric = node.get("metric");
        std::vector<std::string> names;
        for (const MetricName& one : kMetrics) {
            names.emplace_back(one.name);
            if (metric != nullptr && metric->text == one.name) {
                point.metric = one.metric;
                names.clear();
                break;
            }
        }
        if (metric == nullptr) {
            complain(Code::MissingKey, node, "the point has no \"metric\"");
        } else if (!names.empty()) {
            complain(Code::NotAChoice, *metric,
                     fmt::format("\"metric\" cannot be {}", quoted(metric->text)),
                     suggest(metric->text, names));
        }
        if (node.get("baseline") != nullptr) {
            const std::string combine = text(node, "combine");
            const std::string of = text(node, "of");
            point.difference = combine == "difference";
            point.of_latency = of != "throughput_gbps";
            if (combine != "ratio" && combine != "difference") {
                complain(Code::NotAChoice, *node.get("baseline"),
                         "a point with a baseline has \"combine\": ratio or difference");
            }
            if (of != "latency_ns" && of != "throughput_gbps") {
                complain(Code::NotAChoice, *node.get("baseline"),
                         "a point with a baseline has \"of\": latency_ns or throughput_gbps");
            }
        }
    }

    // The client that a value of x selects.
    std::size_t client(const Node& value, const platform::Experiment& experiment) {
        const double index = number(value, "a client").value_or(0);
        const auto clients = static_cast<double>(experiment.clients.size());
        if (index < 0 || index != std::floor(index) || index >= std::max(clients, 1.0)) {
            complain(Code::OutOfRange, value, "there is no such client");
            return 0;
        }
        return static_cast<std::size_t>(index);
    }

    // [low, high]; null: no bound.
    void read_range(const Node& range, PointValue& out) {
        if (range.is(Node::Kind::Null)) {
            return;
        }
        if (!range.is(Node::Kind::Array) || range.items.size() != 2) {
            complain(Code::ListLength, range, "a range has two bounds");
            return;
        }
        out.has_range = true;
        out.low = number(range.items[0], "a bound");
        out.high = number(range.items[1], "a bound");
    }

    void read_values(const Node& node, const Node& experiment, const Node& x, Point& point) {
        const Node* const name = x.get("name");
        const Node* const values = x.get("values");
        if (name == nullptr || values == nullptr || !values->is(Node::Kind::Array)) {
            complain(Code::MissingKey, x, "\"x\" has \"name\" and a list \"values\"");
            return;
        }
        point.x_name = name->text;
        point.by_client = name->text == "client";
        const std::size_t count = values->items.size();
        if (count == 0) {
            complain(Code::ListLength, *values, "\"x\" has values");
        }
        const Node* const measured = list(node, "measured", count);
        const Node* const ranges = list(node, "measured_range", count);
        if (measured == nullptr && ranges == nullptr) {
            complain(Code::MissingKey, node, "the point has neither \"measured\" nor a range");
        }
        const Node* const baseline = node.get("baseline");
        for (std::size_t i = 0; i < count; ++i) {
            const Node& value = values->items[i];
            PointValue out;
            out.x = value.is(Node::Kind::String)    ? value.text
                    : value.is(Node::Kind::Boolean) ? (value.boolean ? "true" : "false")
                                                    : to_json(value, 0);
            if (point.metric == Metric::MarginalGbps) {
                if (!value.is(Node::Kind::Array) || value.items.size() != 2) {
                    complain(Code::ListLength, value, "a value of a marginal rate is a pair");
                    continue;
                }
                out.experiment = at(experiment, *name, value.items[0], out.text);
                out.second = at(experiment, *name, value.items[1], out.second_text);
            } else {
                out.experiment = at(experiment, *name, value, out.text);
            }
            if (point.by_client) {
                out.client = client(value, out.experiment);
            }
            if (baseline != nullptr) {
                out.baseline_text = to_json(*baseline, 0);
                out.baseline = read_experiment(*baseline, diagnostics_);
            }
            if (measured != nullptr) {
                out.measured = number(measured->items[i], "a measured value");
            }
            if (ranges != nullptr) {
                read_range(ranges->items[i], out);
            }
            if (!out.measured && !out.low && !out.high) {
                complain(Code::MissingKey, value, "nothing was measured at this value");
            }
            point.values.push_back(std::move(out));
        }
    }

    bool read_point(const Node& node, Point& point) {
        keys(node,
             {"id",
              "row",
              "testbed",
              "source",
              "tag",
              "experiment",
              "baseline",
              "combine",
              "of",
              "metric",
              "x",
              "measured",
              "measured_range",
              "measured_cycles",
              "clock_ghz",
              "source_values",
              "source_unit",
              "spread",
              "free_offset_ns",
              "tolerance",
              "constrains",
              "inferred",
              "notes"},
             "a point");
        point.id = text(node, "id");
        point.row = text(node, "row");
        point.testbed = text(node, "testbed");
        point.source = text(node, "source");
        const Node* const experiment = node.get("experiment");
        const Node* const x = node.get("x");
        const Node* const tolerance = node.get("tolerance");
        if (point.id.empty() || point.row.empty() || experiment == nullptr || x == nullptr ||
            tolerance == nullptr) {
            complain(Code::MissingKey, node,
                     "a point has \"id\", \"row\", \"experiment\", \"x\" and \"tolerance\"");
            return false;
        }
        point.tolerance = number(*tolerance, "\"tolerance\"").value_or(-1);
        if (point.tolerance < 0) {
            complain(Code::OutOfRange, *tolerance, "\"tolerance\" is 0 or more");
        }
        read_metric(node, point);
        read_values(node, *experiment, *x, point);
        if (const Node* const offset = node.get("free_offset_ns")) {
            if (offset->items.size() != 2) {
                complain(Code::ListLength, *offset, "\"free_offset_ns\" has two bounds");
            } else {
                point.free_offset = {number(offset->items[0], "a bound").value_or(0),
                                     number(offset->items[1], "a bound").value_or(0)};
            }
        }
        if (const Node* const inferred = node.get("inferred")) {
            for (const Node& field : inferred->items) {
                point.inferred.push_back(field.text);
            }
        }
        return true;
    }

    Diagnostics& diagnostics_;
};

}  // namespace

const char* metric_name(Metric metric) {
    for (const MetricName& one : kMetrics) {
        if (one.metric == metric) {
            return one.name;
        }
    }
    return "?";
}

bool read_points(const std::string& path, scenario::SourceSet& sources, Diagnostics& diagnostics,
                 PointFile& out) {
    out.path = path;
    Node root;
    const scenario::FileWords words{"a file of timing points",
                                    "a file of timing points holds format, set and points",
                                    "points may be spread over several files"};
    return scenario::read_json_file_as(words, path, sources, diagnostics, root) &&
           Reader(diagnostics).file(root, out);
}

}  // namespace ioasim::tools
