#include "core/base/check.hpp"

#include <cstring>

namespace ioasim {

void fail_check(const char* file, int line, const char* condition, const std::string& detail) {
    // The folder of the build must not show in any output: keep the path inside the project.
    const char* name = file;
    for (const char* root :
         {"/core/", "/models/", "/traces/", "/scenarios/", "/tools/", "/tests/"}) {
        if (const char* found = std::strstr(file, root)) {
            name = found + 1;
            break;
        }
    }
    throw ModelBug(fmt::format("{}:{}: {} ({})", name, line, detail, condition));
}

}  // namespace ioasim
