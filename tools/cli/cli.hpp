// The command line: verbs, options, help, and what is wrong with them.
#pragma once

namespace ioasim::tools {

// Returns the exit code.
int run_cli(int argc, char** argv);

}  // namespace ioasim::tools
