#include "tools/cli/campaign/tally.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "core/base/defects.hpp"
#include "core/base/words.hpp"

namespace ioasim::tools {

using scenario::Node;

void Tally::add(const RunRecord& record) {
    ++runs_;
    exit_code_ = worse(exit_code_, record.exit_code);
    marks_.insert(record.marks.begin(), record.marks.end());
    if (record.passed()) {
        return;
    }
    ++failed_;
    const std::string name =
        record.cell.empty() ? record.name : record.name + " [" + record.cell + "]";
    for (const std::string& code : record.codes) {
        Kind& kind = kinds_[code];
        ++kind.scenarios[name];
        // The first one is the smallest, not the earliest: that would depend on the host.
        const auto rank = [](const RunKey& key, const std::string& command) {
            return std::make_tuple(key.run, key.seed, command);
        };
        if (kind.runs++ == 0 ||
            rank(record.key, record.reproduce) < rank(kind.first_key, kind.reproduce)) {
            kind.first_key = record.key;
            kind.first = record.first;
            kind.reproduce = record.reproduce;
        }
    }
}

std::vector<std::pair<std::string, const Tally::Kind*>> Tally::by_frequency() const {
    std::vector<std::pair<std::string, const Kind*>> sorted;
    for (const auto& [code, kind] : kinds_) {
        sorted.emplace_back(code, &kind);
    }
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second->runs > b.second->runs; });
    return sorted;
}

std::string Tally::by_code(std::size_t most) const {
    std::string out;
    for (const auto& [code, kind] : by_frequency()) {
        if (most-- == 0) {
            return out + ", ...";
        }
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", code, kind->runs);
    }
    return out;
}

std::string Tally::text() const {
    if (kinds_.empty()) {
        return {};
    }
    std::string out = "failures\n";
    for (const auto& [code, kind] : by_frequency()) {
        out += fmt::format("  {}: {} of {}\n", code, plural(kind->runs, "run"),
                           plural(kind->scenarios.size(), "scenario"));
        constexpr std::size_t kShown = 5;
        std::size_t shown = 0;
        for (const auto& [name, count] : kind->scenarios) {
            if (++shown > kShown) {
                out += fmt::format("    and {} more\n", kind->scenarios.size() - kShown);
                break;
            }
            out += fmt::format("    {} times {}\n", count, name);
        }
        out += fmt::format("    {}\n    {}\n", kind->first, kind->reproduce);
    }
    return out;
}

Node Tally::node() const {
    Node list = Node::array();
    for (const auto& [code, kind] : by_frequency()) {
        Node item = Node::object();
        item.set("code", Node::string(code));
        item.set("runs", Node::number(kind->runs));
        item.set("scenarios", Node::number(kind->scenarios.size()));
        item.set("first", Node::string(kind->first));
        item.set("reproduce", Node::string(kind->reproduce));
        list.items.push_back(std::move(item));
    }
    return list;
}

std::vector<std::string> Tally::marks_never_hit() const {
    std::vector<std::string> never;
    for (const Declaration* mark : Declaration::all(Declaration::Kind::Mark)) {
        if (marks_.count(std::string(mark->name())) == 0) {
            never.emplace_back(mark->name());
        }
    }
    return never;
}

std::string Tally::marks_text() const {
    const std::vector<std::string> never = marks_never_hit();
    const std::size_t all = Declaration::all(Declaration::Kind::Mark).size();
    std::string out = fmt::format("marks: {} of {} rare paths reached{}\n", all - never.size(), all,
                                  never.empty() ? "" : "; never:");
    for (const std::string& name : never) {
        out += fmt::format("  {:<34} {}\n", name,
                           Declaration::find(Declaration::Kind::Mark, name)->meaning());
    }
    return out;
}

}  // namespace ioasim::tools
