// Which events of a trace somebody asks for, and how they are shown. A filter is made from words of
// the command line and is strict: a name that no event or field has is an error with a suggestion.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::traces {

// '*' stands for any text, '?' for one character.
bool glob_match(std::string_view pattern, std::string_view text);

// Words of a filter; all of them must hold. Several of a list: any of them.
struct FilterWords {
    std::vector<std::string> events;    // globs: "ioasid.*"
    std::vector<std::string> sources;   // globs: "host/*"
    std::vector<std::string> where;     // FIELD=VALUE, FIELD!=VALUE, FIELD<N, FIELD>N
    std::vector<std::string> ids;       // any field of an ID has this value
    std::optional<std::uint64_t> from;  // picoseconds, both ends belong to it
    std::optional<std::uint64_t> to;
};

struct QuestionError {
    std::string text;  // empty: none
    std::string help;
    explicit operator bool() const { return !text.empty(); }
};

class Filter {
public:
    // Names in records are those of the recorder.
    explicit Filter(const trace::Recorder& recorder) : recorder_(recorder) {}
    QuestionError compile(const FilterWords& words);
    bool accepts(const trace::EventRecord& record) const;
    // No later event can be accepted.
    bool is_past(TimePs time) const { return to_ && time.ps() > *to_; }
    // The event types that can be accepted, in the order of the catalogue.
    const std::vector<const trace::EventInfo*>& events() const { return events_; }

private:
    enum class Comparison : std::uint8_t { Equal, NotEqual, Less, Greater };
    struct Condition {
        std::string field;
        Comparison comparison = Comparison::Equal;
        std::string text;                     // as written; of texts a glob
        std::optional<std::uint64_t> number;  // as a number, where it is one
    };
    QuestionError compile_events(const std::vector<std::string>& globs);
    QuestionError compile_condition(const std::string& word);
    bool only_numbers(const std::string& name) const;
    bool holds(const Condition& condition, const trace::EventRecord& record) const;
    bool has_id(const trace::EventRecord& record) const;

    const trace::Recorder& recorder_;
    std::vector<const trace::EventInfo*> events_;
    std::map<const trace::EventInfo*, bool> accepted_events_;
    std::vector<std::string> sources_;
    std::vector<Condition> conditions_;
    std::vector<std::uint64_t> ids_;
    std::optional<std::uint64_t> from_;
    std::optional<std::uint64_t> to_;
};

enum class RowFormat : std::uint8_t { Text, Json, Csv };

struct QueryOptions {
    FilterWords filter;
    RowFormat format = RowFormat::Text;
    std::vector<std::string> fields;     // only these; also seq, time, time_ps, event, source
    std::optional<std::uint64_t> limit;  // no more than so many
    bool last = false;                   // the last ones instead of the first
    bool count = false;                  // only how many
    std::string by;                      // with count: for each value of this field
};

// Writes what was asked for; on_end completes it.
class Query final : public trace::Listener {
public:
    Query(const trace::Recorder& recorder, ByteSink& out)
        : recorder_(recorder), out_(out), filter_(recorder) {}
    QuestionError begin(const QueryOptions& options);
    void on_event(const trace::EventRecord& record) override;
    void on_end(TimePs end) override;
    // Nothing that follows can change the answer.
    bool finished() const { return finished_; }
    std::uint64_t matches() const { return matches_; }

private:
    void show(const trace::EventRecord& record);
    void show_counts();
    std::string cell(const trace::EventRecord& record, const std::string& field) const;
    void json_row(const trace::EventRecord& record);

    const trace::Recorder& recorder_;
    ByteSink& out_;
    Filter filter_;
    QueryOptions options_;
    std::vector<std::string> columns_;
    std::deque<trace::EventRecord> last_;
    std::map<std::string, std::uint64_t> counts_;
    std::uint64_t matches_ = 0;
    bool finished_ = false;
};

}  // namespace ioasim::traces
