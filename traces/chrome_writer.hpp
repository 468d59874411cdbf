// A trace in the Trace Event Format of Chrome, as an array of JSON objects, an object a line:
// speedscope, Perfetto and Chromium's viewers open it. A slice is written when it ends ("X"), so
// that whatever a killed process left lacks only what was open then and the closing bracket, which
// the format leaves to the reader. Microseconds with six decimals: exact picoseconds.
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
    std::size_t end_bytes() const override { return 8; }

    // "{"ph":"X","pid":1,"tid":2,"ts":0.000001"
    void start(char phase, TrackId id, TimePs time);
    void put_name(const Slice& slice);
    void put_fields(const Slice& slice, const trace::EventRecord* end);
    void put_flows(TrackId id, TimePs time, const TrackFlows& flows);
    void finish_line();

    JsonlHeader header_;
    fmt::memory_buffer line_;
    std::vector<TrackId> groups_{0};  // of each track
    std::vector<std::string> names_{""};
    FlatMap<std::uint8_t> flows_begun_;
    bool any_ = false;
};

}  // namespace ioasim::traces
