// The arbiter of a group: shares engines among its workqueues by their priorities. Plain C++. DSA
// Architecture Specification 4.1: each workqueue has a counter, which starts at its priority and
// falls with each dispatch; workqueues take turns, those without work or with an empty counter are
// passed over, and when nobody with work has anything left, all counters start anew.
#pragma once

#include <cstdint>
#include <vector>

namespace ioasim::dsa {

class GroupArbiter {
public:
    explicit GroupArbiter(std::size_t workqueues) : used_(workqueues, 0) {}

    struct Candidate {
        std::uint32_t wq;
        unsigned priority;  // 1..15
    };
    // Picks one; `candidates` is not empty, in order of workqueues. Returns its workqueue.
    std::uint32_t pick(const std::vector<Candidate>& candidates);

private:
    const Candidate* next(const std::vector<Candidate>& candidates) const;

    std::vector<unsigned> used_;  // dispatches since the counters started
    std::uint32_t turn_ = 0;      // the workqueue that is looked at first
};

}  // namespace ioasim::dsa
