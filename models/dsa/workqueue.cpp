#include "models/dsa/workqueue.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim::dsa {

Workqueue::Workqueue(const WqReset& reset) : reset_(reset) {
    reset_config();
}

void Workqueue::reset_config(bool keep_size) {
    SIM_CHECK(empty(), "workqueue reset with {} descriptors", count_);
    const std::uint32_t size = keep_size ? config_.size : 0;
    config_ = WqConfig{};
    config_.size = size;
    config_.operations = {reset_.operations, 0, 0, 0};
}

std::uint32_t Workqueue::read(std::uint64_t dword) const {
    WqConfig live = config_;
    live.occupancy = count_;
    live.state = state_;
    return encode(live).at(dword);
}

bool Workqueue::writable(std::uint64_t dword, bool device_disabled) const {
    switch (dword) {
        case kWqcfgSizeDword:
            return device_disabled;
        case kWqcfgThresholdDword:
        case kWqcfgOccupancyDword:
        case kWqcfgStateDword:
            return true;
        default:
            return device_disabled || state_ == WqState::Disabled;
    }
}

bool Workqueue::write(std::uint64_t dword, std::uint32_t value, bool device_disabled,
                      bool threshold_locked) {
    const bool locked = threshold_locked && dword == kWqcfgThresholdDword && !device_disabled;
    if (!writable(dword, device_disabled) || locked) {
        return false;
    }
    if (dword == kWqcfgStateDword) {
        config_.occupancy_reached =
            config_.occupancy_reached && !get_bit(value, kWqcfgOccupancyGenerated);
        return true;
    }
    const WqConfig before = config_;
    WqcfgDwords dwords = encode(config_);
    dwords.at(dword) = value;
    config_ = decode_wqcfg(dwords);
    config_.occupancy_reached = before.occupancy_reached;
    if (before.occupancy_interrupt) {
        config_.occupancy_limit = before.occupancy_limit;
    }
    config_.operations[0] &= kDefinedOperations;
    for (std::size_t i = 1; i < config_.operations.size(); ++i) {
        config_.operations[i] = 0;
    }
    return true;
}

bool Workqueue::occupancy_interrupt(bool repeats) {
    const bool due = config_.occupancy_interrupt && state_ != WqState::Disabled &&
                     count_ <= config_.occupancy_limit;
    return due && (!std::exchange(config_.occupancy_reached, true) || repeats);
}

Admission Workqueue::admit(bool non_posted, bool limited_portal, bool device_enabled) const {
    const Admission refused = non_posted ? Admission::Retry : Admission::Dropped;
    if (!device_enabled || state_ != WqState::Enabled || non_posted == config_.dedicated) {
        return refused;
    }
    const bool threshold_applies = !config_.dedicated && limited_portal;
    const std::uint32_t room =
        threshold_applies ? std::min(config_.threshold, config_.size) : config_.size;
    if (count_ < room) {
        return Admission::Accept;
    }
    return non_posted ? Admission::Retry : Admission::Overflow;
}

void Workqueue::push(Work work) {
    if (ring_.size() < config_.size) {
        // The size changes only while the queue is disabled, hence empty; dropping keeps it.
        SIM_CHECK(count_ == 0, "workqueue grew with {} descriptors", count_);
        ring_.resize(config_.size);
        head_ = 0;
    }
    SIM_CHECK(count_ < ring_.size(), "workqueue of {} overflows", ring_.size());
    ring_[(head_ + count_) % ring_.size()] = std::move(work);
    ++count_;
}

Work Workqueue::pop() {
    SIM_CHECK(count_ > 0, "pop of an empty workqueue");
    Work work = std::move(ring_[head_]);
    head_ = static_cast<std::uint32_t>((head_ + 1) % ring_.size());
    --count_;
    return work;
}

}  // namespace ioasim::dsa
