// The clock of an experiment's cores (`cpu_ghz`): what cores and software do takes as many cycles
// at any clock; caches beyond a core, links, devices and timers have their own.
#pragma once

#include <vector>

#include "models/platform/config.hpp"

namespace ioasim::platform {

// The parameters that follow the clock, as they are at `mhz`; `config` has them as they are at
// software.core_clock.
std::vector<ParamOverride> at_core_clock(const PlatformConfig& config, std::uint64_t mhz);

}  // namespace ioasim::platform
