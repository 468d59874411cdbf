// Ways to break a VMM on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vm {

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
