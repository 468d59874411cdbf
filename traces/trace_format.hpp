// The formats that traces are written in, told by the ending of a file's name. The one list of
// them: command line, checks and conversions ask here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ioasim::traces {

enum class TraceFormat : std::uint8_t { Jsonl, JsonlGz, Vcd, Fst, Perfetto, Chrome };

struct TraceFormatInfo {
    TraceFormat format;
    std::string_view ending;  // ".jsonl.gz"
    std::string_view name;    // for people
    // What can be made of it again: events carry everything, signals their values, tracks are a
    // picture of events for a viewer.
    enum class Holds : std::uint8_t { Events, Signals, Tracks } holds;
};

const std::vector<TraceFormatInfo>& trace_formats();
// nullptr: no trace has such a name.
const TraceFormatInfo* trace_format_of(std::string_view path);
// ".jsonl, .jsonl.gz, .vcd, .fst, .pftrace or .json": for messages.
std::string trace_endings();
// Why this program cannot read or write the format; empty: it can.
std::string trace_format_problem(TraceFormat format);

// Where the files for a viewer of a waveform begin: "wave" for wave.vcd, "wave.fst" for wave.fst,
// so that both can lie in one folder.
std::string wave_stem(std::string_view path);
// A trace with the files that come along with it: save file and filters of waveforms.
std::vector<std::string> trace_files(const std::string& path);

}  // namespace ioasim::traces
