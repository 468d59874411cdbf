// A whole trace in memory, with its own names: what needs to look back and ahead works on it. Fed
// as a listener of a run (through a Follower, which translates the run's names) or from a file.
#pragma once

#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/fields.hpp"
#include "traces/jsonl_sink.hpp"

namespace ioasim::traces {

class EventLog final : public trace::Listener {
public:
    EventLog() : recorder_([] { return TimePs{}; }) {}

    // Names in the record are those of recorder().
    void on_event(const trace::EventRecord& record) override;

    trace::Recorder& recorder() { return recorder_; }
    const trace::Recorder& recorder() const { return recorder_; }

    std::size_t size() const { return rows_.size(); }
    bool empty() const { return rows_.empty(); }
    trace::EventRecord at(std::size_t index) const;
    const trace::EventInfo& info(std::size_t index) const { return *rows_[index].info; }
    TimePs time(std::size_t index) const { return TimePs{rows_[index].time}; }
    std::uint64_t seq(std::size_t index) const { return rows_[index].seq; }
    SourceId source(std::size_t index) const { return rows_[index].source; }
    std::uint64_t value(std::size_t index, std::size_t field) const {
        return values_[rows_[index].first + field];
    }
    template <class Event>
    bool is(std::size_t index) const {
        return rows_[index].info == &trace::info_of<Event>();
    }

    const std::string& text(trace::Name name) const { return recorder_.names().text(name); }
    const std::string& source_text(std::size_t index) const {
        return recorder_.source_name(rows_[index].source);
    }
    // A field by its name: its text as people read it, "" when the event has none of that name.
    std::string field_text(std::size_t index, std::string_view field) const;

private:
    // Most events have few fields: they are stored without the unused ones.
    struct Row {
        const trace::EventInfo* info;
        std::uint64_t time;
        std::uint64_t seq;
        std::size_t first;
        SourceId source;
    };
    trace::Recorder recorder_;
    std::vector<Row> rows_;
    std::vector<std::uint64_t> values_;
};

// LOG_FIELD(log, index, IoasidPut, refs): the packed value of that field.
#define LOG_FIELD(log, index, Event, field)                            \
    ((log).value((index),                                              \
                 std::integral_constant<std::size_t,                   \
                                        ::ioasim::traces::field_index( \
                                            ::ioasim::trace::Event::kFieldList, #field)>::value))
#define LOG_TEXT(log, index, Event, field) \
    ((log).text(::ioasim::traces::as_name(LOG_FIELD(log, index, Event, field))))
#define LOG_ID(log, index, Event, field) \
    (::ioasim::traces::as_u32(LOG_FIELD(log, index, Event, field)))

// Hands events of one recorder to a listener whose names are another's.
class Follower final : public trace::Listener {
public:
    Follower(const trace::Recorder& from, trace::Recorder& to, trace::Listener& listener)
        : from_(from), to_(to), listener_(listener) {}
    void on_event(const trace::EventRecord& record) override;
    void on_end(TimePs end) override { listener_.on_end(end); }

private:
    const trace::Recorder& from_;
    trace::Recorder& to_;
    trace::Listener& listener_;
    std::vector<std::uint32_t> names_;    // of `from` -> of `to`, plus 1
    std::vector<std::uint32_t> sources_;  // the same
};

}  // namespace ioasim::traces
