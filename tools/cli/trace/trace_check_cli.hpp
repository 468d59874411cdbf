// `ioasim trace check` and `ioasim trace convert`.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace ioasim::tools {

void add_trace_check(CLI::App& trace, std::function<int()>& verb);

}  // namespace ioasim::tools
