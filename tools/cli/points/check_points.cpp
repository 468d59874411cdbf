// What the fields of points must be together, before anything is carried out: what cannot be judged
// is refused with its place, not judged.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tools/cli/points/point.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Diagnostics;
using scenario::Node;

// Sources print so many digits: cycles divided by the clock are what was measured within this.
constexpr double kRounding = 0.01;

std::optional<double> number(const Node& node) {
    double value = 0;
    const char* const end = node.text.data() + node.text.size();
    if (!node.is(Node::Kind::Number) || std::from_chars(node.text.data(), end, value).ptr != end) {
        return std::nullopt;
    }
    return value;
}

std::string_view text(const Node& node, const char* key) {
    const Node* const found = node.get(key);
    return found != nullptr && found->is(Node::Kind::String) ? std::string_view(found->text)
                                                             : std::string_view();
}

bool is_list(const Node* node) {
    return node != nullptr && node->is(Node::Kind::Array);
}

const std::vector<Node>& items_of(const Node* node) {
    static const std::vector<Node> none;
    return is_list(node) ? node->items : none;
}

class Check {
public:
    explicit Check(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void point(const Node& node) {
        for (const char* const key : {"id", "row", "testbed", "source"}) {
            printable(node, key);
        }
        names(node);
        baseline(node);
        const Node* const offset = node.get("free_offset_ns");
        if (offset != nullptr) {
            free_offset(node, *offset);
        }
        const Node* const ranges = node.get("measured_range");
        for (const Node& range : items_of(ranges)) {
            ordered(range, "a range");
        }
        if (text(node, "metric") != "count") {  // its error has a scale of its own
            scale(node);
        }
        cycles(node);
        inferred(node);
    }

    // Names appear in files and on terminals.
    void printable(const Node& node, const char* key) {
        const bool bad = [&] {
            const std::string_view value = text(node, key);
            return std::any_of(value.begin(), value.end(), [](char c) {
                return static_cast<unsigned char>(c) < ' ' || c == '\x7F';
            });
        }();
        if (bad) {
            say(Code::BadName, *node.get(key),
                fmt::format("\"{}\" holds a control character: {}", key, quoted(text(node, key))));
        }
    }

private:
    void say(Code code, const Node& node, std::string what, std::string help = {}) {
        diagnostics_.add({code, node.place, std::move(what), std::move(help), "", false});
    }
    // Of what is only told beside a result and changes none.
    void warn(Code code, const Node& node, std::string what, std::string help = {}) {
        diagnostics_.add({code, node.place, std::move(what), std::move(help), "", true});
    }

    // An id is a point's alone; a row has one tolerance.
    void names(const Node& node) {
        const std::string_view id = text(node, "id");
        if (!id.empty() && !ids_.insert(std::string(id)).second) {
            say(Code::NameTaken, *node.get("id"), fmt::format("the id {} is taken", quoted(id)),
                "its traces and its result would have one name");
        }
        const Node* const tolerance = node.get("tolerance");
        const std::optional<double> value =
            tolerance == nullptr ? std::nullopt : number(*tolerance);
        if (value) {
            const std::string row(text(node, "row"));
            const auto [first, fresh] = tolerances_.emplace(row, *value);
            if (!fresh && first->second != *value) {
                say(Code::OutOfRange, *tolerance,
                    fmt::format("the row {} has the tolerance {} already", quoted(row),
                                first->second),
                    "all points of a row have the same");
            }
        }
    }

    void baseline(const Node& node) {
        const Node* const metric = node.get("metric");
        if (metric != nullptr && metric->text == "ratio" && node.get("baseline") == nullptr) {
            say(Code::MissingKey, *metric, "a ratio has a \"baseline\", which it is divided by",
                "with \"combine\": \"ratio\" and \"of\": latency_ns or throughput_gbps");
        }
        for (const char* const key : {"combine", "of"}) {
            const Node* const found = node.get(key);
            if (found != nullptr && node.get("baseline") == nullptr) {
                say(Code::MissingKey, *found,
                    fmt::format("\"{}\" belongs to a \"baseline\", and there is none", key));
            }
        }
    }

    // [low, high]; either may be null.
    void ordered(const Node& range, const char* what) {
        if (!range.is(Node::Kind::Array) || range.items.size() != 2) {
            return;  // told already
        }
        const std::optional<double> low = number(range.items[0]);
        const std::optional<double> high = number(range.items[1]);
        if (low && high && *low > *high) {
            say(Code::MinAboveMax, range,
                fmt::format("{} from {} to {} holds nothing", what, *low, *high));
        }
    }

    void free_offset(const Node& node, const Node& offset) {
        ordered(offset, "an offset");
        for (const Node& bound : offset.items) {
            if (!number(bound)) {
                say(Code::WrongType, bound, "a bound of \"free_offset_ns\" is a number");
            }
        }
        const std::string_view metric = text(node, "metric");
        if (metric != "latency_ns") {
            say(Code::NotAChoice, offset,
                fmt::format("an offset in ns cannot be added to {}", quoted(metric)));
        }
    }

    // Errors are relative to what was measured.
    void scale(const Node& node) {
        const auto zero = [&](const Node& value) {
            if (number(value) == 0.0) {
                say(Code::OutOfRange, value, "an error relative to 0 says nothing",
                    "null where only a range is known, or a bound that is not 0");
            }
        };
        const Node* const measured = node.get("measured");
        for (const Node& value : items_of(measured)) {
            zero(value);
        }
        const Node* const ranges = node.get("measured_range");
        for (const Node& range : items_of(ranges)) {
            if (range.items.size() == 2) {
                zero(range.items[1]);  // a lower bound of 0: nothing is below
            }
        }
    }

    void cycles(const Node& node) {
        const Node* const cycles = node.get("measured_cycles");
        const Node* const measured = node.get("measured");
        const Node* const clock = node.get("clock_ghz");
        const double ghz = clock == nullptr ? 0 : number(*clock).value_or(0);
        if (clock != nullptr && ghz <= 0) {
            say(Code::OutOfRange, *clock, "\"clock_ghz\" is a number above 0");
            return;
        }
        if (clock == nullptr || !is_list(cycles) || !is_list(measured)) {
            return;
        }
        const std::size_t count = std::min(cycles->items.size(), measured->items.size());
        for (std::size_t i = 0; i < count; ++i) {
            const std::optional<double> ticks = number(cycles->items[i]);
            const std::optional<double> value = number(measured->items[i]);
            if (ticks && value && std::fabs(*ticks / ghz - *value) > kRounding * *value) {
                warn(Code::OutOfRange, measured->items[i],
                     fmt::format("{} cycles at {} GHz are {:.6g} ns, not {}", *ticks, ghz,
                                 *ticks / ghz, *value));
            }
        }
    }

    // Dotted paths into the experiment, where it has what they lead to.
    void inferred(const Node& node) {
        const Node* const list = node.get("inferred");
        if (list == nullptr) {
            return;
        }
        if (!list->is(Node::Kind::Array)) {
            say(Code::WrongType, *list, "\"inferred\" is a list of fields");
            return;
        }
        const Node* const experiment = node.get("experiment");
        std::vector<std::string> known = experiment_field_names();
        known.emplace_back("clock_ghz");
        for (const Node& field : list->items) {
            const std::string first = field.text.substr(0, field.text.find('.'));
            const bool good = field.is(Node::Kind::String) &&
                              std::find(known.begin(), known.end(), first) != known.end();
            if (!good) {
                warn(Code::UnknownField, field,
                     fmt::format("\"inferred\" names fields of the experiment; {} is none",
                                 quoted(field.text)),
                     suggest(field.text, known));
            } else if (experiment != nullptr && !leads_somewhere(*experiment, field.text)) {
                warn(Code::UnknownField, field,
                     fmt::format("the experiment has no {}", quoted(field.text)));
            }
        }
    }

    // Whether each part of the path is there; a field as a whole may be left out. A list has it
    // when one of its items does.
    static bool leads_somewhere(const Node& at, std::string_view path) {
        if (at.is(Node::Kind::Array)) {
            std::size_t index = 0;
            const std::string_view key = path.substr(0, path.find('.'));
            if (std::from_chars(key.data(), key.data() + key.size(), index).ec == std::errc{}) {
                return index < at.items.size();
            }
            return std::any_of(at.items.begin(), at.items.end(),
                               [&](const Node& item) { return leads_somewhere(item, path); });
        }
        const std::size_t dot = path.find('.');
        if (dot == std::string_view::npos) {
            return at.is(Node::Kind::Object);
        }
        const Node* const next = at.get(path.substr(0, dot));
        const std::string_view rest = path.substr(dot + 1);
        return next != nullptr &&
               (rest.find('.') == std::string_view::npos && next->is(Node::Kind::Object)
                    ? next->get(rest) != nullptr
                    : leads_somewhere(*next, rest));
    }

    Diagnostics& diagnostics_;
    std::set<std::string> ids_;
    std::map<std::string, double> tolerances_;
};

}  // namespace

void check_points(const Node& root, Diagnostics& diagnostics) {
    Check check(diagnostics);
    check.printable(root, "set");
    const Node* const points = root.get("points");
    for (const Node& node : items_of(points)) {
        check.point(node);
    }
}

}  // namespace ioasim::tools
