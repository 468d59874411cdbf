// `ioasim conform vtd FILE...`: runs recorded programs of VT-d units on the simulated one, each as
// a bare program on a platform of its own, and compares every answer.
#pragma once

#include "tools/cli/options.hpp"

namespace ioasim::tools {

// 0: all agree; 1: something differs or was skipped; 2: a file is unreadable or an option wrong.
int run_conform_vtd(const RunOptions& options);

}  // namespace ioasim::tools
