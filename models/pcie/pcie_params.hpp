// Latencies, rates and credits of the links that leave the root complex.
#pragma once

#include <cstdint>

#include "core/base/params.hpp"

namespace ioasim::pcie {

struct PcieParams {
    TimePs cpu_latency;
    std::uint64_t cpu_bandwidth = 0;
    TimePs device_latency;
    std::uint64_t device_bandwidth = 0;
    TimePs iommu_latency;
    std::uint64_t iommu_bandwidth = 0;
    std::uint64_t iommu_credits = 0;
    std::uint64_t queue = 0;
};

// Owner kind "pcie".
const ParamTable<PcieParams>& pcie_param_table();

}  // namespace ioasim::pcie
