// Whether a file is what its ending says, by the rules of the format and by those that we keep
// beyond it. Each format has a reader of its own here, apart from the writer.
//
//   events    traces/jsonl_reader.hpp: catalogue, types, order; compression to its last byte
//   VCD       traces/vcd_reader.hpp
//   FST       the library's reader; times in order, within the end, values of the signal's width
//   Perfetto  wire format, known fields of the right type, tracks told before they are used, texts
//             told before they are named, times in order on each track, each end behind a begin
//   Chrome    JSON; phases with what they need; slices of a track nest; flows begin before they go
//             on; without a closing bracket, slices may be open, too: a process was killed
#pragma once

#include <cstdint>
#include <string>

namespace ioasim::traces {

struct CheckResult {
    std::string problem;   // empty: the file is good
    std::size_t line = 0;  // of the problem, in formats with lines; 0: none
    std::string content;   // of a good one: "77222 events up to 294.921 us"
};

CheckResult check_trace(const std::string& path);

// The checks by format; check_trace() chooses.
CheckResult check_events(const std::string& path);
CheckResult check_vcd(const std::string& path);
CheckResult check_fst(const std::string& path);
CheckResult check_perfetto(const std::string& path);
CheckResult check_chrome(const std::string& path);

}  // namespace ioasim::traces
