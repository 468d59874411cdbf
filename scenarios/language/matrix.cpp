// The cells of a matrix: all combinations of its axes, what is left out, what only some expect.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/compose.hpp"

namespace ioasim::scenario {
namespace {

constexpr std::size_t kMaxCells = 10'000;

void report(Diagnostics& diagnostics, Code code, const Place& place, std::string pointer,
            std::string text, std::string help = {}) {
    diagnostics.add({code, place, std::move(text), std::move(help), std::move(pointer), false});
}

// Whether every axis that `when` names has the value it names in the cell.
bool matches(const Cell& cell, const Node& when) {
    return std::all_of(when.members.begin(), when.members.end(), [&cell](const Member& wanted) {
        return std::any_of(cell.axes.begin(), cell.axes.end(), [&wanted](const auto& axis) {
            return axis.first == wanted.key && is_one_of(axis.second, wanted.value);
        });
    });
}

void check_axes_named(const Node& when, const Node& over, const std::string& pointer,
                      Diagnostics& diagnostics) {
    std::vector<std::string> axes;
    for (const Member& axis : over.members) {
        axes.push_back(axis.key);
    }
    for (const Member& wanted : when.members) {
        const Node* values = over.get(wanted.key);
        if (values == nullptr) {
            report(diagnostics, Code::BadMatrix, wanted.place, pointer,
                   fmt::format("{} is no axis of the matrix", quoted(wanted.key)),
                   suggest(wanted.key, axes));
            continue;
        }
        const bool list = wanted.value.is(Node::Kind::Array);
        for (const Node& value : list ? wanted.value.items : std::vector<Node>{wanted.value}) {
            if (std::none_of(values->items.begin(), values->items.end(),
                             [&](const Node& v) { return same_scalar(v, value); })) {
                report(
                    diagnostics, Code::BadMatrix, value.place, pointer,
                    fmt::format("axis {} has no value {}", quoted(wanted.key), scalar_text(value)));
            }
        }
    }
}

// Two equal values would make two cells of one name.
bool all_differ(const Member& axis, const std::vector<Node>& values, Diagnostics& diagnostics) {
    std::set<std::string> seen;
    bool good = true;
    for (const Node& value : values) {
        if (!seen.insert(scalar_text(value)).second) {
            report(diagnostics, Code::BadMatrix, value.place,
                   pointer_join("/matrix/over", axis.key),
                   fmt::format("axis {} has the value {} twice", quoted(axis.key),
                               scalar_text(value)));
            good = false;
        }
    }
    return good;
}

// A group gives its cells values or expectations; an axis has its value already.
bool says_something(const Node& group, const Node& over, const std::string& pointer,
                    Diagnostics& diagnostics) {
    const Node* set = group.get("set");
    if (set == nullptr && group.get("expect") == nullptr) {
        report(diagnostics, Code::BadMatrix, group.place, pointer,
               "a group of cells has \"set\", \"expect\" or both");
        return false;
    }
    bool good = true;
    for (const Member& value : set == nullptr ? std::vector<Member>{} : set->members) {
        if (over.get(value.key) != nullptr) {
            report(diagnostics, Code::BadMatrix, value.place, pointer + "/set",
                   fmt::format("{} is an axis of the matrix: \"when\" chooses its value",
                               quoted(value.key)));
            good = false;
        }
    }
    return good;
}

void add_group(Cell& cell, const Node& group) {
    if (const Node* set = group.get("set")) {
        for (const Member& value : set->members) {
            cell.set.push_back({value.key, value.place, value.value});
        }
    }
    if (const Node* expect = group.get("expect")) {
        cell.expect.insert(cell.expect.end(), expect->items.begin(), expect->items.end());
    }
}

}  // namespace

std::string Cell::id() const {
    std::string out;
    for (const auto& [name, value] : axes) {
        out += fmt::format("{}{}={}", out.empty() ? "" : ",", name, scalar_text(value));
    }
    return out;
}

std::vector<Cell> matrix_cells(const Node& document, const std::vector<Assignment>& pinned,
                               Diagnostics& diagnostics) {
    std::vector<Cell> cells(1);
    const Node* matrix = document.get("matrix");
    const Node* over = matrix == nullptr ? nullptr : matrix->get("over");
    if (over == nullptr) {
        return cells;
    }
    for (const Member& axis : over->members) {
        std::vector<Node> values = axis.value.items;
        for (const Assignment& pin : pinned) {
            if (pin.path == axis.key) {
                values = {pin.value};
            }
        }
        if (values.empty() || cells.size() * values.size() > kMaxCells) {
            report(diagnostics, Code::BadMatrix, axis.place, pointer_join("/matrix/over", axis.key),
                   values.empty() ? std::string("an axis without values")
                                  : fmt::format("the matrix has more than {} cells", kMaxCells));
            return {};
        }
        if (!all_differ(axis, values, diagnostics)) {
            return {};
        }
        std::vector<Cell> more;
        more.reserve(cells.size() * values.size());
        for (const Cell& cell : cells) {
            for (const Node& value : values) {
                more.push_back(cell);
                more.back().axes.emplace_back(axis.key, value);
                more.back().places.push_back(axis.place);
            }
        }
        cells = std::move(more);
    }
    if (const Node* exclude = matrix->get("exclude")) {
        for (std::size_t i = 0; i < exclude->items.size(); ++i) {
            const Node& when = exclude->items[i];
            check_axes_named(when, *over, pointer_join("/matrix/exclude", i), diagnostics);
            cells.erase(std::remove_if(cells.begin(), cells.end(),
                                       [&when](const Cell& c) { return matches(c, when); }),
                        cells.end());
        }
    }
    if (const Node* groups = matrix->get("cells")) {
        for (std::size_t i = 0; i < groups->items.size(); ++i) {
            const Node& group = groups->items[i];
            const Node* when = group.get("when");
            const std::string pointer = pointer_join("/matrix/cells", i);
            if (when == nullptr || !says_something(group, *over, pointer, diagnostics)) {
                continue;
            }
            check_axes_named(*when, *over, pointer + "/when", diagnostics);
            for (Cell& cell : cells) {
                if (matches(cell, *when)) {
                    add_group(cell, group);
                }
            }
        }
    }
    if (cells.empty()) {
        report(diagnostics, Code::BadMatrix, matrix->place, "/matrix",
               "every cell of the matrix is excluded");
    }
    return cells;
}

}  // namespace ioasim::scenario
