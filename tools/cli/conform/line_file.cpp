#include "tools/cli/conform/line_file.hpp"

#include <sys/stat.h>
#include <array>
#include <cerrno>
#include <cstring>

#include <zlib.h>

namespace ioasim::tools {

bool read_lines(const std::string& path, std::vector<std::string>& lines, std::string& reason) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        reason = "is a directory";
        return false;
    }
    gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr) {
        reason = std::strerror(errno);
        return false;
    }
    std::string text;
    std::array<char, 65536> block{};
    int count = 0;
    while ((count = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0) {
        text.append(block.data(), static_cast<std::size_t>(count));
    }
    int code = Z_OK;
    const std::string message = gzerror(file, &code);
    const int closed = gzclose(file);  // Z_BUF_ERROR: the compressed data ends too early
    if (count < 0 || closed != Z_OK) {
        reason = code == Z_OK || message.empty() ? "the compressed data is cut off" : message;
        return false;
    }
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t end = text.find('\n', start);
        const std::size_t stop = end == std::string::npos ? text.size() : end;
        lines.push_back(text.substr(start, stop - start));
        start = stop + 1;
    }
    return true;
}

}  // namespace ioasim::tools
