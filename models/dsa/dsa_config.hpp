// What the platform tells a device at construction: identity, address ranges, and how many engines
// and workqueues it has. Everything else is configured by software through registers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/types.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::dsa {

struct WorkqueueSpec {
    std::string name;         // "wq0"
    std::uint32_t size = 16;  // what software is to give it, for traces
};

struct DsaConfig {
    std::string name;  // "dsa0"
    Rid rid;
    pcie::BarRange bar0;
    pcie::BarRange bar2;
    std::uint32_t engines = 1;
    std::vector<WorkqueueSpec> workqueues;
};

}  // namespace ioasim::dsa
