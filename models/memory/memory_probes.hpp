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
inline const Defect kHitAsSlow{"memory.hit_as_slow",
                               "what the last-level cache holds takes as long as memory"};
inline const Defect kShareIgnored{"memory.share_ignored",
                                  "writes of devices may fill the whole last-level cache"};
inline const Defect kReadFills{"memory.read_fills",
                               "reads of devices bring lines into the last-level cache"};
inline const Defect kHintIgnored{"memory.hint_ignored",
                                 "writes of devices go into the last-level cache, whatever they "
                                 "ask for"};
inline const Defect kCacheKeepsLine{"memory.cache_keeps_line",
                                    "a line stays in the last-level cache though a device wrote "
                                    "it to memory"};
inline const Defect kOneSocket{"memory.one_socket",
                               "memory of the other socket is as near as one's own"};
inline const Defect kAcknowledgementIgnored{"memory.acknowledgement_ignored",
                                            "a write to the other socket takes effect before that "
                                            "socket has answered, and so does what follows it"};
inline const Defect kWriteBackLost{"memory.write_back_lost",
                                   "a modified line that leaves a processor's cache is dropped"};
inline const Defect kNoSnoopIgnored{"memory.no_snoop_ignored",
                                    "every access of a device is snooped, whatever it asks for"};
inline const Defect kNothingSnooped{"memory.nothing_snooped",
                                    "no access of a device is snooped, whatever it asks for"};
inline const Defect kSnoopFree{"memory.snoop_free",
                               "an access that is snooped takes as long as one that is not"};

inline const Mark kLineEvicted{"memory.line_evicted",
                               "a processor's cache was full: a line of it had to go"};
inline const Mark kPartlyCached{"memory.partly_cached",
                                "some lines of a request came from the last-level cache"};
inline const Mark kOtherSocket{"memory.other_socket", "a request went to the other socket"};
inline const Mark kHeldBehindOtherSocket{"memory.held_behind_other_socket",
                                         "a write waited for an earlier one to the other socket"};
inline const Mark kPoisonRead{"memory.poison_read", "a request met a poisoned line"};
inline const Mark kPoisonHealed{"memory.poison_healed", "a poisoned line was written as a whole"};
inline const Mark kChannelsCrossed{"memory.channels_crossed",
                                   "a request needed more than one channel"};

}  // namespace ioasim::memory
