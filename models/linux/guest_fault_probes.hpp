// Ways to break the routing of page requests to virtual machines on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kGuestFaultsUnrouted{
    "iopf.guest_faults_unrouted",
    "page requests of a guest's PASID stay in the host, where no handler is"};
inline const Defect kGuestGroupsKept{
    "iopf.guest_groups_kept",
    "the detach of a guest's PASID leaves groups unanswered that its VMM has"};
inline const Defect kRoutedByNumber{
    "iopf.routed_by_number",
    "the owner of a page request is looked up by its PASID alone, whatever function it came from"};
inline const Defect kSharedEntryCleared{
    "iommu.shared_entry_cleared",
    "leaving one function of a VM clears the PASID entry that its other functions go by"};
inline const Defect kWaitsForVmm{
    "iopf.waits_for_vmm",
    "the thread of page requests waits until a VMM has read what it delivered to it"};
inline const Defect kGroupsForNobody{
    "vfio.groups_for_nobody",
    "groups of page requests wait for a VMM that never said it would read any"};
inline const Defect kLateAnswerTaken{
    "iopf.late_answer_taken",
    "a VMM's answer goes to the hardware although the group was answered before"};
inline const Defect kWaitsWithOpenFaults{
    "iopf.waits_with_open_faults",
    "the end of a guest's PASID waits for a device that waits for pages which the guest cannot "
    "bring, since its own request to end the PASID is being served"};

}  // namespace ioasim::os
