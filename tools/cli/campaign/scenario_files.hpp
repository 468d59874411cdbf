// Scenario files by the names that a campaign is given.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

// The file itself, or all scenarios below a folder, sorted.
std::vector<std::string> scenario_files(const std::string& name);

}  // namespace ioasim::tools
