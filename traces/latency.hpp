// Latencies in bounded memory: exact as long as few distinct values occur (a deterministic model
// has few), rounded down to 10 significant bits beyond that. Merging two gives the same as feeding
// one.
#pragma once

#include <cstdint>
#include <map>

#include "core/base/time.hpp"

namespace ioasim::traces {

class Latency {
public:
    Latency() = default;
    Latency(const Latency& other) { *this = other; }
    Latency& operator=(const Latency& other);
    void add(TimePs value);
    void merge(const Latency& other);
    std::uint64_t count() const { return count_; }
    TimePs min() const { return TimePs{count_ == 0 ? 0 : min_}; }
    TimePs max() const { return TimePs{max_}; }
    // Lower median; percentile in per cent, 0..100.
    TimePs median() const { return percentile(50); }
    TimePs percentile(unsigned percent) const;
    TimePs mean() const { return TimePs{count_ == 0 ? 0 : sum_ / count_}; }
    bool exact() const { return !rounded_; }
    // How often each value occurred, for histograms.
    const std::map<std::uint64_t, std::uint64_t>& counts() const { return counts_; }

private:
    void put(std::uint64_t value, std::uint64_t times);
    void round_all();
    static constexpr std::size_t kDistinct = 4096;
    std::map<std::uint64_t, std::uint64_t> counts_;
    std::uint64_t last_value_ = 0;  // runs of one value do not touch the map
    std::uint64_t* last_count_ = nullptr;
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
    bool rounded_ = false;
};

}  // namespace ioasim::traces
