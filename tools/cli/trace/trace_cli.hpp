// The verbs of `ioasim trace` that ask a trace: query, diff, explain.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ioasim::tools {

// Adds them below `trace`; parsing the options of one sets `verb` to what carries it out.
void add_trace_questions(CLI::App& trace, std::function<int()>& verb);

void add_trace_query(CLI::App& trace, std::function<int()>& verb);
void add_trace_diff(CLI::App& trace, std::function<int()>& verb);
void add_trace_explain(CLI::App& trace, std::function<int()>& verb);

}  // namespace ioasim::tools
