// Size and speed of the platform's memory.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/params.hpp"
#include "models/memory/sparse_memory.hpp"

namespace ioasim::memory {

struct MemoryParams {
    std::uint64_t low_bytes = 0;   // from address 0
    std::uint64_t high_bytes = 0;  // from 4 GiB; between them lies the hole for devices
    TimePs latency;
    std::uint64_t bandwidth = 0;
    std::uint64_t channels = 0;
    std::uint64_t interleave = 0;
    TimePs link_latency;
    std::uint64_t queue = 0;
};

// Owner kind "memory".
const ParamTable<MemoryParams>& memory_param_table();

// The ranges that the two sizes describe.
std::vector<MemoryRange> memory_ranges(const MemoryParams& params);

}  // namespace ioasim::memory
