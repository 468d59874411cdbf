// `ioasim conform ioasid FILE...`: replays recorded operations of real IOASID cores (format
// "ioasid-ops/1") on the simulator's core and compares every result, every notification in order
// and every snapshot. The profile named in a file's header selects the preset of switches; nothing
// else of the core depends on the file.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace ioasim::tools {

// 0: all agree; 1: something differs or was skipped; 2: a file is unreadable; 128 + its number: a
// signal came.
int run_conform_ioasid(const std::vector<std::string>& files, std::ostream& out, std::ostream& err);

}  // namespace ioasim::tools
