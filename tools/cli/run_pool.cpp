#include "tools/cli/run_pool.hpp"

#include <algorithm>
#include <thread>

#include <poll.h>

namespace ioasim::tools {

std::uint64_t cores_of_host() {
    return std::max(1U, std::thread::hardware_concurrency());
}

RunPool::RunPool(std::uint64_t at_once, std::uint64_t seconds, std::uint64_t memory,
                 RunProcess::Jobs jobs)
    : at_once_(at_once != 0 ? at_once : cores_of_host()),
      seconds_(seconds),
      memory_(memory),
      jobs_(std::move(jobs)) {}

void RunPool::start(const Job& job, std::uint64_t tag, Done done) {
    running_.push_back({std::make_unique<RunProcess>(job, memory_), tag, std::move(done)});
}

void RunPool::start(std::uint64_t order, Done done) {
    std::unique_ptr<RunProcess> process;
    while (!resting_.empty() && process == nullptr) {
        process = std::move(resting_.back());
        resting_.pop_back();
        if (!process->again(order)) {
            process.reset();
        }
    }
    if (process == nullptr) {
        process = std::make_unique<RunProcess>(jobs_, order, memory_);
    }
    running_.push_back({std::move(process), order, std::move(done)});
}

void RunPool::look() {
    constexpr int kMomentMs = 100;
    std::vector<struct pollfd> entries;
    for (const Running& one : running_) {
        entries.push_back({one.process->fd(), POLLIN, 0});
    }
    ::poll(entries.data(), entries.size(), running_.empty() ? 0 : kMomentMs);
    std::vector<std::pair<Done, RunResult>> ended_runs;
    for (std::size_t i = entries.size(); i-- > 0;) {
        Running& one = running_[i];
        const bool ended = one.process->fd() < 0 ||
                           ((entries[i].revents & (POLLIN | POLLHUP)) != 0 && one.process->read());
        const bool late = !ended && overdue(*one.process, seconds_);
        if (!ended && !late) {
            continue;
        }
        RunResult result = one.process->collect(late);
        if (made_again(one, result)) {
            continue;
        }
        if (one.process->rests()) {
            resting_.push_back(std::move(one.process));
        }
        ended_runs.emplace_back(std::move(one.done), std::move(result));
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (signal_seen() != 0) {
        running_.clear();
    }
    // Who is told may start others.
    for (auto& [done, result] : ended_runs) {
        done(std::move(result));
    }
}

// A crash and a lack of memory, of the run or the host, may be due to the runs before it, which
// leave something behind: only what happens in a process of its own is a result.
bool RunPool::made_again(Running& one, const RunResult& result) {
    const bool doubtful =
        result.exit_code == kInternal || result.reason == "memory" || result.reason == "host";
    if (!doubtful || !one.process->used() || signal_seen() != 0) {
        return false;
    }
    one.process = std::make_unique<RunProcess>(jobs_, one.tag, memory_);
    return true;
}

void RunPool::kill_if(const std::function<bool(std::uint64_t tag)>& unwanted) {
    running_.erase(std::remove_if(running_.begin(), running_.end(),
                                  [&](const Running& one) { return unwanted(one.tag); }),
                   running_.end());
}

}  // namespace ioasim::tools
