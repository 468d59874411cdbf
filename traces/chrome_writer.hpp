// A trace in the Trace Event Format of Chrome, as an array of JSON objects, an object a line:
// speedscope, Perfetto and Chromium's viewers open it. Whatever a killed process left lacks only
// the ends of what was open and the closing bracket, which the format leaves to the reader.
// Microseconds with six decimals: exact picoseconds.
//
// speedscope sums begin and length in floating point and takes an end for that of the slice with
// the same name and arguments. So slices are written as begin and end ("B", "E") with equal
// arguments, never as one item ("X"); one without length is an instant; and the event that ended a
// slice is an instant of its own. Flows lead through slices only.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <string>

#include <fmt/format.h>

#include "traces/flat_map.hpp"
#include "traces/jsonl_sink.hpp"
#include "traces/track_writer.hpp"

namespace ioasim::traces {

class ChromeWriter final : public TrackWriter {
public:
    ChromeWriter(const trace::Recorder& recorder, const std::string& path,
                 const JsonlHeader& header)
        : TrackWriter(recorder, path), header_(header) {}

private:
    void put_start() override;
    void put_track(TrackId id, const Track& track) override;
    void put_begin(TrackId id, const Slice& slice) override;
    void put_end(TrackId id, const Slice& slice, TimePs end, const trace::EventRecord* record,
                 const TrackFlows& flows) override;
    void put_instant(TrackId id, const Slice& slice) override;
    void put_counter(TrackId id, TimePs time, std::uint64_t value) override;
    void put_finish() override;
    std::size_t end_bytes() const override { return 2 * begin_bytes_; }

    // "{"ph":"B","pid":1,"tid":2,"ts":0.000001"
    void start(char phase, TrackId id, TimePs time);
    void put_name(std::string_view name, const trace::EventRecord& record);
    void put_fields(const trace::EventRecord& record);
    void put_plain(char phase, TrackId id, TimePs time, std::string_view name,
                   const trace::EventRecord& record);
    // Begins of a track are held back while its time stands still: it may be one without length.
    struct Begin {
        TimePs time;
        std::string line;
        TrackFlows flows;
    };
    void release_begins(TrackId id, TimePs now);
    void put_flows(TrackId id, TimePs time, const TrackFlows& flows, std::string& out);
    void finish_line(std::string& out);

    JsonlHeader header_;
    fmt::memory_buffer line_;
    std::vector<TrackId> groups_{0};  // of each track
    std::vector<std::string> names_{""};
    std::vector<std::vector<Begin>> begins_{1};
    FlatMap<std::uint8_t> flows_begun_;
    std::size_t begin_bytes_ = 0;
    bool any_ = false;
};

}  // namespace ioasim::traces
