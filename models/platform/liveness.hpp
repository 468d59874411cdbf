// How long work may take to end once no more faults come from outside. A system that survives them
// is through with everything within
//
//     (2 + E) * W  +  (1 + E) * G  +  D
//
//   W  the same run without faults: it has all depths and latencies of the machine in it. Once for
//      what was not begun, once for orders that take longer, and once more for each fault, after
//      which software may do again what failed
//   E  how many faults there can have been: the counts of all injections
//   G  all times after which hardware and software give up, and all retries with the longest pauses
//      between them, one after the other: each fault may cost all of them, and so may the end
//   D  what the faults themselves hold up: each as often as it may come, for its extent
//
// The parameters are those of the machine, the largest where components of a kind differ.
#pragma once

#include "models/platform/config.hpp"

namespace ioasim::platform {

struct LivenessBound {
    TimePs work;                // W
    std::uint64_t effects = 0;  // E
    TimePs give_up;             // G
    TimePs delays;              // D
    TimePs total;
};

// Of a configuration that heals (PlatformConfig::heal), of whose injections none is endless.
LivenessBound liveness_bound(const PlatformConfig& config);
// An injection that may come any number of times: what it costs has no bound. None: nullptr.
const InjectionConfig* endless_injection(const PlatformConfig& config);

}  // namespace ioasim::platform
