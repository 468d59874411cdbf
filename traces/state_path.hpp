// Paths into the state, taken apart, and names that look alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ioasim::traces {

struct PathPart {
    std::string name;
    std::vector<std::string> arguments;
    bool has_arguments = false;
};

// false: not a path at all, `error` says where.
bool parse_path(const std::string& path, std::vector<PathPart>& parts, std::string& error);

// Up to three of the candidates, closest first; only those close enough to be a slip.
std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& from);

}  // namespace ioasim::traces
