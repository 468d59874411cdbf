// The arbiter of a group: shares engines among its workqueues in proportion to their priorities,
// and serves the older head first where shares are even. Stride scheduling; plain C++.
//
// A workqueue of priority 6 gets three times the dispatches of one of priority 2 while both have
// work; one that was empty does not save up a claim.
#pragma once

#include <cstdint>
#include <vector>

namespace ioasim::dsa {

class GroupArbiter {
public:
    explicit GroupArbiter(std::size_t workqueues) : pass_(workqueues, 0) {}

    struct Candidate {
        std::uint32_t wq;
        unsigned priority;      // 1..15
        std::uint64_t arrival;  // smaller: older
    };
    // Picks one; `candidates` is not empty. Returns its workqueue.
    std::uint32_t pick(const std::vector<Candidate>& candidates);

private:
    std::vector<std::uint64_t> pass_;
    std::uint64_t virtual_time_ = 0;
};

}  // namespace ioasim::dsa
