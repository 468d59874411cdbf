#include "traces/questions/diff.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/trace/run_events.hpp"
#include "traces/event_text.hpp"
#include "traces/questions/endings.hpp"

namespace ioasim::traces {
namespace {

// Positions in a log of the events that are compared.
using Positions = std::vector<std::size_t>;

Positions chosen(const EventLog& log, const Filter& filter) {
    Positions out;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (!log.is<trace::RunDefect>(i) && filter.accepts(log.at(i))) {
            out.push_back(i);
        }
    }
    return out;
}

class Comparer {
public:
    Comparer(const EventLog& a, const EventLog& b, bool ignore_times)
        : a_(a), b_(b), ignore_times_(ignore_times) {}

    // What is different; nothing: the events are equal. "event": they are not of one kind.
    std::vector<std::string> differences(std::size_t i, std::size_t j) const {
        const trace::EventInfo& info = a_.info(i);
        if (&info != &b_.info(j)) {
            return {"event"};
        }
        std::vector<std::string> out;
        if (!ignore_times_ && a_.time(i) != b_.time(j)) {
            out.emplace_back("time");
        }
        if (a_.source_text(i) != b_.source_text(j)) {
            out.emplace_back("source");
        }
        for (std::size_t field = 0; field < info.fields.size(); ++field) {
            if (!same_value(info.fields[field], a_.value(i, field), b_.value(j, field))) {
                out.push_back(info.fields[field].name);
            }
        }
        return out;
    }

private:
    bool same_value(const trace::FieldInfo& field, std::uint64_t a, std::uint64_t b) const {
        if (field.type == trace::FieldType::Text) {
            return a_.text(as_name(a)) == b_.text(as_name(b));
        }
        return a == b || (ignore_times_ && field.type == trace::FieldType::Time);
    }
    const EventLog& a_;
    const EventLog& b_;
    bool ignore_times_;
};

std::vector<std::string> lines(const EventLog& log, const Positions& positions, std::size_t from,
                               std::size_t to) {
    std::vector<std::string> out;
    for (std::size_t i = from; i < std::min(to, positions.size()); ++i) {
        out.push_back(format_event(log.recorder(), log.at(positions[i])));
    }
    return out;
}

std::optional<Divergence> first_divergence(const EventLog& a, const Positions& in_a,
                                           const EventLog& b, const Positions& in_b,
                                           const DiffOptions& options) {
    const Comparer comparer(a, b, options.ignore_times);
    const std::size_t common = std::min(in_a.size(), in_b.size());
    Divergence at;
    while (at.position < common) {
        at.fields = comparer.differences(in_a[at.position], in_b[at.position]);
        if (!at.fields.empty()) {
            break;
        }
        ++at.position;
    }
    if (at.position == common && in_a.size() == in_b.size()) {
        return std::nullopt;
    }
    if (at.position == common || at.fields.front() == "event") {
        at.fields.clear();
    }
    const std::size_t before = std::min(at.position, options.context);
    at.before = lines(a, in_a, at.position - before, at.position);
    at.a = lines(a, in_a, at.position, at.position + 1 + options.context);
    at.b = lines(b, in_b, at.position, at.position + 1 + options.context);
    return at;
}

using Counts = std::map<std::string, std::uint64_t>;

std::vector<DiffCount> different(const Counts& a, const Counts& b) {
    std::map<std::string, DiffCount> rows;
    for (const auto& [name, count] : a) {
        rows[name].a = count;
    }
    for (const auto& [name, count] : b) {
        rows[name].b = count;
    }
    std::vector<DiffCount> out;
    for (auto& [name, row] : rows) {
        if (row.a != row.b) {
            row.name = name;
            out.push_back(row);
        }
    }
    return out;
}

// Events of one name beside each other.
std::vector<DiffCount> different_kinds(const EventLog& a, const Positions& in_a, const EventLog& b,
                                       const Positions& in_b, bool ignore_times) {
    std::map<std::string, std::pair<Positions, Positions>> kinds;
    for (const std::size_t i : in_a) {
        kinds[a.info(i).name].first.push_back(i);
    }
    for (const std::size_t i : in_b) {
        kinds[b.info(i).name].second.push_back(i);
    }
    const Comparer comparer(a, b, ignore_times);
    std::vector<DiffCount> out;
    for (const auto& [name, of] : kinds) {
        std::size_t at = 0;
        while (at < std::min(of.first.size(), of.second.size()) &&
               comparer.differences(of.first[at], of.second[at]).empty()) {
            ++at;
        }
        if (at == of.first.size() && at == of.second.size()) {
            continue;
        }
        const bool only_b = at >= of.first.size();
        const bool only_a = at >= of.second.size();
        const TimePs from = only_b   ? b.time(of.second[at])
                            : only_a ? a.time(of.first[at])
                                     : std::min(a.time(of.first[at]), b.time(of.second[at]));
        out.push_back({name, of.first.size(), of.second.size(), from});
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const DiffCount& x, const DiffCount& y) { return *x.from < *y.from; });
    return out;
}

std::vector<DiffEnding> different_endings(const EventLog& a, const EventLog& b) {
    const std::map<std::string, std::string> of_a = endings_of(a);
    const std::map<std::string, std::string> of_b = endings_of(b);
    std::map<std::string, DiffEnding> rows;
    constexpr const char* kNever = "never was";
    for (const auto& [what, end] : of_a) {
        rows[what] = {what, end, kNever};
    }
    for (const auto& [what, end] : of_b) {
        DiffEnding& row = rows.emplace(what, DiffEnding{what, kNever, {}}).first->second;
        row.b = end;
    }
    std::vector<DiffEnding> out;
    for (auto& [what, row] : rows) {
        if (row.a != row.b) {
            out.push_back(std::move(row));
        }
    }
    return out;
}

