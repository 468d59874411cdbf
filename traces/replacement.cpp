#include "traces/replacement.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "traces/byte_sink.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::traces {
namespace {

constexpr unsigned kPermissions = 07777;
constexpr unsigned kOwnFolder = 0700;

// The file that a name leads to; the name itself where there is none.
std::string resolved(const std::string& path) {
    struct Free {
        void operator()(char* text) const { std::free(text); }
    };
    const std::unique_ptr<char, Free> whole(::realpath(path.c_str(), nullptr));
    return whole ? std::string(whole.get()) : path;
}

// Empty: done. A link may lead to another file system.
std::string move_file(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) == 0) {
        return {};
    }
    if (errno != EXDEV) {
        return to + ": " + std::strerror(errno);
    }
    std::ifstream in(from, std::ios::binary);
    return replace_file(to, std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace

Replacement::Replacement(std::string path) : path_(std::move(path)), written_(path_) {
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return;
    }
    mode_ = status.st_mode & kPermissions;
    target_ = resolved(path_);
    const std::string folder = name_aside(target_);
    if (::mkdir(folder.c_str(), kOwnFolder) != 0 && errno != EEXIST) {
        // In a folder where only the file may be changed nothing can be made beside it.
        if (errno == EACCES || errno == EPERM) {
            return;
        }
        problem_ = path_ + ": " + std::strerror(errno);
    }
    folder_ = folder;
    written_ = folder_ + "/" + path_.substr(path_.rfind('/') + 1);
}

Replacement::~Replacement() {
    drop();
}

void Replacement::drop() {
    if (!folder_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
}

std::string Replacement::told(std::string text) const {
    const std::string before = folder_.empty() ? std::string() : folder_ + "/";
    for (std::size_t at = 0; !before.empty() && (at = text.find(before, at)) != text.npos;) {
        text.replace(at, before.size(), path_.substr(0, path_.rfind('/') + 1));
    }
    return text;
}

std::string Replacement::finish(const std::string& problem) {
    std::string error = problem_.empty() ? told(problem) : problem_;
    if (folder_.empty()) {
        return error;
    }
    const std::vector<std::string> made = trace_files(written_);
    const std::vector<std::string> wanted = trace_files(path_);
    for (std::size_t i = 0; i < made.size() && error.empty(); ++i) {
        if (::access(made[i].c_str(), F_OK) != 0) {
            continue;
        }
        if (i == 0) {
            ::chmod(made[i].c_str(), mode_);
        }
        error = move_file(made[i], i == 0 ? target_ : resolved(wanted[i]));
    }
    drop();
    return error;
}

void Replacement::discard() {
    if (!folder_.empty()) {
        drop();
        return;
    }
    for (const std::string& file : trace_files(path_)) {
        struct stat status {};
        if (::lstat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            ::unlink(file.c_str());
        }
    }
}

}  // namespace ioasim::traces
