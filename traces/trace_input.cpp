#include "traces/trace_input.hpp"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>

namespace ioasim::traces {

TraceInput::TraceInput(const std::string& path) : file_(path, std::ios::binary) {
    struct stat info {};
    if (!file_) {
        problem_ = std::strerror(errno);
    } else if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        problem_ = std::strerror(EISDIR);
    }
    constexpr int kGzipFirst = 0x1f;  // RFC 1952, 2.3.1: ID1
    if (problem_.empty() && file_.peek() == kGzipFirst) {
        gunzip_ = std::make_unique<GunzipBuffer>(*file_.rdbuf());
        stream_ = std::make_unique<std::istream>(gunzip_.get());
    } else {
        stream_ = std::make_unique<std::istream>(file_.rdbuf());
    }
    file_.clear();
}

std::string TraceInput::problem() const {
    return problem_.empty() && gunzip_ ? gunzip_->problem() : problem_;
}

}  // namespace ioasim::traces
