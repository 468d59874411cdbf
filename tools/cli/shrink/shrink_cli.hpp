// The options of `ioasim shrink`.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ioasim::tools {

// Adds the verb; parsing its options sets `verb` to what carries it out.
void add_shrink(CLI::App& app, std::function<int()>& verb);

}  // namespace ioasim::tools
