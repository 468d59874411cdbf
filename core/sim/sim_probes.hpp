// Ways to break what runs software.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::sim {

inline const Defect kNestedWakeLost{
    "sim.nested_wake_lost",
    "a task that waits inside of an interruption of a wait misses the wake-up of the outer one"};

// What holds as long as waiters are served in the order in which they came.
inline const Defect kPassedOverLost{
    "sim.passed_over_lost", "a task that waits for a CPU is forgotten when a later one gets it"};
inline const Defect kLockOvertakerUnwoken{
    "sim.lock_overtaker_unwoken",
    "who gets a lock before one that waited longer is not woken: the lock is never released"};
inline const Defect kSleeperOvertakerUnwoken{
    "sim.sleeper_overtaker_unwoken",
    "a sleeper that is picked before one that slept longer is taken off the queue and not woken"};

}  // namespace ioasim::sim
