// One workqueue: its WQCFG register image, its state, its bounded FIFO of accepted descriptors, and
// the admission rule. Plain C++. DSA Architecture Specification: workqueues, portals, WQCFG.
#pragma once

#include <cstdint>
#include <vector>

#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// Dropped: nobody is told (5.3). Overflow: lost, and an error.
enum class Admission : std::uint8_t { Accept, Retry, Dropped, Overflow };

// WQCFG after a reset: the operations that the device has; all else is 0 (table 9-3).
struct WqReset {
    std::uint64_t operations = 0;
};

class Workqueue {
public:
    explicit Workqueue(const WqReset& reset);

    // --- WQCFG, in dwords ---
    std::uint32_t read(std::uint64_t dword) const;
    // What is writable when (table 9-7): the size while the device is disabled, the threshold and
    // the occupancy interrupt always (its limit while it is off), the rest while this queue is
    // disabled. `threshold_locked`: a defect.
    // False: the write was not allowed and nothing changed.
    bool write(std::uint64_t dword, std::uint32_t value, bool device_disabled,
               bool threshold_locked = false);
    const WqConfig& config() const { return config_; }
    // `keep_size`: of the queue alone, under an enabled device.
    void reset_config(bool keep_size = false);

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
    // True when an interrupt is due: asked for, few enough entries, and the one before has been
    // acknowledged. (`repeats`: a defect).
    bool occupancy_interrupt(bool repeats = false);
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
    bool writable(std::uint64_t dword, bool device_disabled) const;

    WqReset reset_;
    WqConfig config_;
    WqState state_ = WqState::Disabled;
    std::vector<Work> ring_;
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace ioasim::dsa
