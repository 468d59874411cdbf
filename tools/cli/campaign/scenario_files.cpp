#include "tools/cli/campaign/scenario_files.hpp"

#include <algorithm>
#include <filesystem>

namespace ioasim::tools {

std::vector<std::string> scenario_files(const std::string& name) {
    namespace fs = std::filesystem;
    std::vector<std::string> files;
    std::error_code error;
    if (!fs::is_directory(name, error)) {
        return {name};
    }
    for (const auto& entry : fs::recursive_directory_iterator(name, error)) {
        const fs::path& path = entry.path();
        if (path.extension() == ".json" && path.parent_path().filename() != "schema") {
            files.push_back(path.string());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace ioasim::tools
