// Ways to break a VMM on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vm {

inline const Defect kMemoryBeforeDevices{
    "vmm.memory_before_devices",
    "a system reset gives the guest's memory to the firmware before its devices are reset"};

}  // namespace ioasim::vm
