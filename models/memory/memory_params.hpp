// Size and speed of the platform's memory.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/params.hpp"
#include "models/memory/sparse_memory.hpp"

namespace ioasim::memory {

struct MemoryParams {
    std::uint64_t low_bytes = 0;    // from address 0
    std::uint64_t high_bytes = 0;   // from 4 GiB; between them lies the hole for devices
    std::uint64_t node1_bytes = 0;  // behind them: of the second socket
    TimePs latency;
    std::uint64_t bandwidth = 0;
    std::uint64_t channels = 0;
    std::uint64_t interleave = 0;
    TimePs link_latency;
    std::uint64_t queue = 0;
    std::uint64_t llc_bytes = 0;         // of each socket
    std::uint64_t llc_device_bytes = 0;  // that writes of devices may fill
    TimePs llc_latency;
    std::uint64_t llc_bandwidth = 0;
    bool llc_device_writes = false;
    std::uint64_t processor_cache_bytes = 0;  // of each processor
    TimePs snoop_latency;
    TimePs snoop_modified;
    TimePs socket_latency;
    std::uint64_t socket_bandwidth = 0;
};

// Owner kind "memory".
const ParamTable<MemoryParams>& memory_param_table();

// Where memory of the second socket begins.
Hpa node1_base(const MemoryParams& params);
// The ranges that the sizes describe.
std::vector<MemoryRange> memory_ranges(const MemoryParams& params);

}  // namespace ioasim::memory
