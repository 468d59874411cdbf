// How this program was built: `ioasim --version`, and what `doctor` compares with the host.
#pragma once

#include <string>

namespace ioasim::tools {

struct BuildInfo {
    std::string source;  // the commit, as it was when the build was configured
    std::string compiler;
    std::string type;
    std::string options;
    std::string libraries;
};

// Made by the build (tools/build/build_info.cmake).
const BuildInfo& build_info();

// Begins with "ioasim VERSION" on a line of its own.
std::string version_text();

}  // namespace ioasim::tools
