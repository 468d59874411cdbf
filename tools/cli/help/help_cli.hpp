// Verbs about the program itself: man, completion, doctor; and --version.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ioasim::tools {

void add_help_verbs(CLI::App& app, std::function<int()>& verb);
// `ioasim completion words ...`, which shells call with words that are no command yet. True: the
// answer has been printed.
bool completed_words(const CLI::App& app, int argc, const char* const* argv);

}  // namespace ioasim::tools
