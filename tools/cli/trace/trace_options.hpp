// The options that choose what of a run goes into its traces.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/cli/options.hpp"

namespace ioasim::tools {

// --trace, --trace-scope, --trace-window, --trace-last, --trace-limit, --trace-on-failure. What
// several runs of one command insert into a name: ".CELL".
void trace_options(CLI::App& app, RunOptions& options, const std::string& inserted);

// --PREFIXscope, --PREFIXwindow, --PREFIXlast, --PREFIXlimit: the same of any verb that writes a
// trace.
void selection_options(CLI::App& app, traces::TraceSelection& selection, const std::string& prefix);

}  // namespace ioasim::tools
