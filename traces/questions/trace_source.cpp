#include "traces/questions/trace_source.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <streambuf>

#include <sys/stat.h>
#include <zlib.h>

#include <fmt/format.h>

namespace ioasim::traces {
namespace {

bool is_folder(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

bool exists(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0;
}

}  // namespace

// zlib passes through what is not compressed.
class TraceSource::Buffer final : public std::streambuf {
public:
    explicit Buffer(gzFile file) : file_(file) {}
    ~Buffer() override { gzclose(file_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::string error() const {
        int code = Z_OK;
        const char* const text = gzerror(file_, &code);
        return code == Z_OK || code == Z_STREAM_END ? std::string()
               : code == Z_ERRNO                    ? std::string(std::strerror(errno))
                                                    : std::string(text);
    }

protected:
    int_type underflow() override {
        const int count = gzread(file_, bytes_.data(), static_cast<unsigned>(bytes_.size()));
        if (count <= 0) {
            return traits_type::eof();
        }
        setg(bytes_.data(), bytes_.data(), bytes_.data() + count);
        return traits_type::to_int_type(bytes_[0]);
    }

private:
    gzFile file_;
    std::array<char, 64 * 1024> bytes_{};
};

TraceSource::TraceSource(const std::string& path) : path_(path), stream_(nullptr) {
    if (is_folder(path)) {
        path_ = path + "/trace.jsonl";
        if (!exists(path_) && exists(path_ + ".gz")) {
            path_ += ".gz";
        }
        if (!exists(path_)) {
            problem_ = fmt::format("the folder {} holds no trace.jsonl", path);
            return;
        }
    }
    const gzFile file = gzopen(path_.c_str(), "rb");
    if (file == nullptr) {
        problem_ = fmt::format("cannot open {}: {}", path_, std::strerror(errno));
        return;
    }
    buffer_ = std::make_unique<Buffer>(file);
    stream_.rdbuf(buffer_.get());
}

TraceSource::~TraceSource() = default;

std::string TraceSource::error() const {
    return buffer_ == nullptr || !problem_.empty() ? problem_ : buffer_->error();
}

}  // namespace ioasim::traces
