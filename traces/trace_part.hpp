// What of its run an event trace has. The header of a trace of everything says nothing of it; that
// of another has what was left out:
//
//   {"schema":…,"seed":1,"only":{"scope":["vm1"],"from_ps":1000,"to_ps":2000,"last":300}}
#pragma once

#include <memory>
#include <string>

#include "traces/byte_sink.hpp"
#include "traces/trace_selection.hpp"

namespace ioasim::traces {

// `by` chosen out of what is a selection already.
TraceSelection narrowed(const TraceSelection& of, const TraceSelection& by);

// "only vm1, from 1 us to 2 us, the last 300 events"; empty: everything.
std::string part_text(const TraceSelection& only);

// The sink itself, or one that writes the mark into the header, which comes first.
std::unique_ptr<ByteSink> marked(std::unique_ptr<ByteSink> to, const TraceSelection& only);

}  // namespace ioasim::traces
