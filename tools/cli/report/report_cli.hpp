// `report` on the command line.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ioasim::tools {

void add_report(CLI::App& app, std::function<int()>& verb);

}  // namespace ioasim::tools
