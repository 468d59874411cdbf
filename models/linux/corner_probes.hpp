// Ways to break a kernel that show only in a corner: several at once, in another order than the
// usual one, or with hardware that takes longer than the usual machine's.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kPoppedAfter{"iopf.popped_after",
                                 "a worker takes a group off the queue when it has handled it"};
inline const Defect kFlushFirstOnly{"iopf.flush_first_only",
                                    "the flush of fault work waits for the oldest group alone"};
inline const Defect kFlushOnce{"iopf.flush_once",
                               "the flush of fault work does not look again when it was woken"};
inline const Defect kHeadToNewTail{
    "prq.head_to_new_tail", "the head goes to where the tail is now, not to where it was read"};
inline const Defect kWrapSkipsFirst{"prq.wrap_skips_first",
                                    "behind the last place of the queue comes the second one"};
inline const Defect kImpatientFlush{
    "qi.impatient", "a wait descriptor that is slow is taken for done after some looks"};
inline const Defect kContendedFlushSkipped{
    "qi.contended_skipped",
    "who finds the queue's lock with a waiter takes the other's invalidation for its own"};
inline const Defect kImpatientDrain{
    "idxd.impatient_drain", "a drain command that is slow is taken for done after some looks"};
inline const Defect kKickFirstOnly{"kvm.kick_first_only",
                                   "of several vCPUs in the guest only the first is waited for"};
inline const Defect kKickNotAwaited{"kvm.kick_not_awaited",
                                    "vCPUs are kicked out and nobody waits until they are"};
inline const Defect kUnbindUnchecked{"sva.unbind_unchecked",
                                     "unbind does not look again when it has drained the device"};
inline const Defect kSpidsLeft{
    "sva.spids_left", "the end of a set leaves the numbers that nobody but its owner attached"};
inline const Defect kWorkAwaitedOnce{"linux.work_awaited_once",
                                     "who waits for deferred work does not look again when woken"};

inline const Defect kKickImpatient{
    "kvm.kick_impatient", "a kicked vCPU that is slow to leave is taken for gone after some looks"};
inline const Defect kTableUnlocked{"iommu.table_unlocked",
                                   "a PASID entry is written without the lock of the table"};
inline const Defect kFaultUnlocked{"mm.fault_unlocked",
                                   "page faults of an address space do not exclude each other"};
inline const Defect kCommandUnlocked{
    "idxd.command_unlocked", "commands of a device are given without waiting for each other"};
inline const Defect kInvalidateUnderMutex{
    "sva.invalidate_under_mutex",
    "the mmu notifier waits, under the lock of the address space, for binds and unbinds of all"};
inline const Defect kInvalidatePublishedOnly{
    "sva.invalidate_published_only",
    "the mmu notifier overlooks an attachment whose handle is not published yet"};
inline const Defect kBindUnlocked{"sva.bind_unlocked", "binds do not exclude each other"};

}  // namespace ioasim::os
