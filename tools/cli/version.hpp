// The version of the program, as `--version` and the headers of traces tell it.
#pragma once

namespace ioasim::tools {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace ioasim::tools
