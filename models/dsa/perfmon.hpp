// Performance monitoring: counters of events that software chooses, at the offset that OFFSETS
// tells. Plain C++. DSA Architecture Specification (PERFCAP to CNTRDATA); Linux
// drivers/dma/idxd/registers.h.
//
// One event is counted: hits of the device TLB. Left out: all others, filters, capabilities of
// single counters.
#pragma once

#include <cstdint>
#include <vector>

#include "models/dsa/dsa_layout.hpp"

namespace ioasim::dsa {

class Perfmon {
public:
    explicit Perfmon(std::size_t counters) : counters_(counters) {}

    // Aligned dwords, offsets from the start of the block.
    std::uint32_t read(std::uint64_t offset) const;
    void write(std::uint64_t offset, std::uint32_t value);
    // An event of a category happened. True: a counter that asks for an interrupt overflowed.
    bool count(perf::Category category, std::uint32_t event);
    void reset();

private:
    struct Counter {
        std::uint64_t config = 0;
        std::uint64_t value = 0;
    };
    std::uint32_t all() const {
        return static_cast<std::uint32_t>(bit_mask(static_cast<unsigned>(counters_.size()) - 1, 0));
    }

    std::vector<Counter> counters_;
    std::uint64_t overflow_ = 0;
    std::uint32_t frozen_ = 0;  // bit N: counter N
};

}  // namespace ioasim::dsa
