// Runs side by side, each in a process of its own, or in one that makes one after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tools/cli/run_process.hpp"

namespace ioasim::tools {

// So many as one a core.
std::uint64_t cores_of_host();

class RunPool {
public:
    using Done = std::function<void(RunResult)>;

    // At most `at_once` at a time (0: one a core), each with so much host time and memory. `jobs`:
    // for runs that are named by their order.
    RunPool(std::uint64_t at_once, std::uint64_t seconds, std::uint64_t memory,
            RunProcess::Jobs jobs = {});

    std::uint64_t at_once() const { return at_once_; }
    bool full() const { return running_.size() >= at_once_; }
    bool idle() const { return running_.empty(); }
    // `tag` is for kill_if. A run may be started over the limit: the limit is the caller's to keep.
    void start(const Job& job, std::uint64_t tag, Done done);
    // The run of `order`, in a process that has made others when one is free: no start of a
    // process, which costs more than a small run.
    void start(std::uint64_t order, Done done);
    // Takes what the running ones have to say, for a moment, and tells what ended. A signal to this
    // process kills them all: half a run is no result.
    void look();
    // Nobody wants to know any more.
    void kill_if(const std::function<bool(std::uint64_t tag)>& unwanted);

private:
    struct Running {
        std::unique_ptr<RunProcess> process;
        std::uint64_t tag;
        Done done;
    };
    // True: the process, or another one, makes it once more.
    bool made_again(Running& one, const RunResult& result);

    std::uint64_t at_once_;
    std::uint64_t seconds_;
    std::uint64_t memory_;
    RunProcess::Jobs jobs_;
    std::vector<Running> running_;
    std::vector<std::unique_ptr<RunProcess>> resting_;
};

}  // namespace ioasim::tools
