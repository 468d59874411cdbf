// `ioasim inject list|explain`: the catalogue of faults that a scenario can bring in from outside.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace ioasim::tools {

// Adds the verb; parsing its options sets `verb` to what carries it out.
void add_inject(CLI::App& app, std::function<int()>& verb);

// One line a kind.
std::string inject_list();
// What there is to say of a kind; empty: there is none of the name.
std::string inject_entry(const std::string& name);

}  // namespace ioasim::tools
