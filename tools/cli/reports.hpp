// Reports for other programs: JSON and JUnit XML.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

// "json=FILE" or "junit=FILE". Empty: fine, else what is wrong.
std::string check_report(const std::string& request);
// Writes it. Empty: done, else the error.
std::string write_report(const std::string& request, const std::vector<RunResult>& results);

std::string junit_text(const std::vector<RunResult>& results);

}  // namespace ioasim::tools
