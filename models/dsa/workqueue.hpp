// One workqueue: its WQCFG register image, its state, its bounded FIFO of accepted descriptors, and
// the admission rule. Plain C++. DSA Architecture Specification: workqueues, portals, WQCFG.
#pragma once

#include <cstdint>
#include <vector>

#include "models/dsa/work.hpp"

namespace ioasim::dsa {

enum class Admission : std::uint8_t { Accept, Retry, Lost };

// WQCFG after a reset.
struct WqReset {
    std::uint32_t size = 0;
    unsigned transfer_shift = 0;
    unsigned batch_shift = 0;
    std::uint64_t operations = 0;  // all that the device has
};

class Workqueue {
public:
    explicit Workqueue(const WqReset& reset);

    // --- WQCFG, in dwords ---
    std::uint32_t read(std::uint64_t dword) const;
    // `device_disabled`: all fields are writable; else dword 2 alone, while this queue is disabled,
    // and the occupancy interrupt, which is armed again for each use.
    // False: the write was not allowed and nothing changed.
    bool write(std::uint64_t dword, std::uint32_t value, bool device_disabled);
    const WqConfig& config() const { return config_; }
    void reset_config();

    WqState state() const { return state_; }
    void set_state(WqState state) { state_ = state; }

    // --- submissions ---
    // Non-posted submissions belong to shared queues, posted ones to dedicated queues: the other
    // combinations are refused or lost.
    Admission admit(bool non_posted, bool limited_portal, bool device_enabled) const;
    void push(Work work);

    // --- FIFO ---
    std::uint32_t occupancy() const { return count_; }
    bool empty() const { return count_ == 0; }
    // An entry left: true when an interrupt is due for it, once.
    // (`stays_armed`: a defect).
    bool occupancy_fell(bool stays_armed = false);
    const Work& at(std::uint32_t position) const {
        return ring_[(head_ + position) % ring_.size()];
    }
    const Work& front() const { return at(0); }
    Work pop();
    // Removes what `matches`, telling `dropped` about each in order.
    template <class Matches, class Dropped>
    void drop_if(Matches&& matches, Dropped&& dropped) {
        const std::uint32_t before = count_;
        for (std::uint32_t i = 0; i < before; ++i) {
            Work work = pop();
            if (matches(work)) {
                dropped(work);
            } else {
                push(work);
            }
        }
    }

private:
    WqReset reset_;
    WqConfig config_;
    WqState state_ = WqState::Disabled;
    std::vector<Work> ring_;
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace ioasim::dsa
