// Ways to break fault objects and allocated page tables of /dev/iommu on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kCookieKept{"iommufd.cookie_kept",
                                "a cookie is good for more than one answer to the hardware"};
inline const Defect kFailureTaken{
    "iommufd.failure_taken", "a process may answer FAILURE, which ends the function's requests"};
inline const Defect kShortReadLoses{
    "iommufd.short_read_loses", "a group that does not fit into the buffer is taken off the queue"};
inline const Defect kCopyFaultLoses{
    "iommufd.copy_fault_loses", "a group whose records cannot be copied to the process is lost"};
inline const Defect kReplaceKeepsGroups{
    "iommufd.replace_keeps_groups",
    "replacing page tables leaves page requests of the former ones unanswered"};
inline const Defect kReplaceKeepsTranslations{
    "iommufd.replace_keeps_translations",
    "replacing page tables queues no invalidation of what the former ones translated"};

inline const Defect kStormUnnoticed{
    "iopf.storm_unnoticed", "page requests of a function are not counted, however many come"};
inline const Defect kCapacityUnread{
    "prq.capacity_unread",
    "a function is granted more page requests than it says that it can have under way"};
inline const Defect kStormLeftToFunction{
    "iopf.storm_left_to_function",
    "page requests of a function that floods are switched off in the function alone"};
inline const Defect kStormUnanswered{
    "iopf.storm_unanswered",
    "what a function had asked for when it was stopped is left to who does not answer"};

}  // namespace ioasim::os
