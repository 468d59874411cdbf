#include "tools/cli/shrink/reduce.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/reading.hpp"

namespace ioasim::tools {
namespace {

using scenario::items_of;
using scenario::Member;
using scenario::Node;
using scenario::text_of;

Node* at(Node& root, const NodePath& path) {
    Node* node = &root;
    for (const std::string& part : path) {
        if (node->is(Node::Kind::Array)) {
            std::size_t index = 0;
            std::from_chars(part.data(), part.data() + part.size(), index);
            node = index < node->items.size() ? &node->items[index] : nullptr;
        } else {
            Member* const member = node->find(part);
            node = member == nullptr ? nullptr : &member->value;
        }
        if (node == nullptr) {
            return nullptr;
        }
    }
    return node;
}

NodePath below(NodePath path, std::string part) {
    path.push_back(std::move(part));
    return path;
}

// Paths of all values that `wanted` names, the outer ones first. An expectation is one thing, to
// be dropped or kept: nothing inside is listed.
template <class Wanted>
std::vector<NodePath> paths(const Node& root, Wanted wanted) {
    std::vector<NodePath> found;
    std::vector<std::pair<const Node*, NodePath>> level{{&root, {}}};
    while (!level.empty()) {
        std::vector<std::pair<const Node*, NodePath>> next;
        for (const auto& [node, path] : level) {
            if (wanted(*node, path)) {
                found.push_back(path);
            }
            for (std::size_t i = 0; i < node->items.size(); ++i) {
                if (path != NodePath{"expect"}) {
                    next.emplace_back(&node->items[i], below(path, std::to_string(i)));
                }
            }
            for (const Member& member : node->members) {
                next.emplace_back(&member.value, below(path, member.key));
            }
        }
        level = std::move(next);
    }
    return found;
}

// The name that expectations give to a list of steps; empty: it is no such list.
std::string step_list_name(Node& document, const NodePath& path) {
    const auto text = [&](NodePath where, const char* key) {
        const Node* const node = at(document, where);
        return node == nullptr ? std::string() : text_of(node->get(key));
    };
    if (path.size() == 3 && path[0] == "programs" && path[2] == "steps") {
        const NodePath program(path.begin(), path.begin() + 2);
        return text(program, "on") + "/" + text(program, "process");
    }
    if (path.size() < 4 || path[0] != "kernel") {
        return {};
    }
    const std::string name = text(NodePath(path.begin(), path.begin() + 3), "name");
    if (path.size() == 5 && path[1] == "blocks" && path[3] == "on") {
        return name + "/" + path[4];
    }
    return path.size() == 4 && path[1] == "works" && path[3] == "steps" ? name : std::string();
}

// Where an expectation names a step: the list and the number of the step in it.
struct StepName {
    std::string list;
    std::size_t index = 0;
    Node* text = nullptr;    // "NAME[INDEX]"
    Node* number = nullptr;  // INDEX
};

bool names_step(Node& expectation, StepName& out) {
    if (Member* const step = expectation.find("step")) {
        const std::string& text = step->value.text;
        const std::size_t bracket = text.rfind('[');
        if (bracket == std::string::npos) {
            return false;
        }
        out.list = text.substr(0, bracket);
        std::from_chars(text.data() + bracket + 1, text.data() + text.size(), out.index);
        out.text = &step->value;
        return true;
    }
    Member* const bytes = expectation.find("bytes");
    Member* const step = bytes == nullptr ? nullptr : bytes->value.find("step");
    if (step == nullptr) {
        return false;
    }
    out.list = text_of(bytes->value.get("program"));
    out.index = static_cast<std::size_t>(scenario::integer_of(&step->value, 0));
    out.number = &step->value;
    return true;
}

// Expectations about dropped steps go, those about later ones follow them.
bool renumber_steps(Node& document, const std::string& list, std::size_t first, std::size_t count,
                    const Reducer::Stays& stays) {
    Member* const expect = document.find("expect");
    if (list.empty() || expect == nullptr) {
        return true;
    }
    const auto named = [&](Node& item, StepName& name) {
        return names_step(item, name) && name.list == list && name.index >= first;
    };
    for (Node& item : expect->value.items) {
        StepName name;
        if (named(item, name) && name.index < first + count && stays(item)) {
            return false;
        }
    }
    std::vector<Node> kept;
    for (Node& item : expect->value.items) {
        StepName name;
        const bool about = named(item, name);
        if (about && name.index < first + count) {
            continue;
        }
        if (about && name.text != nullptr) {
            name.text->text = fmt::format("{}[{}]", list, name.index - count);
        } else if (about) {
            name.number->text = std::to_string(name.index - count);
        }
        kept.push_back(std::move(item));
    }
    expect->value.items = std::move(kept);
    return true;
}

// Amounts, in contrast to names: a smaller one is a smaller story.
bool is_amount(const std::string& key) {
    static constexpr std::array kAmounts{
        "count", "size",  "cpus",  "vcpus", "quota", "memory",  "capacity", "limit",
        "sleep", "spend", "start", "cost",  "pages", "engines", "timeout",  "functions"};
    return std::find(kAmounts.begin(), kAmounts.end(), key) != kAmounts.end();
}

// Half of it, in the greatest unit that it has some of.
std::uint64_t half_of_time(std::uint64_t ps) {
    std::uint64_t unit = 1;
    while (unit * 1000 <= ps / 2) {
        unit *= 1000;
    }
    return ps / 2 / unit * unit;
}

}  // namespace

bool drop_items(Node& document, const NodePath& list, std::size_t first, std::size_t count,
                const Reducer::Stays& stays) {
    if (!renumber_steps(document, step_list_name(document, list), first, count, stays)) {
        return false;
    }
    Node* const node = at(document, list);
    if (node == nullptr || first + count > node->items.size()) {
        return false;
    }
    const auto begin = node->items.begin() + static_cast<std::ptrdiff_t>(first);
    node->items.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
    return true;
}

std::vector<Node> smaller_values(const std::string& key, const Node& value) {
    std::vector<Node> out;
    if (!is_amount(key)) {
        return out;
    }
    const auto add = [&out, &value](std::uint64_t from, std::uint64_t smaller, auto make) {
        if (smaller < from && smaller != 0) {
            out.push_back(make(smaller));
            out.back().place = value.place;
        }
    };
    if (value.is(Node::Kind::Number)) {
        const std::uint64_t number = scenario::integer_of(&value, 0);
        const auto make = [](std::uint64_t v) { return Node::number(v); };
        add(number, 1, make);
        if (number > 3) {
            add(number, number / 2, make);
        }
    } else if (value.is(Node::Kind::String)) {
        const UnitResult time = parse_time_text(value.text);
        const UnitResult size = parse_size_text(value.text);
        if (time.ok()) {
            constexpr std::uint64_t kLeast = 1000;  // a nanosecond
            const auto make = [](std::uint64_t v) { return Node::string(time_text(v)); };
            if (time.value > kLeast) {
                add(time.value, kLeast, make);
                add(time.value, half_of_time(time.value), make);
            }
        } else if (size.ok()) {
            constexpr std::uint64_t kLine = 64;
            const auto make = [](std::uint64_t v) { return Node::string(size_text(v)); };
            add(size.value, kLine, make);
            if (size.value > 2 * kLine) {
                add(size.value, size.value / 2, make);
            }
        }
    }
    return out;
}

std::size_t count_steps(const Node& document) {
    std::size_t steps = 0;
    for (const Node& program : items_of(document.get("programs"))) {
        steps += items_of(program.get("steps")).size();
    }
    const Node* const kernel = document.get("kernel");
    if (kernel != nullptr) {
        for (const Node& work : items_of(kernel->get("works"))) {
            steps += items_of(work.get("steps")).size();
        }
        for (const Node& block : items_of(kernel->get("blocks"))) {
            const Node* const on = block.get("on");
            for (const Member& event : on == nullptr ? std::vector<Member>() : on->members) {
                steps += event.value.items.size();
            }
        }
    }
    return steps;
}

Reducer::Reducer(Node document, Stays stays, std::size_t batch, Ask ask)
    : document_(std::move(document)),
      stays_(std::move(stays)),
      batch_(std::max<std::size_t>(1, batch)),
      ask_(std::move(ask)) {}

void Reducer::run() {
    bool smaller = true;
    while (smaller) {
        smaller = shorten_lists();
        smaller = drop_keys() || smaller;
        smaller = lower_numbers() || smaller;
    }
}

bool Reducer::holds_what_stays(const Node& node) const {
    return stays_(node) ||
           std::any_of(node.items.begin(), node.items.end(),
                       [this](const Node& item) { return holds_what_stays(item); }) ||
           std::any_of(node.members.begin(), node.members.end(),
                       [this](const Member& m) { return holds_what_stays(m.value); });
}

// What others name goes after those who name it: expectations, programs, steps, the machine.
bool Reducer::shorten_lists() {
    bool smaller = shorten({"expect"});
    smaller = shorten({"programs"}) || smaller;
    std::vector<NodePath> lists = paths(document_, [](const Node& node, const NodePath& path) {
        return node.is(Node::Kind::Array) && path.size() > 1 && path[0] == "programs";
    });
    for (const NodePath& path : paths(document_, [](const Node&node, const NodePath&path) {
             return node.is(Node::Kind::Array) && path[0] != "programs" && path[0] != "expect";
         })) {
        lists.push_back(path);
    }
    // The outer ones come first: what is gone when its turn comes is passed over.
    for (const NodePath& path : lists) {
        smaller = shorten(path) || smaller;
    }
    return smaller;
}

// Chunks from the end to the beginning, then smaller chunks: what comes later needs what comes
// before more often than the other way round.
bool Reducer::shorten(const NodePath& path) {
    const auto length = [this, &path] {
        const Node* const node = at(document_, path);
        return node == nullptr ? 0 : node->items.size();
    };
    bool smaller = false;
    for (std::size_t chunk = std::max<std::size_t>(length(), 1); chunk > 0; chunk /= 2) {
        std::size_t end = length();
        while (end > 0) {
            std::vector<Node> candidates;
            std::vector<std::size_t> begins;
            while (end > 0 && candidates.size() < batch_) {
                const std::size_t begin = end - std::min(chunk, end);
                const std::vector<Node>& items = at(document_, path)->items;
                bool free = true;
                for (std::size_t i = begin; i < end; ++i) {
                    free = free && !holds_what_stays(items[i]);
                }
                Node candidate = document_;
                if (free && drop_items(candidate, path, begin, end - begin, stays_)) {
                    candidates.push_back(std::move(candidate));
                    begins.push_back(begin);
                }
                end = begin;
            }
            if (candidates.empty()) {
                continue;
            }
            const std::size_t first = ask_(candidates);
            if (first < candidates.size()) {
                document_ = std::move(candidates[first]);
                end = std::min(begins[first], length());
                smaller = true;
            }
        }
    }
    return smaller;
}

bool Reducer::drop_keys() {
    static constexpr std::array kNeeded{"version",  "name",   "purpose",
                                        "programs", "expect", "defects"};
    const std::vector<NodePath> keys = paths(document_, [](const Node&, const NodePath& path) {
        if (path.empty() || path.back().find_first_not_of("0123456789") == std::string::npos) {
            return false;
        }
        return path.size() > 1 ||
               std::find(kNeeded.begin(), kNeeded.end(), path[0]) == kNeeded.end();
    });
    bool smaller = false;
    for (std::size_t next = 0; next < keys.size();) {
        std::vector<Node> candidates;
        std::vector<std::size_t> dropped;
        for (; next < keys.size() && candidates.size() < batch_; ++next) {
            const NodePath& path = keys[next];
            const Node* const value = at(document_, path);
            if (value != nullptr && !holds_what_stays(*value)) {
                candidates.push_back(document_);
                at(candidates.back(), {path.begin(), path.end() - 1})->erase(path.back());
                dropped.push_back(next);
            }
        }
        const std::size_t first = candidates.empty() ? 0 : ask_(candidates);
        if (first < candidates.size()) {
            document_ = std::move(candidates[first]);
            next = dropped[first] + 1;
            smaller = true;
        }
    }
    return smaller;
}

bool Reducer::lower_numbers() {
    bool smaller = false;
    for (const NodePath& path : paths(document_, [](const Node&node, const NodePath&path) {
             return !path.empty() && !smaller_values(path.back(), node).empty();
         })) {
        while (lower(path)) {
            smaller = true;
        }
    }
    return smaller;
}

bool Reducer::lower(const NodePath& path) {
    std::vector<Node> candidates;
    const Node* const value = at(document_, path);
    if (value == nullptr) {
        return false;
    }
    for (Node& smaller : smaller_values(path.back(), *value)) {
        candidates.push_back(document_);
        *at(candidates.back(), path) = std::move(smaller);
    }
    const std::size_t first = candidates.empty() ? 0 : ask_(candidates);
    if (first >= candidates.size()) {
        return false;
    }
    document_ = std::move(candidates[first]);
    return true;
}

}  // namespace ioasim::tools
