// Ways to break a VMM on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vm {

inline const Defect kPortalLeftMapped{
    "migration.portal_left_mapped",
    "the portals stay mapped: a submission reaches the source's device behind the drain"};
inline const Defect kQueueDropped{"migration.queue_dropped",
                                  "kept submissions do not travel with the device's state"};
inline const Defect kQueueTwice{"migration.queue_twice",
                                "kept submissions are handed to the device twice"};
inline const Defect kEnabledBeforeBind{
    "migration.enabled_before_bind",
    "the destination lets its devices go on before the guest PASIDs are bound"};
inline const Defect kSpidsKept{"migration.spids_kept",
                               "the source detaches no SPID and unbinds nothing"};
inline const Defect kHostPasidCarried{
    "migration.host_pasid_carried",
    "the destination asks its host for the numbers that the source's host had given"};
inline const Defect kMemoryBeforeDevices{
    "vmm.memory_before_devices",
    "a system reset gives the guest's memory to the firmware before its devices are reset"};
inline const Defect kResponseUntranslated{
    "vmm.response_untranslated",
    "the VMM answers a page request group under the guest's PASID instead of the host's"};
inline const Defect kNoPageInterrupt{
    "vmm.no_page_interrupt", "the virtual unit queues page requests and raises no interrupt"};
inline const Defect kVirtualOverflowIgnored{
    "vmm.page_overflow_ignored",
    "the VMM goes on writing when the virtual page-request queue is full"};
inline const Defect kOverflowUnanswered{
    "vmm.overflow_unanswered",
    "a group for which the virtual page-request queue has no room is dropped without an answer"};

}  // namespace ioasim::vm
