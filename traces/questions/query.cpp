#include "traces/questions/query.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/base/words.hpp"
#include "core/trace/catalogue.hpp"
#include "traces/event_text.hpp"
#include "traces/fields.hpp"
#include "traces/jsonl_sink.hpp"

namespace ioasim::traces {

using trace::FieldType;

namespace {

constexpr const char* kCommonFields[] = {"seq", "time_ps", "event", "source"};

bool is_common(const std::string& field) {
    return field == "time" || std::find(std::begin(kCommonFields), std::end(kCommonFields),
                                        field) != std::end(kCommonFields);
}

std::vector<std::string> event_names() {
    std::vector<std::string> names;
    for (const trace::EventInfo* info : trace::catalogue()) {
        names.push_back(info->name);
    }
    return names;
}

// The fields of these events, each once, in the order in which they turn up.
std::vector<std::string> field_names(const std::vector<const trace::EventInfo*>& events) {
    std::vector<std::string> names;
    for (const trace::EventInfo* info : events) {
        for (const trace::FieldInfo& field : info->fields) {
            if (std::find(names.begin(), names.end(), field.name) == names.end()) {
                names.push_back(field.name);
            }
        }
    }
    return names;
}

std::optional<std::uint64_t> number_of(const std::string& text) {
    std::uint64_t value = 0;
    if (parse_address_text(text, value)) {
        return value;
    }
    const UnitResult time = parse_time_text(text);
    return time.ok() ? std::optional(time.value) : std::nullopt;
}

// A field that has no value: an ID that is none.
bool is_none(const trace::FieldInfo& field, std::uint64_t value) {
    return field.type == FieldType::Id && value == kNoId;
}

bool has_number(const trace::FieldInfo& field) {
    return field.type == FieldType::Count || field.type == FieldType::Id ||
           field.type == FieldType::Hex || field.type == FieldType::Time;
}

// RFC 4180: quotes where a comma, a quote or the end of a line is in it.
std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) {
        return text;
    }
    std::string out = "\"";
    for (const char c : text) {
        out += c == '"' ? std::string("\"\"") : std::string(1, c);
    }
    return out + "\"";
}

std::string join(const std::vector<std::string>& cells, const char* between) {
    std::string out;
    for (const std::string& cell : cells) {
        out += (&cell == &cells.front() ? "" : between) + cell;
    }
    return out;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

// --- filter -------------------------------------------------------------------------------------

QuestionError Filter::compile_events(const std::vector<std::string>& globs) {
    for (const std::string& glob : globs) {
        bool known = false;
        for (const trace::EventInfo* info : trace::catalogue()) {
            if (glob_match(glob, info->name)) {
                accepted_events_[info] = true;
                known = true;
            }
        }
        if (!known) {
            return {fmt::format("no event is named {}", quoted(glob)),
                    suggest(glob, event_names())};
        }
    }
    for (const trace::EventInfo* info : trace::catalogue()) {
        if (globs.empty() || accepted_events_.count(info) != 0) {
            events_.push_back(info);
        }
    }
    return {};
}

// In every event that has a field of this name and is asked for.
bool Filter::only_numbers(const std::string& name) const {
    return std::all_of(events_.begin(), events_.end(), [&](const trace::EventInfo* info) {
        const std::size_t at = info->field(name);
        return at == info->fields.size() ||
               (has_number(info->fields[at]) && info->fields[at].type != FieldType::Id);
    });
}

QuestionError Filter::compile_condition(const std::string& word) {
    const std::size_t at = word.find_first_of("=!<>");
    Condition condition;
    condition.field = word.substr(0, at);
    std::size_t value = at == std::string::npos ? word.size() : at + 1;
    if (at != std::string::npos && word[at] == '!' && value < word.size() && word[value] == '=') {
        condition.comparison = Comparison::NotEqual;
        ++value;
    } else if (at != std::string::npos && word[at] != '!') {
        condition.comparison = word[at] == '<'   ? Comparison::Less
                               : word[at] == '>' ? Comparison::Greater
                                                 : Comparison::Equal;
    } else {
        return {fmt::format("{} is no condition", quoted(word)),
                "FIELD=VALUE, FIELD!=VALUE, FIELD<NUMBER or FIELD>NUMBER"};
    }
    condition.text = word.substr(value);
    condition.number = number_of(condition.text);
    const std::vector<std::string> known = field_names(events_);
    if (std::find(known.begin(), known.end(), condition.field) == known.end()) {
        return {fmt::format("no event that is asked for has a field {}", quoted(condition.field)),
                suggest(condition.field, known)};
    }
    const bool ordered =
        condition.comparison == Comparison::Less || condition.comparison == Comparison::Greater;
    if (ordered && !condition.number) {
        return {fmt::format("{} compares with {}, which is no number", quoted(word),
                            quoted(condition.text)),
                "numbers are 12 or 0x1f, times 12us"};
    }
    if (!ordered && !condition.number && only_numbers(condition.field) &&
        condition.text.find_first_of("*?") == std::string::npos) {
        return {fmt::format("{} is always a number, {} is none", condition.field,
                            quoted(condition.text)),
                "numbers are 12 or 0x1f, times 12us"};
    }
    conditions_.push_back(std::move(condition));
    return {};
}

QuestionError Filter::compile(const FilterWords& words) {
    if (QuestionError error = compile_events(words.events)) {
        return error;
    }
    for (const std::string& word : words.where) {
        if (QuestionError error = compile_condition(word)) {
            return error;
        }
    }
    for (const std::string& id : words.ids) {
        std::uint64_t number = 0;
        if (!parse_address_text(id, number)) {
            return {fmt::format("{} is no ID", quoted(id)), "a number: 202 or 0xca"};
        }
        ids_.push_back(number);
    }
    if (words.from && words.to && *words.from > *words.to) {
        return {fmt::format("the window ends ({}) before it begins ({})", time_text(*words.to),
                            time_text(*words.from)),
                ""};
    }
    sources_ = words.sources;
    from_ = words.from;
    to_ = words.to;
    return {};
}

bool Filter::has_id(const trace::EventRecord& record) const {
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        if (record.info->fields[i].type == FieldType::Id &&
            std::find(ids_.begin(), ids_.end(), record.values[i]) != ids_.end() &&
            record.values[i] != kNoId) {
            return true;
        }
    }
    return false;
}

