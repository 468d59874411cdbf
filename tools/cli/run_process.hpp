// A run in a process of its own, under way. The process sends its result through a pipe; whatever
// happens to it (a crash, a kill, a hang that even its own time limit does not end) becomes a
// result here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <sys/types.h>

#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

class RunProcess {
public:
    // Starts it. `memory`: bytes that it may take, 0: any number.
    explicit RunProcess(const Job& job, std::uint64_t memory = 0);
    // A run that was not collected is killed.
    ~RunProcess();
    RunProcess(const RunProcess&) = delete;
    RunProcess& operator=(const RunProcess&) = delete;

    // To poll for input; negative: it could not be started.
    int fd() const { return fd_; }
    // Takes what the process has sent. True: it has sent everything.
    bool read();
    double seconds() const;
    void signal(int number);
    // What came of it. Kills it when it has not ended yet: `too_late` tells that as its time-out.
    RunResult collect(bool too_late = false);

private:
    [[noreturn]] void child(const Job& job, int fd, pid_t parent, std::uint64_t memory) const;
    std::string ending(int status) const;

    using Clock = std::chrono::steady_clock;
    Clock::time_point start_ = Clock::now();
    RunResult failed_;  // what is told when the process tells nothing
    std::uint64_t timeout_seconds_;
    int fd_ = -1;
    pid_t pid_ = -1;
    std::string text_;
};

// It had its time, and more to end by itself.
bool overdue(const RunProcess& process, std::uint64_t timeout_seconds);

// Waits for it, and passes signals on.
RunResult run_isolated(const Job& job);

}  // namespace ioasim::tools
