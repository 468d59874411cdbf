// Latencies, rates and credits of the links that leave the root complex.
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "models/pcie/link_params_if.hpp"

namespace ioasim::pcie {

struct PcieParams {
    TimePs cpu_latency;
    std::uint64_t cpu_bandwidth = 0;
    TimePs device_latency;
    std::uint64_t device_bandwidth = 0;
    TimePs iommu_latency;
    std::uint64_t iommu_bandwidth = 0;
    std::uint64_t iommu_credits = 0;
    // What each port advertises to its device.
    std::uint64_t posted_headers = 0;
    std::uint64_t posted_data = 0;
    std::uint64_t nonposted_headers = 0;
    std::uint64_t nonposted_data = 0;
    TimePs completion_timeout;  // of the CPUs' requests to devices
    std::uint64_t queue = 0;

    CreditLimits advertised() const;
};

// Owner kind "pcie".
const ParamTable<PcieParams>& pcie_param_table();

}  // namespace ioasim::pcie
