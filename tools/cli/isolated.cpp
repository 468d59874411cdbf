// One run in a process of its own. The child sends its result through a pipe; whatever happens to
// it (a crash, a kill, a hang that even its own time limit does not end) becomes a result here.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/sim/simulation.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_signals = 0;
volatile std::sig_atomic_t g_child = 0;  // this process makes the run, another one counts signals

void on_signal(int number) {
    g_signal = number;
    g_signals = g_signals + 1;
    sim::Simulation::interrupt_from_signal();
    // Asked three times: now. A run's process gets each signal twice, from the terminal and from
    // its parent, so that only the parent counts; the end of the parent ends it.
    if (g_signals > 2 && g_child == 0) {
        _exit(128 + number);
    }
}

void send_all(int fd, const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno != EINTR) {
            return;
        }
        at += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
}

[[noreturn]] void child(const Job& job, int fd, pid_t parent) {
    g_child = 1;
    // Nobody would take the result of a run whose parent was killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        _exit(kInternal);
    }
    RunResult result;
    try {
        result = run_one(job);
    } catch (const std::exception& error) {
        result.exit_code = kInternal;
        result.error = error.what();
    }
    send_all(fd, to_json(to_node(result), 0));
    ::close(fd);
    // The run's threads and the kernel's statics are left to the system.
    _exit(0);
}

// Reads until the child closes its end. False when the host time is over and it had to be killed.
bool collect(int fd, pid_t pid, std::uint64_t timeout_seconds, std::string& text) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    constexpr std::uint64_t kGrace = 10;  // seconds for the child to end by itself
    bool forwarded = false;
    char buffer[65536];
    while (true) {
        struct pollfd entry {
            fd, POLLIN, 0
        };
        const int ready = ::poll(&entry, 1, 200);
        if (signal_seen() != 0 && !forwarded) {
            forwarded = true;
            ::kill(pid, signal_seen());
        }
        if (ready > 0) {
            const ssize_t n = ::read(fd, buffer, sizeof buffer);
            if (n == 0) {
                return true;
            }
            if (n > 0) {
                text.append(buffer, static_cast<std::size_t>(n));
            }
        }
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start);
        if (timeout_seconds != 0 &&
            static_cast<std::uint64_t>(seconds.count()) > timeout_seconds + kGrace) {
            ::kill(pid, SIGKILL);
            return false;
        }
    }
}

}  // namespace

int signal_seen() {
    return g_signal;
}

void watch_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    // nohup sets it to be ignored, and means it.
    struct sigaction before {};
    if (::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
        ::sigaction(SIGHUP, &action, nullptr);
    }
    // A reader who goes away is an error of the write, not the end of the program.
    std::signal(SIGPIPE, SIG_IGN);
}

RunResult run_isolated(const Job& job) {
    RunResult failed;
    failed.file = job.scenario.file;
    failed.name = job.scenario.name;
    failed.cell = job.scenario.cell;
    failed.purpose = job.scenario.purpose;
    failed.hash = job.hash;
    failed.profile = profile_text(job.scenario.config);
    failed.folder = job.folder;
    int ends[2];
    if (::pipe(ends) != 0) {
        failed.error = fmt::format("cannot make a pipe: {}", std::strerror(errno));
        return failed;
    }
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        failed.error = fmt::format("cannot start a process: {}", std::strerror(errno));
        return failed;
    }
    if (pid == 0) {
        ::close(ends[0]);
        child(job, ends[1], parent);
    }
    ::close(ends[1]);
    std::string text;
    const bool in_time = collect(ends[0], pid, job.options.timeout_seconds, text);
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    RunResult result;
    if (in_time && from_text(text, result)) {
        return result;
    }
    failed.reason = "killed";
    if (!in_time) {
        failed.exit_code = kHostTimeout;
        failed.error = fmt::format("the run did not end within {} s of host time and was killed",
                                   job.options.timeout_seconds);
    } else if (signal_seen() != 0) {
        failed.exit_code = 128 + signal_seen();
        failed.error = "stopped before results could be written";
    } else if (WIFSIGNALED(status)) {
        failed.error = fmt::format("the simulator crashed: {} (signal {})",
                                   strsignal(WTERMSIG(status)), WTERMSIG(status));
    } else {
        failed.error =
            fmt::format("the simulator ended with status {} and no result", WEXITSTATUS(status));
    }
    return failed;
}

}  // namespace ioasim::tools
