#include "tools/cli/terminal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace ioasim::tools {
namespace {

int g_stdout_errno = 0;

bool colour_on(int fd) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(fd) == 1 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
           std::strcmp(term, "dumb") != 0;
}

int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
}

}  // namespace

bool colour_on_stderr() {
    return colour_on(STDERR_FILENO);
}
bool colour_on_stdout() {
    return colour_on(STDOUT_FILENO);
}

bool print_out(std::string_view text) {
    if (g_stdout_errno == 0) {
        g_stdout_errno = write_all(STDOUT_FILENO, text);
    }
    return g_stdout_errno == 0;
}

bool print_err(std::string_view text) {
    return write_all(STDERR_FILENO, text) == 0;
}
bool stdout_failed() {
    return g_stdout_errno != 0 && g_stdout_errno != EPIPE;
}
std::string stdout_error() {
    return std::strerror(g_stdout_errno);
}

void keep_standard_streams() {
    // Open in the wrong direction: a write still tells that there is nobody to write to.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

Progress::Progress(bool wanted) : enabled_(wanted && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (visible_) {
        print_err("\r\033[K");
    }
}

double Progress::seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::update(TimePs now, TimePs limit, std::uint64_t events) {
    if (!enabled_) {
        return;
    }
    const Clock::time_point clock = Clock::now();
    using std::chrono::milliseconds;
    if (clock - start_ < milliseconds(1000) || clock - shown_ < milliseconds(200)) {
        return;
    }
    shown_ = clock;
    visible_ = true;
    constexpr std::uint64_t kWidth = 30;
    const std::uint64_t done =
        limit.ps() == 0
            ? 0
            : std::min(kWidth, now.ps() / std::max<std::uint64_t>(1, limit.ps() / kWidth));
    const auto hosts = static_cast<std::uint64_t>(seconds());
    print_err(fmt::format("\r\033[K[{}{}] {:.3f} us simulated of at most {}, {} events, {} s",
                          std::string(done, '#'), std::string(kWidth - done, '.'),
                          static_cast<double>(now.ps()) / 1e6, format_time(limit), events, hosts));
}

}  // namespace ioasim::tools
