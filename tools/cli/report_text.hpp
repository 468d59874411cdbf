// Text of runs as other programs take it.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

// Fit for every format: escape sequences of terminals, control characters but tab and line end, and
// what XML 1.0 forbids are gone; bytes that are no UTF-8 become U+FFFD.
std::string clean_text(const std::string& text);
// The same on one line.
std::string clean_line(const std::string& text);

// "scenarios.sva.exit_under_dma" of a file, "name [cell] seed 1 run 4" of a run.
std::string class_name(const std::string& file);
std::string case_name(const RunResult& result);

// What a failed run has to say: first the command that repeats it, last its summary.
std::vector<std::string> problem_lines(const RunResult& result);

}  // namespace ioasim::tools
