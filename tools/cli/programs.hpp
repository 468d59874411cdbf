// Programs of the host that some verbs start or can do without.
#pragma once

#include <string>

namespace ioasim::tools {

// Where PATH has this program; empty: nowhere.
std::string program_path(const std::string& name);
// The file that this process executes.
std::string own_path();

}  // namespace ioasim::tools