DiffSide side_of(const TraceSide& side, const Positions& positions) {
    DiffSide out{side.label, positions.size(), side.header.seed, side.header.config, {}};
    for (std::size_t i = 0; i < side.log->size(); ++i) {
        if (side.log->is<trace::RunDefect>(i)) {
            out.defects.push_back(LOG_TEXT(*side.log, i, RunDefect, defect));
        }
    }
    return out;
}

std::string side_line(const char* name, const DiffSide& side) {
    return fmt::format("{}  {}: {} events, seed {}, configuration {}{}{}\n", name, side.label,
                       side.events, side.seed, side.config, side.defects.empty() ? "" : ", with ",
                       fmt::join(side.defects, ", "));
}

std::string count_table(const std::string& title, const std::vector<DiffCount>& rows) {
    if (rows.empty()) {
        return {};
    }
    std::string out = fmt::format("{:<36}{:>10}{:>10}{:>10}{}\n", title, "A", "B", "B - A",
                                  rows.front().from ? "  differ from" : "");
    for (const DiffCount& row : rows) {
        const std::string change = row.a == row.b  ? "0"
                                   : row.b > row.a ? fmt::format("+{}", row.b - row.a)
                                                   : fmt::format("-{}", row.a - row.b);
        out += fmt::format("  {:<34}{:>10}{:>10}{:>10}{}\n", row.name, row.a, row.b, change,
                           row.from ? "  " + format_time(*row.from) : "");
    }
    return out;
}

std::string divergence_text(const Divergence& at) {
    std::string what;
    for (const std::string& field : at.fields) {
        what += (what.empty() ? "" : ", ") + field;
    }
    what = !at.fields.empty() ? "other " + what
           : at.a.empty()     ? "A has ended"
           : at.b.empty()     ? "B has ended"
                              : "another event";
    std::string out = fmt::format("first difference: event {}, {}\n", at.position, what);
    const auto add = [&out](const char* mark, const std::vector<std::string>& all) {
        for (const std::string& line : all) {
            out += fmt::format("{} {}\n", mark, line);
        }
    };
    add(" ", at.before);
    add("A", at.a);
    add("B", at.b);
    return out;
}

}  // namespace

QuestionError diff_traces(const TraceSide& a, const TraceSide& b, const DiffOptions& options,
                          Diff& out) {
    Filter filter_a(a.log->recorder());
    Filter filter_b(b.log->recorder());
    if (QuestionError error = filter_a.compile(options.filter)) {
        return error;
    }
    if (QuestionError error = filter_b.compile(options.filter)) {
        return error;
    }
    const Positions in_a = chosen(*a.log, filter_a);
    const Positions in_b = chosen(*b.log, filter_b);
    out.a = side_of(a, in_a);
    out.b = side_of(b, in_b);
    out.first = first_divergence(*a.log, in_a, *b.log, in_b, options);
    out.kinds = different_kinds(*a.log, in_a, *b.log, in_b, options.ignore_times);
    out.findings = different(findings_of(*a.log), findings_of(*b.log));
    out.endings = different_endings(*a.log, *b.log);
    return {};
}

std::string diff_text(const Diff& diff) {
    std::string out = side_line("A", diff.a) + side_line("B", diff.b);
    if (diff.same()) {
        return out + "no difference\n";
    }
    out += "\n" + divergence_text(*diff.first) + "\n";
    if (!diff.endings.empty()) {
        out += "ended differently\n";
        for (const DiffEnding& end : diff.endings) {
            out += fmt::format("  {}\n    A {}\n    B {}\n", end.what, end.a, end.b);
        }
    }
    out += count_table("findings of checkers", diff.findings);
    return out + count_table("events that are not the same", diff.kinds);
}

std::string diff_json(const Diff& diff) {
    using nlohmann::ordered_json;
    const auto side = [](const DiffSide& s) {
        return ordered_json{{"label", s.label},
                            {"events", s.events},
                            {"seed", s.seed},
                            {"config", s.config},
                            {"defects", s.defects}};
    };
    const auto counts = [](const std::vector<DiffCount>& rows) {
        ordered_json list = ordered_json::array();
        for (const DiffCount& row : rows) {
            list.push_back({{"name", row.name}, {"a", row.a}, {"b", row.b}});
            if (row.from) {
                list.back()["from_ps"] = row.from->ps();
            }
        }
        return list;
    };
    ordered_json out{{"a", side(diff.a)}, {"b", side(diff.b)}, {"same", diff.same()}};
    if (diff.first) {
        const Divergence& at = *diff.first;
        out["first"] = {{"position", at.position},
                        {"fields", at.fields},
                        {"before", at.before},
                        {"a", at.a},
                        {"b", at.b}};
    }
    out["kinds"] = counts(diff.kinds);
    out["findings"] = counts(diff.findings);
    out["endings"] = ordered_json::array();
    for (const DiffEnding& end : diff.endings) {
        out["endings"].push_back({{"what", end.what}, {"a", end.a}, {"b", end.b}});
    }
    return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace ioasim::traces
