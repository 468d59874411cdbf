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

// False: nobody reads it.
bool send_all(int fd, const void* bytes, std::size_t size) {
    std::size_t at = 0;
    while (at < size) {
        const ssize_t n = ::write(fd, static_cast<const char*>(bytes) + at, size - at);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        at += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return true;
}

// Between processes of one program: a length, then the text.
using Length = std::uint64_t;

void send_text(int fd, const std::string& text) {
    const Length length = text.size();
    send_all(fd, &length, sizeof length);
    send_all(fd, text.data(), text.size());
}

// Processes that start later have the pipe open too: its end alone would tell nothing.
constexpr std::uint64_t kNoMore = ~std::uint64_t{0};

// False: nobody orders any more.
bool read_order(int fd, std::uint64_t& order) {
    ssize_t n = 0;
    do {
        n = ::read(fd, &order, sizeof order);  // a pipe gives so few bytes as a whole
    } while (n < 0 && errno == EINTR);
    return n == sizeof order && order != kNoMore;
}

void close_end(int& fd) {
    if (fd >= 0) {
        ::close(fd);
    }
    fd = -1;
}

// What SystemC and tasks that never ended leave behind adds up.
constexpr std::uint64_t kRunsOfProcess = 256;

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

RunResult RunProcess::make(const Job& job) const {
    try {
        return jobs_ != nullptr ? run_one(job) : run_last(job);
    } catch (const std::exception& error) {
        RunResult result = failed_;
        result.exit_code = kInternal;
        result.error = error.what();
        return result;
    }
}

[[noreturn]] void RunProcess::child(const Job& job, int results, int orders) const {
    send_text(results, to_json(to_node(make(job)), 0));
    std::uint64_t order = 0;
    while (jobs_ != nullptr && read_order(orders, order)) {
        send_text(results, to_json(to_node(make((*jobs_)(order))), 0));
    }
    // The run's threads and the kernel's statics are left to the system.
    _exit(0);
}

RunProcess::RunProcess(const Job& job, std::uint64_t memory) {
    start(job, memory);
}

RunProcess::RunProcess(const Jobs& jobs, std::uint64_t order, std::uint64_t memory) : jobs_(&jobs) {
    start(jobs(order), memory);
}

void RunProcess::describe(const Job& job) {
    failed_ = RunResult();
    failed_.file = job.scenario.file;
    failed_.name = job.scenario.name;
    failed_.cell = job.scenario.cell;
    failed_.purpose = job.scenario.purpose;
    failed_.hash = job.hash;
    failed_.profile = profile_text(job.scenario.config);
    failed_.folder = job.folder;
    timeout_seconds_ = job.options.timeout_seconds;
}

void RunProcess::start(const Job& job, std::uint64_t memory) {
    describe(job);
    int results[2];
    int orders[2] = {-1, -1};
    if (::pipe2(results, O_CLOEXEC) != 0) {
        failed_.error = fmt::format("cannot make a pipe: {}", std::strerror(errno));
        return;
    }
    if (jobs_ != nullptr && ::pipe2(orders, O_CLOEXEC) != 0) {
        failed_.error = fmt::format("cannot make a pipe: {}", std::strerror(errno));
        ::close(results[0]);
        ::close(results[1]);
        return;
    }
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
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
        ::close(results[0]);
        close_end(orders[1]);
        child(job, results[1], orders[0]);
    }
    ::close(results[1]);
    close_end(orders[0]);
    results_ = results[0];
    orders_ = orders[1];
    if (pid_ < 0) {
        failed_.error = fmt::format("cannot start a process: {}", std::strerror(errno));
        close_end(results_);
        close_end(orders_);
    }
}

bool RunProcess::again(std::uint64_t order) {
    describe((*jobs_)(order));
    start_ = Clock::now();
    text_.clear();
    ++runs_;
    return send_all(orders_, &order, sizeof order);
}

int RunProcess::end() {
    if (jobs_ != nullptr) {
        send_all(orders_, &kNoMore, sizeof kNoMore);
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
}

RunProcess::~RunProcess() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        end();
    }
    close_end(results_);
    close_end(orders_);
}

bool RunProcess::whole() const {
    Length length = 0;
    if (text_.size() < sizeof length) {
        return false;
    }
    std::memcpy(&length, text_.data(), sizeof length);
    return text_.size() - sizeof length == length;
}

bool RunProcess::read() {
    char buffer[65536];
    const ssize_t n = ::read(results_, buffer, sizeof buffer);
    if (n > 0) {
        text_.append(buffer, static_cast<std::size_t>(n));
    }
    return n == 0 || whole();
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
    RunResult result;
    if (!too_late && whole() && from_text(text_.substr(sizeof(Length)), result)) {
        const bool sound = result.exit_code == kPass || result.exit_code == kFailed;
        if (jobs_ == nullptr || !sound || runs_ == kRunsOfProcess) {
            end();
        }
        return result;
    }
    const bool unwanted = too_late || whole();
    if (unwanted) {
        ::kill(pid_, SIGKILL);
    }
    const int status = end();
    failed_.reason = "killed";
    failed_.error = ending(status);
    if (too_late) {
        failed_.exit_code = kHostTimeout;
        failed_.error = fmt::format("the run did not end within {} s of host time and was killed",
                                    timeout_seconds_);
    } else if (signal_seen() != 0) {
        failed_.exit_code = 128 + signal_seen();
        failed_.error = "stopped before results could be written";
    } else if (!unwanted && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        // No program kills itself so: it was the host's out-of-memory killer, or somebody.
        failed_.exit_code = kHostTimeout;
        failed_.reason = "host";
        failed_.error = "the host killed the run (signal 9), as it does when it is out of memory";
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
