// The event trace in JSON Lines: a header line, then one event a line. Bytes are the same on every
// host: integers only, fixed key order, no host time, path or pointer.
//
//   {"schema":"ioasim-trace/1","version":"0.1.0","config":"9f3c…","seed":1}
//   {"seq":0,"time_ps":0,"event":"ioasid.put","source":"host/vm1-vcpu0","kernel":"host",…}
//
// Field values: Count and Time (picoseconds) numbers; Id number or null; Hex "0x..."; Rid
// "00:02.0"; Error "0" or "-EBUSY"; Bool true/false; Text and Enum strings.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/trace/recorder.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::traces {

inline constexpr std::string_view kJsonlSchema = "ioasim-trace/1";

struct JsonlHeader {
    std::string schema{kJsonlSchema};
    std::string version;  // of the program
    std::string config;   // hash of the resolved configuration
    std::uint64_t seed = 0;
};

class JsonlSink final : public trace::Listener {
public:
    // Writes the header at once. Both must outlive the sink. No line is written that would take
    // the output beyond `limit` bytes: the trace ends there.
    JsonlSink(const trace::Recorder& recorder, ByteSink& out, const JsonlHeader& header,
              std::uint64_t limit = ~std::uint64_t{0});
    void on_event(const trace::EventRecord& record) override;
    void on_end(TimePs end) override;
    const std::string& error() const { return out_.error(); }
    std::uint64_t lines() const { return lines_; }
    // The time from which on events are missing for want of room.
    std::optional<TimePs> full_at() const { return full_at_; }

private:
    const trace::Recorder& recorder_;
    ByteSink& out_;
    fmt::memory_buffer line_;
    std::uint64_t limit_;
    std::optional<TimePs> full_at_;
    std::uint64_t lines_ = 0;
};

// Appends a JSON string with its quotes; control characters are escaped.
void append_json_string(fmt::memory_buffer& out, std::string_view text);
// Appends the value of a field as the trace has it.
void append_json_value(fmt::memory_buffer& out, const trace::Recorder& recorder,
                       const trace::FieldInfo& field, std::uint64_t value);
// Appends the line of an event.
void append_json_event(fmt::memory_buffer& out, const trace::Recorder& recorder,
                       const trace::EventRecord& record);

}  // namespace ioasim::traces
