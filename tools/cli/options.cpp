#include "tools/cli/options.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace ioasim::tools {

std::string file_safe(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '=' ||
                           c == ',';
        out += plain ? c : '_';
    }
    // File systems end at 255 bytes; the rest of a long cell name says little.
    return out.substr(0, 160);
}

std::string file_extension(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
    std::size_t dot = path.rfind('.');
    // "trace.jsonl.gz" is one ending.
    if (dot != std::string::npos && dot > start &&
        path.compare(dot, std::string::npos, ".gz") == 0) {
        const std::size_t before = path.rfind('.', dot - 1);
        dot = before == std::string::npos || before <= start ? dot : before;
    }
    return dot == std::string::npos || dot <= start ? std::string() : path.substr(dot);
}

std::string with_cell(const std::string& path, const std::string& cell) {
    if (cell.empty()) {
        return path;
    }
    const std::string extension = file_extension(path);
    return path.substr(0, path.size() - extension.size()) + "." + file_safe(cell) + extension;
}

std::pair<std::string, std::string> file_and_cell(const std::string& name) {
    const std::size_t hash = name.find('#');
    return {name.substr(0, hash), hash == std::string::npos ? "" : name.substr(hash + 1)};
}

std::string file_with_cell(const std::string& file, const std::string& cell) {
    return cell.empty() ? file : file + "#" + cell;
}

bool path_exists(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0;
}

bool empty_folder(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    if (!dir) {
        return false;
    }
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            return false;
        }
    }
    return true;
}

std::string write_problem(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode)) {
            return "it is a folder";
        }
        // Opening a pipe would wait for its reader.
        if (!S_ISREG(info.st_mode)) {
            return ::access(path.c_str(), W_OK) == 0 ? std::string() : std::strerror(errno);
        }
        const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            return std::strerror(errno);
        }
        ::close(fd);
        return {};
    }
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return std::strerror(errno);
    }
    ::close(fd);
    ::unlink(path.c_str());
    return {};
}

std::string file_identity(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) {
        return fmt::format("{}:{}", info.st_dev, info.st_ino);
    }
    struct Free {
        void operator()(char* p) const { std::free(p); }
    };
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const std::unique_ptr<char, Free> resolved(::realpath(folder.c_str(), nullptr));
    return resolved ? std::string(resolved.get()) + "/" + path.substr(slash + 1) : std::string();
}

std::string make_folders(const std::string& path) {
    for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), 0777) != 0) {
            const int error = errno;
            struct stat info {};
            const bool folder = ::stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
            if (!folder) {
                return fmt::format("cannot make folder {}: {}", part, std::strerror(error));
            }
        }
        if (at == std::string::npos) {
            return {};
        }
    }
}

}  // namespace ioasim::tools
