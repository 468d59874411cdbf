#include "traces/byte_sink.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "traces/replacement.hpp"

namespace ioasim::traces {
namespace {

// A write to a pipe whose reader left raises SIGPIPE. The signal is held back for the write and
// taken away, so that the caller sees EPIPE whatever the process does with signals.
class HoldSigpipe {
public:
    HoldSigpipe() {
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        sigemptyset(&set_);
        sigaddset(&set_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    ~HoldSigpipe() {
        if (!was_pending_) {
            const timespec at_once{0, 0};
            while (sigtimedwait(&set_, nullptr, &at_once) < 0 && errno == EINTR) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    HoldSigpipe(const HoldSigpipe&) = delete;
    HoldSigpipe& operator=(const HoldSigpipe&) = delete;

private:
    sigset_t set_{};
    sigset_t before_{};
    bool was_pending_ = false;
};

}  // namespace

OutputFile::OutputFile(std::string path, std::size_t block_bytes)
    : path_(std::move(path)), block_bytes_(block_bytes) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) {
        fail(errno);
        return;
    }
    struct stat status {};
    seekable_ = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
}

OutputFile::~OutputFile() {
    close();
}

void OutputFile::fail(int error_number) {
    if (error_.empty()) {
        error_ = path_ + ": " + std::strerror(error_number);
    }
    buffer_.clear();
}

void OutputFile::write(std::string_view bytes) {
    buffer_.append(bytes);
    if (buffer_.size() >= block_bytes_) {
        flush();
    }
}

void OutputFile::write_out(std::string_view bytes) {
    const HoldSigpipe hold;
    while (!bytes.empty()) {
        const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            fail(errno);
            return;
        }
        flushed_ += static_cast<std::uint64_t>(done);
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
}

void OutputFile::flush() {
    flush_prefix(buffer_.size());
}

void OutputFile::flush_prefix(std::size_t count) {
    if (fd_ < 0 || !error_.empty()) {
        buffer_.clear();
        return;
    }
    write_out(std::string_view(buffer_).substr(0, count));
    if (error_.empty()) {
        buffer_.erase(0, count);
    }
}

bool OutputFile::patch(std::uint64_t offset, std::string_view bytes) {
    if (!seekable_ || fd_ < 0 || !error_.empty() || offset + bytes.size() > flushed_) {
        return false;
    }
    while (!bytes.empty()) {
        const ssize_t done = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            fail(errno);
            return false;
        }
        offset += static_cast<std::uint64_t>(done);
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
}

void OutputFile::close() {
    if (fd_ < 0) {
        return;
    }
    flush();
    if (::close(fd_) != 0) {
        fail(errno);
    }
    fd_ = -1;
}

std::string name_aside(const std::string& path) {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    return path + "." + host.data() + "." + std::to_string(::getpid()) + ".part";
}

std::string replace_file(const std::string& path, std::string_view content) {
    struct stat status {};
    const bool exists = ::lstat(path.c_str(), &status) == 0;
    // A device, a pipe and whatever a link leads to stay what they are.
    const bool in_place = exists && !S_ISREG(status.st_mode);
    const std::string written = in_place ? path : name_aside(path);
    OutputFile file(written);
    file.write(content);
    file.close();
    std::string error;
    if (!file.error().empty()) {
        // Told of the file that was asked for.
        error = path + file.error().substr(written.size());
    } else if (!in_place && std::rename(written.c_str(), path.c_str()) != 0) {
        error = path + ": " + std::strerror(errno);
    }
    if (!error.empty() && !in_place) {
        std::remove(written.c_str());
    }
    return error;
}

}  // namespace ioasim::traces
