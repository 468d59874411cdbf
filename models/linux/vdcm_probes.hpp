// Ways to break the composition of virtual devices on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kVdcmQueueUnreferenced{
    "vdcm.queue_unreferenced",
    "a guest's dedicated workqueue is set to a host PASID without a reference on it"};
inline const Defect kVdcmPutBeforeClear{
    "vdcm.put_before_clear",
    "the reference on the host PASID of a guest's dedicated workqueue is dropped before the queue "
    "is cleared"};
inline const Defect kVectorRawGuestPasid{
    "vdcm.vector_raw_guest_pasid",
    "an entry of interrupt message storage is set to the guest's PASID instead of the host's"};
inline const Defect kVectorUnreferenced{
    "vdcm.vector_unreferenced",
    "an entry of interrupt message storage is set to a host PASID without a reference on it, and "
    "no UNBIND clears it"};
inline const Defect kVectorEntryLeft{
    "vdcm.vector_entry_left",
    "an entry of interrupt message storage goes back to the others with the PASID still in it"};
inline const Defect kVectorClearedEarly{
    "vdcm.vector_cleared_early",
    "the vectors of a virtual device are taken away before its queue is quiet"};
inline const Defect kVdcmProgrammedLate{
    "vdcm.programmed_late",
    "UNBIND finds a guest's dedicated workqueue set only when it has been enabled"};
inline const Defect kVdcmRawGuestPasid{
    "vdcm.raw_guest_pasid",
    "a dedicated workqueue whose guest PASID stands for nothing is set to the guest's number"};
inline const Defect kVdcmPortalLeftMapped{
    "vdcm.portal_left_mapped",
    "a dedicated workqueue is taken from a VM, and its portal stays mapped into the guest"};
inline const Defect kVdcmNoKick{
    "vdcm.no_kick",
    "a portal is unmapped without kicking the vCPUs that may have its translation cached"};
inline const Defect kVdcmNoFlushingRead{
    "vdcm.no_flushing_read",
    "a dedicated workqueue counts as quiet although writes of vCPUs may be under way to it"};
inline const Defect kVdcmUnbindIgnored{
    "vdcm.unbind_ignored",
    "the UNBIND of a PASID leaves the dedicated workqueue that is set to it"};
inline const Defect kVdcmReleaseByCurrentMm{
    "vdcm.release_by_current_mm",
    "the release of a mediated device looks for its IDs in the set of the calling task's address "
    "space, which is gone when the VMM was killed"};
inline const Defect kVdcmTrappedKept{
    "vdcm.trapped_kept",
    "the release of a paused mediated device submits the descriptors that it kept"};
inline const Defect kVdcmKeptOutlivesQueue{
    "vdcm.kept_outlives_queue",
    "a paused mediated device hands on what it kept when it goes on, although the queue has been "
    "taken away or the guest's PASID unbound meanwhile"};
inline const Defect kVdcmResumesStale{
    "vdcm.resumes_stale",
    "a submission on a guest's behalf is repeated under the host PASID that its guest PASID stood "
    "for when it began"};
inline const Defect kVdcmResumeLoses{
    "vdcm.resume_loses",
    "a mediated device that goes on while its shared workqueue is full drops what it kept"};
inline const Defect kVdcmSavedStays{
    "vdcm.saved_stays",
    "what a mediated device kept is saved for another one, and stays here to be dropped"};
inline const Defect kVdcmOpenedInReset{
    "vdcm.opened_in_reset",
    "a mediated device is opened, or gets a vector, while its parent function is being reset"};

inline const Defect kVdcmReleaseOnlyDrains{
    "vdcm.release_only_drains",
    "the release of a mediated device waits for work that waits for pages, which nobody brings"};
inline const Defect kVdcmRemoveDoesNotWait{
    "vdcm.remove_does_not_wait", "a mediated device is unregistered although its VMM has it open"};
inline const Defect kResetWindowOpen{"iommu.reset_window_open",
                                     "a PASID is attached to a function whose reset is under way"};
inline const Defect kResetUnblocked{"iommu.reset_unblocked",
                                    "the PASIDs of a function stay attached while it is reset"};
inline const Defect kResetNotAwaited{
    "linux.reset_not_awaited",
    "a function's registers are written back as soon as its reset is asked for, whether it answers "
    "or not"};
inline const Defect kResetNotRestored{
    "iommu.reset_not_restored",
    "what was attached to a function before its reset is not attached again"};
inline const Defect kResetBlocksSvaOnly{
    "iommu.reset_blocks_sva_only",
    "a reset blocks the PASIDs of processes and guests, and no other domain of the function"};
inline const Defect kKeptUnprivileged{
    "vdcm.kept_unprivileged",
    "what was kept for a guest's kernel is handed to the device without its PRIV"};
inline const Defect kReleasedComesBack{
    "iommu.released_comes_back",
    "the end of a reset makes entries live again whose address space has gone meanwhile"};
inline const Defect kBlockedDetachFails{
    "iommu.blocked_detach_fails",
    "a detach while the function is blocked takes the missing entry for an error"};
inline const Defect kWidthBeforeReset{
    "iommu.width_before_reset",
    "an attach looks at the number of PASIDs before it looks for a reset of the function"};

}  // namespace ioasim::os
