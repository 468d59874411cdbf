// A process of its own for a run, or for one run after the other. It sends each result through a
// pipe; whatever happens to it (a crash, a kill, a hang that even its own time limit does not end)
// becomes a result here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <sys/types.h>

#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

class RunProcess {
public:
    // The run of an order. Asked in the process too, which knows what was there when it started;
    // what is given is good until the next call.
    using Jobs = std::function<const Job&(std::uint64_t order)>;

    // Makes this run and ends. `memory`: bytes that it may take, 0: any number.
    explicit RunProcess(const Job& job, std::uint64_t memory = 0);
    // Makes this order's run, and waits for the next order. `jobs` outlives it.
    RunProcess(const Jobs& jobs, std::uint64_t order, std::uint64_t memory);
    // A run that was not collected is killed.
    ~RunProcess();
    RunProcess(const RunProcess&) = delete;
    RunProcess& operator=(const RunProcess&) = delete;

    // To poll for input; negative: it could not be started.
    int fd() const { return results_; }
    // Takes what the process has sent. True: it has sent everything.
    bool read();
    double seconds() const;
    void signal(int number);
    // What came of it. Kills it when it has not ended yet: `too_late` tells that as its time-out.
    RunResult collect(bool too_late = false);
    // After collect(): it can make another run, and is not worn out.
    bool rests() const { return pid_ > 0; }
    // It made other runs before this one.
    bool used() const { return runs_ > 1; }
    // False: it is gone.
    bool again(std::uint64_t order);

private:
    void start(const Job& job, std::uint64_t memory);
    void describe(const Job& job);
    RunResult make(const Job& job) const;
    [[noreturn]] void child(const Job& job, int results, int orders) const;
    bool whole() const;
    int end();
    std::string ending(int status) const;

    using Clock = std::chrono::steady_clock;
    const Jobs* jobs_ = nullptr;  // none: one run only
    std::uint64_t runs_ = 1;
    Clock::time_point start_ = Clock::now();
    RunResult failed_;  // what is told when the process tells nothing
    std::uint64_t timeout_seconds_ = 0;
    int results_ = -1;
    int orders_ = -1;
    pid_t pid_ = -1;
    std::string text_;
};

// It had its time, and more to end by itself.
bool overdue(const RunProcess& process, std::uint64_t timeout_seconds);

// Waits for it, and passes signals on.
RunResult run_isolated(const Job& job);

}  // namespace ioasim::tools
