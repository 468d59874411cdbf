// Processes of runs, and the signals that end them.
#include "tools/cli/run_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/sim/simulation.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

volatile std::sig_atomic_t g_signal = 0;
volatile std::sig_atomic_t g_signals = 0;
volatile std::sig_atomic_t g_at_once = 0;  // nothing is under way that must end in order
volatile std::sig_atomic_t g_child = 0;    // this process makes the run, another one counts signals

void on_signal(int number) {
    g_signal = number;
    g_signals = g_signals + 1;
    sim::Simulation::interrupt_from_signal();
    // Asked three times: now. A run's process gets each signal twice, from the terminal and from
    // its parent, so that only the parent counts; the end of the parent ends it.
    if ((g_signals > 2 || g_at_once != 0) && g_child == 0) {
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
    // A reader who goes away is an error of the write, not the end of the program; so is a file
    // that gets larger than it may.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

void end_at_signal() {
    g_at_once = 1;
    if (g_signal != 0) {
        _exit(128 + g_signal);
    }
}

void stop_if_asked() {
    if (g_signal != 0) {
        throw Interrupted();
    }
}

bool overdue(const RunProcess& process, std::uint64_t timeout_seconds) {
    constexpr double kGrace = 10;  // seconds for the process to end by itself
    return timeout_seconds != 0 &&
           process.seconds() > static_cast<double>(timeout_seconds) + kGrace;
}

[[noreturn]] void RunProcess::child(const Job& job, int fd, pid_t parent,
                                    std::uint64_t memory) const {
    g_child = 1;
    // Nobody would take the result of a run whose parent was killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        _exit(kInternal);
    }
    if (memory != 0) {
        const struct rlimit limit { memory, memory };
        ::setrlimit(RLIMIT_AS, &limit);
    }
    RunResult result = failed_;
    try {
        result = run_last(job);
    } catch (const std::exception& error) {
        result.exit_code = kInternal;
        result.error = error.what();
    }
    send_all(fd, to_json(to_node(result), 0));
    ::close(fd);
    // The run's threads and the kernel's statics are left to the system.
    _exit(0);
}

RunProcess::RunProcess(const Job& job, std::uint64_t memory)
    : timeout_seconds_(job.options.timeout_seconds) {
    failed_.file = job.scenario.file;
    failed_.name = job.scenario.name;
    failed_.cell = job.scenario.cell;
    failed_.purpose = job.scenario.purpose;
    failed_.hash = job.hash;
    failed_.profile = profile_text(job.scenario.config);
    failed_.folder = job.folder;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        failed_.error = fmt::format("cannot make a pipe: {}", std::strerror(errno));
        return;
    }
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::close(ends[0]);
        child(job, ends[1], parent, memory);
    }
    ::close(ends[1]);
    if (pid_ < 0) {
        failed_.error = fmt::format("cannot start a process: {}", std::strerror(errno));
        ::close(ends[0]);
        return;
    }
    fd_ = ends[0];
}

RunProcess::~RunProcess() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

bool RunProcess::read() {
    char buffer[65536];
    const ssize_t n = ::read(fd_, buffer, sizeof buffer);
    if (n > 0) {
        text_.append(buffer, static_cast<std::size_t>(n));
    }
    return n == 0;
}

double RunProcess::seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
}

void RunProcess::signal(int number) {
    ::kill(pid_, number);
}

RunResult RunProcess::collect(bool too_late) {
    if (pid_ < 0) {
        return failed_;
    }
    if (too_late) {
        ::kill(pid_, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    RunResult result;
    if (!too_late && from_text(text_, result)) {
        return result;
    }
    failed_.reason = "killed";
    failed_.error = ending(status);
    if (too_late) {
        failed_.exit_code = kHostTimeout;
        failed_.error = fmt::format("the run did not end within {} s of host time and was killed",
                                    timeout_seconds_);
    } else if (signal_seen() != 0) {
        failed_.exit_code = 128 + signal_seen();
        failed_.error = "stopped before results could be written";
    }
    return failed_;
}

std::string RunProcess::ending(int status) const {
    return WIFSIGNALED(status) ? fmt::format("the simulator crashed: {} (signal {})",
                                             strsignal(WTERMSIG(status)), WTERMSIG(status))
                               : fmt::format("the simulator ended with status {} and no result",
                                             WEXITSTATUS(status));
}

RunResult run_isolated(const Job& job) {
    RunProcess process(job);
    bool ended = process.fd() < 0;
    bool late = false;
    bool passed_on = false;
    while (!ended && !late) {
        constexpr int kLookMs = 200;
        struct pollfd entry {
            process.fd(), POLLIN, 0
        };
        const int ready = ::poll(&entry, 1, kLookMs);
        if (signal_seen() != 0 && !passed_on) {
            passed_on = true;
            process.signal(signal_seen());
        }
        ended = ready > 0 && process.read();
        late = !ended && overdue(process, job.options.timeout_seconds);
    }
    return process.collect(late);
}

}  // namespace ioasim::tools
