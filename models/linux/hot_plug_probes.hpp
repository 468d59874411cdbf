// Ways to break the removal of functions on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kNotMarkedDisconnected{
    "linux.not_marked_disconnected",
    "a function that was pulled out is still asked for the invalidation of its TLB"};
inline const Defect kAllOnesBelieved{
    "linux.all_ones_believed",
    "a driver takes all ones for what the register of its function says"};
inline const Defect kProbeEndsBoot{
    "linux.probe_ends_boot", "a function that is pulled out while the kernel boots ends the boot"};
inline const Defect kUsersNotAsked{
    "linux.users_not_asked",
    "a function that was pulled out is removed under the virtual devices that are on it"};
inline const Defect kRequesterIdKept{
    "linux.requester_id_kept",
    "the requester id of a function that was pulled out stays its own, with its context entry"};
inline const Defect kRemovedAwaited{
    "linux.removed_awaited",
    "a function that is pulled out during its reset is waited for as one that may still answer"};
inline const Defect kRemovalKeepsNumbers{
    "linux.removal_keeps_numbers",
    "a number that waits for a device which did not finish goes on waiting behind its removal"};

}  // namespace ioasim::os
