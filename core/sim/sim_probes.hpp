// Ways to break what runs software.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::sim {

inline const Defect kNestedWakeLost{
    "sim.nested_wake_lost",
    "a task that waits inside of an interruption of a wait misses the wake-up of the outer one"};

}  // namespace ioasim::sim
