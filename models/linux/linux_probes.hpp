// Ways to break the drivers on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kSkipIotlbInvalidation{
    "linux.skip_iotlb_invalidation", "teardown of a PASID entry queues no IOTLB invalidation"};
inline const Defect kNoPasidCacheInvalidation{
    "linux.no_pasid_cache_invalidation",
    "teardown of a PASID entry queues no PASID-cache invalidation"};
inline const Defect kEntryClearedBeforeUnbind{
    "linux.entry_cleared_before_unbind",
    "the IOMMU driver clears the PASID entry before it detaches the SPID (UNBIND)"};
inline const Defect kMissingPut{
    "linux.missing_put", "the IOMMU driver keeps its reference after the teardown of a PASID"};
inline const Defect kPutPerDevice{
    "linux.put_per_device",
    "the teardown of a PASID puts once for each bound device, not once for the first bind"};
inline const Defect kUnbindOfOneIsAll{
    "linux.unbind_of_one_is_unbind_of_all",
    "leaving one of several devices ends the binding of the PASID to all of them"};
inline const Defect kBindGetUnchecked{
    "linux.bind_get_unchecked",
    "a guest bind programs the device although the IOMMU driver's own reference was refused"};
inline const Defect kBindBeforeEntry{"linux.bind_before_entry",
                                     "a guest bind sends BIND before the PASID entry is made, and "
                                     "an entry that cannot be made leaves "
                                     "SPID and reference"};
inline const Defect kUnbindFreesQueuedWork{
    "linux.unbind_frees_queued_work",
    "unbind frees the object of a PASID while work that FREE queued for it waits"};
inline const Defect kDrainUnderSpinlock{
    "linux.drain_under_spinlock",
    "the work that FREE queued holds the unit's spinlock through the page-request drain"};
inline const Defect kVdcmPutsUnheld{
    "vdcm.puts_unheld",
    "on FREE each mediated device drains and puts, whether it took a reference or not"};
inline const Defect kAnotherVmsSet{"vfio.another_vms_set",
                                   "a VMM gets IDs of the set of the VM that was created first"};
inline const Defect kKvmLateClear{
    "kvm.late_clear", "KVM clears its PASID translation only after the PASID entry was cleared"};
inline const Defect kKvmNoKick{
    "kvm.no_kick", "KVM clears its PASID translation without kicking vCPUs out of guest mode"};

inline const Defect kForkWithoutFlush{
    "linux.fork_without_flush",
    "fork makes the parent's pages read-only without a flush of the devices' translations"};
inline const Defect kForkSharesPinned{"linux.fork_shares_pinned",
                                      "fork shares pages that a device has pinned like any others"};
inline const Defect kCopyWithoutFlush{
    "linux.copy_without_flush",
    "a copy on write leaves the devices their translations to the page that was shared"};
inline const Defect kForkKeepsPasid{"linux.fork_keeps_pasid",
                                    "a child starts with the IA32_PASID of its parent"};
inline const Defect kExecKeepsPasid{
    "linux.exec_keeps_pasid", "exec leaves IA32_PASID and the PASID of the old address space"};
inline const Defect kExecKeepsMm{
    "linux.exec_keeps_mm",
    "exec goes on with the PASID and IDs of the old mm_struct where a binding still holds it"};
inline const Defect kBareIdsKept{
    "sva.bare_ids_kept", "without sets nobody returns the PASID of an address space that has gone"};
inline const Defect kSwitchKeepsPasid{
    "linux.switch_keeps_pasid",
    "a switch of tasks restores no extended state: IA32_PASID stays the former task's"};

inline const Defect kQueueUnreferenced{
    "idxd.queue_unreferenced", "a dedicated workqueue is set to a PASID without a reference on it"};
inline const Defect kQueuePutBeforeClear{
    "idxd.put_before_clear",
    "closing a dedicated workqueue drops the reference on its PASID before the queue is cleared"};

inline const Defect kNoSameMmTest{
    "sva.no_same_mm_test", "bind takes a handle that it finds for the same mm's without looking"};
inline const Defect kBareDomainLooksFree{
    "iommu.bare_domain_looks_free",
    "the look-up of attach handles finds nothing where a domain stands without a handle"};
