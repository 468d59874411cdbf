// A trace of a run as a file, in the format that the ending of its name says: the one place where
// sinks are made. Which events a file shows is a TraceSelection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/jsonl_sink.hpp"
#include "traces/trace_selection.hpp"
#include "traces/wave_sink.hpp"

namespace ioasim::traces {

// What a file says of the run beside its events.
struct TraceContext {
    JsonlHeader header;
    WaveTopology topology;
    TraceSelection only;  // of a trace that another is made of: what it has of its run
};

class TraceFile : public trace::Listener {
public:
    // What to pass to Recorder::add_listener.
    virtual std::uint32_t categories() const = 0;
    // Of a hidden file: events are followed until now, and shown from here on.
    virtual void show_from(TimePs now) = 0;
    virtual void close() = 0;
    // Empty: everything reached the disk.
    virtual const std::string& error() const = 0;
    virtual std::uint64_t bytes() const = 0;
    // What is in it, for people: "1234 events".
    virtual std::string content() const = 0;
    // Where it ended for want of room.
    virtual std::optional<TimePs> full_at() const = 0;
};

// `path` must have an ending that trace_format_of() knows. The recorder must outlive the file.
std::unique_ptr<TraceFile> open_trace(trace::Recorder& recorder, const std::string& path,
                                      const TraceContext& context,
                                      const TraceSelection& selection = {});

// "wave.vcd: 12 changes of 90 signals, 4.1 KiB; 10 us to 20 us": how a closed trace is told of.
std::string trace_line(const std::string& path, const TraceFile& file,
                       const TraceSelection& selection);

// "4.1 KiB": a size for people, rounded down.
std::string readable_size(std::uint64_t bytes);

}  // namespace ioasim::traces
