#include "tools/cli/programs.hpp"

#include <array>
#include <climits>
#include <cstdlib>

#include <unistd.h>

namespace ioasim::tools {

std::string program_path(const std::string& name) {
    const char* const path = std::getenv("PATH");
    std::string rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        std::string file = rest.substr(0, colon) + "/" + name;
        if (::access(file.c_str(), X_OK) == 0) {
            return file;
        }
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    }
    return {};
}

std::string own_path() {
    std::array<char, PATH_MAX> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : "ioasim";
}

}  // namespace ioasim::tools
