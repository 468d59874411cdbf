// Submissions of a guest whose portals the VMM has taken away: the write traps, the guest's
// processor is told that it was accepted, and the VMM keeps the descriptor until the device goes
// on, here or on another host. Guest PASIDs only.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <utility>

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
    // The guest ends a binding: what is kept of it goes to the device now, and nothing more of it
    // is kept until it binds again.
    std::deque<KeptSubmission> end(std::uint32_t device, std::uint32_t gpasid) {
        ended_.insert({device, gpasid});
        std::deque<KeptSubmission> taken;
        std::deque<KeptSubmission> rest;
        for (const KeptSubmission& each : queue_) {
            const bool of_it = each.device == device && each.gpasid == gpasid;
            (of_it ? taken : rest).push_back(each);
        }
        queue_ = std::move(rest);
        return taken;
    }
    void begin(std::uint32_t device, std::uint32_t gpasid) { ended_.erase({device, gpasid}); }
    bool ended(std::uint32_t device, std::uint32_t gpasid) const {
        return ended_.count({device, gpasid}) != 0;
    }
    const std::deque<KeptSubmission>& all() const { return queue_; }
    void restore(std::deque<KeptSubmission> all) { queue_ = std::move(all); }
    void clear() { queue_.clear(); }

private:
    std::uint64_t capacity_;
    std::uint64_t last_number_ = 0;
    std::deque<KeptSubmission> queue_;
    std::set<std::pair<std::uint32_t, std::uint32_t>> ended_;
};

}  // namespace ioasim::vm
