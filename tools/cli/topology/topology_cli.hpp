// The options of `ioasim topology`.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ioasim::tools {

// Adds the verb; parsing its options sets `verb` to what carries it out.
void add_topology(CLI::App& app, std::function<int()>& verb);

}  // namespace ioasim::tools
