// `ioasim shrink`: from a run that fails to a small scenario file that fails the same way, by
// itself. Each attempt is checked as a scenario first and then runs in a process of its own. What
// makes the original fail must go on to matter: when the original passes without its defects, or in
// the fixed order of everything that is left open, so must the small one.
#pragma once

#include <cstdint>
#include <string>

#include "tools/cli/options.hpp"

namespace ioasim::tools {

struct ShrinkOptions {
    std::string file;  // FILE, or FILE#CELL
    RunOptions run;    // seed, run, sets, defects
    std::string code;  // the finding to keep; empty: the first failure
    std::string out;   // empty: NAME.shrunk.json
    bool force = false;
    bool quiet = false;
    std::uint64_t jobs = 0;
    std::uint64_t run_seconds = 60;
    std::uint64_t seconds = 0;  // no attempt begins after so many; 0: any number
};

int shrink_command(const ShrinkOptions& options);

}  // namespace ioasim::tools
