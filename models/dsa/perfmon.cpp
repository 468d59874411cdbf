#include "models/dsa/perfmon.hpp"

namespace ioasim::dsa {

namespace {

constexpr std::uint64_t kValueMask = bit_mask(perf::kCounterWidth - 1, 0);

std::uint32_t half(std::uint64_t value, std::uint64_t offset) {
    return static_cast<std::uint32_t>(offset % 8 == 0 ? value : value >> 32U);
}
std::uint64_t with_half(std::uint64_t old, std::uint64_t offset, std::uint32_t value) {
    return offset % 8 == 0 ? set_bits(old, 31, 0, value) : set_bits(old, 63, 32, value);
}

}  // namespace

std::uint32_t Perfmon::read(std::uint64_t offset) const {
    const std::uint64_t quadword = offset & ~std::uint64_t{7};
    if (quadword == perf::kCapabilities) {
        return half(encode(perf::Capabilities{static_cast<std::uint32_t>(counters_.size())}),
                    offset);
    }
    if (offset == perf::kFreeze) {
        return frozen_;
    }
    if (quadword == perf::kOverflow) {
        return half(overflow_, offset);
    }
    if (quadword == perf::event_capability(perf::Category::Translation)) {
        return half(perf::kDeviceTlbHit, offset);
    }
    for (std::size_t i = 0; i < counters_.size(); ++i) {
        if (quadword == perf::counter_config(i)) {
            return half(counters_[i].config, offset);
        }
        if (quadword == perf::counter_data(i)) {
            return half(counters_[i].value, offset);
        }
    }
    return 0;
}

void Perfmon::write(std::uint64_t offset, std::uint32_t value) {
    const std::uint64_t quadword = offset & ~std::uint64_t{7};
    if (offset == perf::kReset) {
        for (Counter& counter : counters_) {
            counter.config = get_bit(value, perf::kResetConfig) ? 0 : counter.config;
            counter.value = get_bit(value, perf::kResetCounters) ? 0 : counter.value;
        }
        if (get_bit(value, perf::kResetConfig)) {
            overflow_ = frozen_ = 0;
        }
    } else if (offset == perf::kFreeze) {
        frozen_ = value & all();
    } else if (quadword == perf::kOverflow) {
        overflow_ &= ~with_half(0, offset, value);
    }
    for (std::size_t i = 0; i < counters_.size(); ++i) {
        if (quadword == perf::counter_config(i)) {
            const std::uint64_t old = counters_[i].config;
            const std::uint64_t wanted = with_half(old, offset, value) & perf::kConfigMask;
            // Of a counter that is on, only that can be changed (6.2).
            counters_[i].config = get_bit(old, perf::kEnable)
                                      ? set_bit(old, perf::kEnable, get_bit(wanted, perf::kEnable))
                                      : wanted;
            if (!get_bit(counters_[i].config, perf::kEnable)) {
                frozen_ &= ~(1U << i);  // 9.2.25.6
            }
        } else if (quadword == perf::counter_data(i)) {
            counters_[i].value = with_half(counters_[i].value, offset, value) & kValueMask;
        }
    }
}

bool Perfmon::count(perf::Category category, std::uint32_t event) {
    bool interrupt = false;
    for (std::size_t i = 0; i < counters_.size(); ++i) {
        Counter& counter = counters_[i];
        const bool counts =
            get_bit(counter.config, perf::kEnable) && !get_bit(frozen_, static_cast<unsigned>(i)) &&
            get_bits(counter.config, 11, 8) == static_cast<std::uint64_t>(category) &&
            (get_bits(counter.config, 59, 32) & event) != 0;
        if (!counts) {
            continue;
        }
        counter.value = (counter.value + 1) & kValueMask;
        if (counter.value == 0) {
            overflow_ = set_bit(overflow_, static_cast<unsigned>(i));
            interrupt = interrupt || get_bit(counter.config, perf::kInterrupt);
            frozen_ |= get_bit(counter.config, perf::kFreezeOnOverflow) ? all() : 0;
        }
    }
    return interrupt;
}

void Perfmon::reset() {
    counters_.assign(counters_.size(), Counter{});
    overflow_ = 0;
    frozen_ = 0;
}

}  // namespace ioasim::dsa