bool Filter::holds(const Condition& condition, const trace::EventRecord& record) const {
    const std::size_t at = record.info->field(condition.field);
    if (at == record.info->fields.size()) {
        return false;  // of another event: it cannot be so
    }
    const trace::FieldInfo& field = record.info->fields[at];
    const std::uint64_t value = record.values[at];
    const bool number = has_number(field) && condition.number && !is_none(field, value);
    switch (condition.comparison) {
        case Comparison::Less:
            return number && value < *condition.number;
        case Comparison::Greater:
            return number && value > *condition.number;
        default:
            break;
    }
    const bool equal = number ? value == *condition.number
                              : glob_match(condition.text, format_value(recorder_, field, value));
    return equal == (condition.comparison == Comparison::Equal);
}

bool Filter::accepts(const trace::EventRecord& record) const {
    if ((from_ && record.time.ps() < *from_) || is_past(record.time) ||
        (!accepted_events_.empty() && accepted_events_.count(record.info) == 0) ||
        (!ids_.empty() && !has_id(record))) {
        return false;
    }
    const auto from_source = [&](const std::string& glob) {
        return glob_match(glob, recorder_.source_name(record.source));
    };
    return (sources_.empty() || std::any_of(sources_.begin(), sources_.end(), from_source)) &&
           std::all_of(conditions_.begin(), conditions_.end(),
                       [&](const Condition& c) { return holds(c, record); });
}

// --- answers ------------------------------------------------------------------------------------

QuestionError Query::begin(const QueryOptions& options) {
    options_ = options;
    if (QuestionError error = filter_.compile(options.filter)) {
        return error;
    }
    const std::vector<std::string> known = field_names(filter_.events());
    std::vector<std::string> wanted = options.fields;
    if (!options.by.empty()) {
        wanted.push_back(options.by);
    }
    for (const std::string& field : wanted) {
        if (!is_common(field) && std::find(known.begin(), known.end(), field) == known.end()) {
            return {fmt::format("no event that is asked for has a field {}", quoted(field)),
                    suggest(field, known)};
        }
    }
    columns_ = options.fields;
    if (columns_.empty()) {
        columns_.assign(std::begin(kCommonFields), std::end(kCommonFields));
        columns_.insert(columns_.end(), known.begin(), known.end());
    }
    if (options_.format == RowFormat::Csv && !options_.count) {
        out_.write(join(columns_, ",") + "\n");
    }
    return {};
}

