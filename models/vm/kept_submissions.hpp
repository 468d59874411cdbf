// Submissions of a guest whose portals the VMM has taken away: the write traps, the guest's
// processor is told that it was accepted, and the VMM keeps the descriptor until the device goes
// on, here or on another host. Guest PASIDs only.
#pragma once

#include <cstdint>
#include <deque>

#include "models/cpu/cpu_if.hpp"

namespace ioasim::vm {

struct KeptSubmission {
    std::uint64_t number = 0;  // counted over the VM's life, from 1
    std::uint32_t device = 0;  // in the order of assignment
    std::uint32_t queue = 0;
    std::uint32_t gpasid = 0;
    cpu::Descriptor64 descriptor{};
};

class KeptSubmissions {
public:
    explicit KeptSubmissions(std::uint64_t capacity) : capacity_(capacity) {}

    bool full() const { return queue_.size() >= capacity_; }
    const KeptSubmission& add(KeptSubmission submission) {
        submission.number = ++last_number_;
        queue_.push_back(submission);
        return queue_.back();
    }
    const std::deque<KeptSubmission>& all() const { return queue_; }
    void restore(std::deque<KeptSubmission> all) { queue_ = std::move(all); }
    void clear() { queue_.clear(); }

private:
    std::uint64_t capacity_;
    std::uint64_t last_number_ = 0;
    std::deque<KeptSubmission> queue_;
};

}  // namespace ioasim::vm
