// The kernel library brings a main of its own that asks for sc_main. This main takes its place: the
// kernel is elaborated only inside a run, so that `--help` and `validate` never start it.
#include <cstdlib>

#include "tools/cli/cli.hpp"

extern "C" int sc_main(int, char**) {
    return EXIT_FAILURE;
}

int main(int argc, char** argv) {
    return ioasim::tools::run_cli(argc, argv);
}
