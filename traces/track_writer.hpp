// A trace as a timeline viewer shows it: groups of tracks, slices that nest, instants, counters,
// and flows (arrows that follow one thing from slice to slice). What the formats of such viewers
// have in common: open slices, the window, the limit. TrackModel makes these of events; Perfetto
// and Chrome writers put them into bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/byte_sink.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {

using TrackId = std::uint32_t;  // from 1; 0: none

// The flows that an item belongs to, and which of them end there.
struct TrackFlows {
    struct One {
        std::uint64_t id = 0;
        bool ends = false;
    };
    std::array<One, 2> flows{};
    std::size_t count = 0;

    void add(std::uint64_t id, bool ends = false) {
        if (count < flows.size()) {
            flows[count++] = {id, ends};
        }
    }
    const One* begin() const { return flows.data(); }
    const One* end() const { return flows.data() + count; }
};

class TrackWriter {
public:
    enum class Kind : std::uint8_t { Group, Slices, Counter };

    TrackWriter(const trace::Recorder& recorder, const std::string& path)
        : recorder_(recorder), file_(path), tracks_(1) {}
    virtual ~TrackWriter() = default;
    TrackWriter(const TrackWriter&) = delete;
    TrackWriter& operator=(const TrackWriter&) = delete;

    // Told to the file when something on it is shown. Groups have parent 0.
    TrackId add(TrackId parent, Kind kind, std::string name);
    // Slices of a track nest: the one that began last ends first.
    void begin(TrackId track, TimePs time, std::string_view name, const trace::EventRecord& record,
               const TrackFlows& flows = {});
    void end(TrackId track, TimePs time, const trace::EventRecord* record = nullptr,
             const TrackFlows& flows = {});
    void instant(TrackId track, TimePs time, std::string_view name,
                 const trace::EventRecord& record, const TrackFlows& flows = {});
    void counter(TrackId track, TimePs time, std::uint64_t value);
    // How many slices of a track are open.
    std::size_t depth(TrackId track) const { return tracks_[track].open.size(); }

    // From the start until show_from() nothing is written; slices that are open then begin there.
    void hide() { hidden_ = true; }
    void show_from(TimePs now);
    void set_limit(std::uint64_t bytes) { limit_ = bytes; }
    // Ends what is open, and the file.
    void finish(TimePs end);

    std::uint64_t items() const { return items_; }
    std::uint64_t tracks_shown() const { return tracks_shown_; }
    std::optional<TimePs> full_at() const { return full_at_; }
    std::uint64_t bytes() const { return file_.size(); }
    const std::string& error() const { return file_.error(); }

protected:
    struct Slice {
        TimePs begin;
        std::string name;
        trace::EventRecord record;
        TrackFlows flows;
        bool shown = false;
        std::size_t end_bytes = 0;
    };
    struct Track {
        TrackId parent = 0;
        Kind kind = Kind::Group;
        std::string name;
        bool shown = false;
        std::vector<Slice> open;
        std::optional<std::uint64_t> value;  // of a counter
    };
    // An item as text or packets: appended to `out_`, written whole or not at all.
    virtual void put_start() {}
    virtual void put_track(TrackId id, const Track& track) = 0;
    virtual void put_begin(TrackId id, const Slice& slice) = 0;
    // `record` may be none; the slice's own fields were told, or are told now.
    virtual void put_end(TrackId id, const Slice& slice, TimePs end,
                         const trace::EventRecord* record, const TrackFlows& flows) = 0;
    virtual void put_instant(TrackId id, const Slice& slice) = 0;
    virtual void put_counter(TrackId id, TimePs time, std::uint64_t value) = 0;
    virtual void put_finish() {}
    // The most bytes that the slice put last still takes until it has ended, without the fields of
    // the event that ends it.
    virtual std::size_t end_bytes() const = 0;

    const trace::Recorder& recorder_;
    std::string out_;
    // What was accounted for when its slice began: written before `out_`, room or not.
    std::string due_;

private:
    bool showing() const { return !hidden_ && !full_at_; }
    void show_track(TrackId id);
    void show_begin(TrackId id, Slice& slice);
    // Writes `out_`; without room for it the trace ends here.
    void written(TimePs time);
    void ends_here();

    OutputFile file_;
    std::vector<Track> tracks_;  // [0] is above the groups
    std::uint64_t limit_ = ~std::uint64_t{0};
    std::optional<TimePs> full_at_;
    TimePs latest_;  // of what is written
    bool hidden_ = false;
    bool started_ = false;
    TimePs from_;
    std::size_t open_bytes_ = 0;  // that the ends of open slices take
    std::uint64_t items_ = 0;
    std::uint64_t tracks_shown_ = 0;
};

// The fields that an item tells, those without a value left out: tell(name, field, value). A time
// is told as a number of picoseconds, "took_ps".
template <class Tell>
void tell_fields(const trace::EventRecord& record, Tell&& tell) {
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        const trace::FieldInfo& field = record.info->fields[i];
        const std::uint64_t value = record.values[i];
        const bool none = (field.type == trace::FieldType::Id && value == kNoId) ||
                          (field.type == trace::FieldType::Text && value == 0);
        if (!none) {
            const bool time = field.type == trace::FieldType::Time;
            tell(time ? field.name + "_ps" : field.name, field, value);
        }
    }
}
// Of the event that ended a slice: what differs from the one that began it, under "end.NAME" where
// the name is taken.
template <class Tell>
void tell_new_fields(const trace::EventRecord& first, const trace::EventRecord& last, Tell&& tell) {
    tell_fields(last,
                [&](const std::string& name, const trace::FieldInfo& field, std::uint64_t value) {
                    const std::size_t at = first.info->field(field.name);
                    if (at == first.info->fields.size()) {
                        tell(name, field, value);
                    } else if (first.values[at] != value) {
                        tell("end." + name, field, value);
                    }
                });
}

}  // namespace ioasim::traces
