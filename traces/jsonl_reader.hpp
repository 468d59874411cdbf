// Reads an event trace back into EventRecords: names and sources are interned in the given
// recorder, so any listener (state view, statistics, another sink) can be fed from a file as from a
// run. Strict: unknown events and fields, missing fields, wrong types, a sequence number that does
// not grow and a time that runs backwards are errors with their line.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <string>

#include "core/trace/recorder.hpp"
#include "traces/jsonl_sink.hpp"
#include "traces/trace_selection.hpp"

namespace ioasim::traces {

struct JsonlError {
    std::size_t line = 0;  // 0: no error
    std::string text;
    explicit operator bool() const { return line != 0; }
};

class JsonlReader {
public:
    JsonlReader(std::istream& in, trace::Recorder& recorder) : in_(in), recorder_(recorder) {}
    // Once, first. false: see error().
    bool read_header(JsonlHeader& header);
    // false at the end or on an error.
    bool next(trace::EventRecord& record);
    // What of its run the trace has, as its header says.
    const TraceSelection& only() const { return only_; }
    const JsonlError& error() const { return error_; }
    std::size_t line() const { return line_; }

private:
    bool read_line(std::string& text);
    bool fail(std::string text);
    // Keeps the JSON type out of this header.
    struct Parse;
    friend struct Parse;

    std::istream& in_;
    trace::Recorder& recorder_;
    JsonlError error_;
    TraceSelection only_;
    std::size_t line_ = 0;
    bool any_ = false;
    std::uint64_t last_seq_ = 0;
    std::uint64_t last_time_ = 0;
};

// Feeds a whole trace to a listener, on_end included (at the time of the last event).
JsonlError replay_jsonl(std::istream& in, trace::Recorder& recorder, trace::Listener& listener,
                        JsonlHeader* header = nullptr, TraceSelection* only = nullptr);

}  // namespace ioasim::traces
