// Rare paths of memory, and ways to break it.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::memory {

inline const Defect kPoisonUnnoticed{"memory.poison_unnoticed",
                                     "a read of a poisoned line is answered as if it were good"};
inline const Defect kRateNotShared{"memory.rate_not_shared",
                                   "every request has the whole rate of memory for itself"};
inline const Defect kOneAtATime{"memory.one_at_a_time",
                                "memory begins with a request when the one before has been "
                                "answered: latencies add up"};

inline const Mark kPoisonRead{"memory.poison_read", "a request met a poisoned line"};
inline const Mark kPoisonHealed{"memory.poison_healed", "a poisoned line was written as a whole"};
inline const Mark kChannelsCrossed{"memory.channels_crossed",
                                   "a request needed more than one channel"};

}  // namespace ioasim::memory
