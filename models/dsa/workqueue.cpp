#include "models/dsa/workqueue.hpp"

#include "core/base/check.hpp"

namespace ioasim::dsa {

Workqueue::Workqueue(const WqReset& reset) : reset_(reset) {
    reset_config();
}

void Workqueue::reset_config() {
    SIM_CHECK(empty(), "workqueue reset with {} descriptors", count_);
    config_ = WqConfig{};
    config_.size = reset_.size;
    config_.max_transfer_shift = reset_.transfer_shift;
    config_.max_batch_shift = reset_.batch_shift;
    config_.operations = {reset_.operations, 0, 0, 0};
}

std::uint32_t Workqueue::read(std::uint64_t dword) const {
    WqConfig live = config_;
    live.occupancy = count_;
    live.state = state_;
    return encode(live).at(dword);
}

bool Workqueue::write(std::uint64_t dword, std::uint32_t value, bool device_disabled) {
    const bool writable = device_disabled || dword == kWqcfgOccupancyDword ||
                          (dword == kWqcfgPasidDword && state_ == WqState::Disabled);
    if (!writable || dword == kWqcfgStateDword) {
        return false;
    }
    WqcfgDwords dwords = encode(config_);
    dwords.at(dword) = value;
    config_ = decode_wqcfg(dwords);
    for (std::size_t i = 0; i < config_.operations.size(); ++i) {
        config_.operations[i] &= i == 0 ? reset_.operations : 0;
    }
    if (dword == kWqcfgOccupancyDword) {
        config_.occupancy_reached = false;
    }
    return true;
}

bool Workqueue::occupancy_fell(bool stays_armed) {
    if (!config_.occupancy_interrupt || count_ > config_.occupancy_limit) {
        return false;
    }
    config_.occupancy_interrupt = stays_armed;
    config_.occupancy_reached = true;
    return true;
}

Admission Workqueue::admit(bool non_posted, bool limited_portal, bool device_enabled) const {
    const Admission refused = non_posted ? Admission::Retry : Admission::Lost;
    if (!device_enabled || state_ != WqState::Enabled || non_posted == config_.dedicated) {
        return refused;
    }
    const bool threshold_applies = !config_.dedicated && limited_portal;
    const std::uint32_t room = threshold_applies ? config_.threshold : config_.size;
    return count_ < room ? Admission::Accept : refused;
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