inline const Defect kHandleTypeIgnored{"iommu.handle_type_ignored",
                                       "the look-up of attach handles returns any type of domain"};
inline const Defect kFirstUnbindTearsDown{"sva.first_unbind_tears_down",
                                          "unbind detaches although the handle has further users"};
inline const Defect kPublishedFirst{"sva.published_first",
                                    "an attach handle is published before the PASID entry is live"};
inline const Defect kSlotKept{
    "sva.slot_kept", "an attach that fails leaves its reservation in the group's PASID array"};
inline const Defect kPasidUsersIgnored{
    "iommu.pasid_users_ignored",
    "PASIDs are given to processes and drivers alike, whatever the system uses them for"};
inline const Defect kSharedContextsUnbounded{
    "sva.shared_contexts_unbounded",
    "address spaces are bound although the bound on shared contexts is reached"};
inline const Defect kNoWidthTest{
    "sva.no_width_test", "bind does not compare the mm's PASID with what the device can send"};
inline const Defect kPasidFreedAtExit{
    "sva.pasid_freed_at_exit", "exit_mm gives the PASID back although the mm_struct is still held"};
inline const Defect kScalableWithoutSet{
    "linux.scalable_without_set",
    "units run in scalable mode although the set for host processes was refused"};
inline const Defect kNoReleaseNotifier{
    "mm.no_release_notifier", "exit_mm frees the address space without telling the IOMMU driver"};
inline const Defect kReleaseWithoutFpd{
    "linux.release_without_fpd",
    "the release of an mmu notifier clears the PASID entry and leaves fault processing on"};
inline const Defect kNoSecondaryInvalidation{"mm.no_secondary_invalidation",
                                             "munmap flushes no IOTLB and no device TLB"};
inline const Defect kOneDeviceInvalidated{
    "mm.one_device_invalidated", "munmap flushes only the first device of the address space"};
inline const Defect kPagesFreedFirst{
    "mm.pages_freed_first", "munmap frees the pages before it flushes IOTLB and device TLB"};
inline const Defect kFaultIgnoresRights{
    "mm.fault_ignores_rights", "an I/O page fault for writing is granted in a read-only mapping"};
inline const Defect kPendingClearedLate{
    "prq.pending_cleared_late",
    "the page-request thread clears the pending bit behind its run instead of before"};
inline const Defect kStopMarkerAnswered{"prq.stop_marker_answered",
                                        "a stop marker is taken for a page request"};
inline const Defect kPartialsSurviveOverflow{
    "prq.partials_survive_overflow",
    "half collected groups are kept when the page-request queue has overflown"};
inline const Defect kNoPageRequestDrain{"prq.no_drain", "unbind waits for no page request"};
inline const Defect kFaultWorkNotFlushed{
    "iopf.work_not_flushed", "the drain of a PASID does not wait for faults that are handled"};
inline const Defect kErrorNotSticky{"iopf.error_not_sticky",
                                    "later pages of a group are tried, and the last one decides"};
inline const Defect kRefusalUnanswered{
    "iopf.refusal_unanswered", "a group that its handler refuses is dropped without an answer"};
inline const Defect kAnsweredTwice{
    "iopf.answered_twice", "a group that was answered is answered again when its handler ends"};

inline const FaultSite kSlotAllocation{"iommu.pasid_slot",
                                       "memory for a slot of a PASID array (-ENOMEM)"};
inline const FaultSite kHandleAllocation{"sva.handle", "memory for an attach handle (-ENOMEM)"};
inline const FaultSite kDomainAllocation{"sva.domain", "memory for an SVA domain (-ENOMEM)"};
inline const FaultSite kIommuMmAllocation{"sva.iommu_mm",
                                          "memory for an mm's PASID data (-ENOMEM)"};
inline const FaultSite kPartialAllocation{"iopf.partial",
                                          "memory for one page of a group (-ENOMEM)"};
inline const FaultSite kGroupAllocation{"iopf.group", "memory for a page request group (FAILURE)"};
inline const FaultSite kHandlerRefusal{"iopf.handler",
                                       "the fault handler refuses a group (-EBUSY: FAILURE)"};
inline const FaultSite kPageAllocation{"linux.alloc_pages", "a kernel page allocation (-ENOMEM)"};

}  // namespace ioasim::os