std::string Query::cell(const trace::EventRecord& record, const std::string& field) const {
    if (field == "seq") {
        return fmt::format("{}", record.seq);
    }
    if (field == "time_ps") {
        return fmt::format("{}", record.time.ps());
    }
    if (field == "time") {
        return format_time(record.time);
    }
    if (field == "event") {
        return record.info->name;
    }
    if (field == "source") {
        return recorder_.source_name(record.source);
    }
    const std::size_t at = record.info->field(field);
    if (at == record.info->fields.size() || is_none(record.info->fields[at], record.values[at])) {
        return {};
    }
    // For programs times stay whole numbers of picoseconds.
    return record.info->fields[at].type == FieldType::Time && options_.format != RowFormat::Text
               ? fmt::format("{}", record.values[at])
               : format_value(recorder_, record.info->fields[at], record.values[at]);
}

void Query::json_row(const trace::EventRecord& record) {
    fmt::memory_buffer line;
    if (options_.fields.empty()) {
        append_json_event(line, recorder_, record);
        out_.write({line.data(), line.size()});
        return;
    }
    line.push_back('{');
    for (const std::string& name : columns_) {
        append_json_string(line, name);
        line.push_back(':');
        const std::size_t at = record.info->field(name);
        if (name == "seq" || name == "time_ps") {
            fmt::format_to(std::back_inserter(line), "{}",
                           name == "seq" ? record.seq : record.time.ps());
        } else if (is_common(name)) {
            append_json_string(line, cell(record, name));
        } else if (at == record.info->fields.size()) {
            fmt::format_to(std::back_inserter(line), "null");
        } else {
            append_json_value(line, recorder_, record.info->fields[at], record.values[at]);
        }
        line.push_back(&name == &columns_.back() ? '}' : ',');
    }
    line.push_back('\n');
    out_.write({line.data(), line.size()});
}

void Query::show(const trace::EventRecord& record) {
    if (options_.format == RowFormat::Json) {
        json_row(record);
        return;
    }
    if (options_.format == RowFormat::Text && options_.fields.empty()) {
        out_.write(format_event(recorder_, record) + "\n");
        return;
    }
    std::vector<std::string> cells;
    for (const std::string& column : columns_) {
        const std::string text = cell(record, column);
        cells.push_back(options_.format == RowFormat::Csv ? csv_cell(text)
                        : text.empty()                    ? "-"
                                                          : text);
    }
    out_.write(join(cells, options_.format == RowFormat::Csv ? "," : "  ") + "\n");
}

void Query::on_event(const trace::EventRecord& record) {
    if (finished_ || !filter_.accepts(record)) {
        finished_ = finished_ || filter_.is_past(record.time);
        return;
    }
    ++matches_;
    if (options_.count) {
        if (!options_.by.empty()) {
            const std::string value = cell(record, options_.by);
            ++counts_[value.empty() ? "none" : value];
        }
    } else if (options_.last) {
        last_.push_back(record);
        if (options_.limit && last_.size() > *options_.limit) {
            last_.pop_front();
        }
    } else {
        show(record);
        finished_ = options_.limit && matches_ >= *options_.limit;
    }
}

void Query::show_counts() {
    const bool json = options_.format == RowFormat::Json;
    if (options_.by.empty()) {
        out_.write(json ? fmt::format("{{\"count\":{}}}\n", matches_)
                        : fmt::format("{}\n", matches_));
        return;
    }
    std::vector<std::pair<std::string, std::uint64_t>> rows(counts_.begin(), counts_.end());
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    if (options_.limit && rows.size() > *options_.limit) {
        rows.resize(*options_.limit);
    }
    if (options_.format == RowFormat::Csv) {
        out_.write("count," + options_.by + "\n");
    }
    for (const auto& [value, count] : rows) {
        fmt::memory_buffer text;
        append_json_string(text, value);
        const std::string in_quotes(text.data(), text.size());
        out_.write(json ? fmt::format("{{\"count\":{},\"{}\":{}}}\n", count, options_.by, in_quotes)
                   : options_.format == RowFormat::Csv
                       ? fmt::format("{},{}\n", count, csv_cell(value))
                       : fmt::format("{:>10}  {}\n", count, value));
    }
}

void Query::on_end(TimePs) {
    for (const trace::EventRecord& record : last_) {
        show(record);
    }
    if (options_.count) {
        show_counts();
    }
    out_.flush();
}

}  // namespace ioasim::traces
