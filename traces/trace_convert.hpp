// One trace made of another: of events everything, of signals signals. What a timeline viewer reads
// is a picture, from which no events come back.
#pragma once

#include <string>

#include "traces/trace_selection.hpp"

namespace ioasim::traces {

struct ConvertResult {
    std::string problem;  // empty: it is made
    std::string line;     // of a made one, for people: "x.vcd: 4.1 KiB, 12 changes of 90 signals"
    std::string note;     // of a made one: where the trace that it is made of breaks off
    bool unwritten = false;  // the problem is one of writing
    bool refused = false;    // it was not tried: `problem` says why
};

// Why no trace of this name can be made of that one, found without opening either; empty: it can.
std::string convert_problem(const std::string& from, const std::string& to);

ConvertResult convert_trace(const std::string& from, const std::string& to,
                            const TraceSelection& selection);

}  // namespace ioasim::traces
