#include "traces/latency.hpp"

#include <algorithm>

namespace ioasim::traces {
namespace {

constexpr unsigned kBits = 10;  // significant bits that stay

std::uint64_t round_down(std::uint64_t value) {
    unsigned shift = 0;
    while ((value >> shift) >= (std::uint64_t{1} << kBits)) {
        ++shift;
    }
    return (value >> shift) << shift;
}

}  // namespace

Latency& Latency::operator=(const Latency& other) {
    counts_ = other.counts_;
    last_count_ = nullptr;  // it would point into the other's map
    count_ = other.count_;
    sum_ = other.sum_;
    min_ = other.min_;
    max_ = other.max_;
    rounded_ = other.rounded_;
    return *this;
}

void Latency::put(std::uint64_t value, std::uint64_t times) {
    const std::uint64_t key = rounded_ ? round_down(value) : value;
    if (last_count_ == nullptr || key != last_value_) {
        last_value_ = key;
        last_count_ = &counts_[key];
    }
    *last_count_ += times;
    if (!rounded_ && counts_.size() > kDistinct) {
        round_all();
    }
}

void Latency::round_all() {
    rounded_ = true;
    std::map<std::uint64_t, std::uint64_t> exact;
    exact.swap(counts_);
    for (const auto& [value, times] : exact) {
        counts_[round_down(value)] += times;
    }
    last_count_ = nullptr;
}

void Latency::add(TimePs value) {
    ++count_;
    sum_ += value.ps();
    min_ = std::min(min_, value.ps());
    max_ = std::max(max_, value.ps());
    put(value.ps(), 1);
}

void Latency::merge(const Latency& other) {
    if (other.rounded_ && !rounded_) {
        round_all();
    }
    for (const auto& [value, times] : other.counts_) {
        put(value, times);
    }
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

TimePs Latency::percentile(unsigned percent) const {
    if (count_ == 0) {
        return TimePs{};
    }
    // The smallest value with at least that share of all values at or below it.
    const std::uint64_t rank = std::max<std::uint64_t>(1, (count_ * percent + 99) / 100);
    std::uint64_t seen = 0;
    for (const auto& [value, times] : counts_) {
        seen += times;
        if (seen >= rank) {
            return TimePs{std::max(value, min_)};
        }
    }
    return TimePs{max_};
}

}  // namespace ioasim::traces
