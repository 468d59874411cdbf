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
inline const Defect kUnbindFreesQueuedWork{
    "linux.unbind_frees_queued_work",
    "unbind frees the object of a PASID while work that FREE queued for it waits"};
inline const Defect kDrainUnderSpinlock{
    "linux.drain_under_spinlock",
    "the work that FREE queued holds the unit's spinlock through the page-request drain"};
inline const Defect kVdcmPutsUnheld{
    "vdcm.puts_unheld",
    "on FREE each mediated device drains and puts, whether it took a reference or not"};
inline const Defect kKvmLateClear{
    "kvm.late_clear", "KVM clears its PASID translation only after the PASID entry was cleared"};
inline const Defect kKvmNoKick{
    "kvm.no_kick", "KVM clears its PASID translation without kicking vCPUs out of guest mode"};

inline const Defect kSwitchKeepsPasid{
    "linux.switch_keeps_pasid",
    "a switch of tasks restores no extended state: IA32_PASID stays the former task's"};

inline const Defect kQueueUnreferenced{
    "idxd.queue_unreferenced", "a dedicated workqueue is set to a PASID without a reference on it"};
inline const Defect kQueuePutBeforeClear{
    "idxd.put_before_clear",
    "closing a dedicated workqueue drops the reference on its PASID before the queue is cleared"};

inline const FaultSite kPageAllocation{"linux.alloc_pages", "a kernel page allocation (-ENOMEM)"};

}  // namespace ioasim::os
