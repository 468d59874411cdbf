// Ways to break what the kernel does about non-coherent DMA.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kWbinvdNotHere{
    "kvm.wbinvd_not_here",
    "WBINVD of a guest writes back the processors that the vCPU visited, not the one it is on"};
inline const Defect kVisitsForgotten{"kvm.visits_forgotten",
                                     "KVM does not note on which processors a vCPU has run"};
inline const Defect kWbinvdAlwaysEmulated{
    "kvm.wbinvd_always_emulated",
    "WBINVD of a guest writes caches back whether DMA is coherent or not"};
inline const Defect kFileSoughtUnlocked{
    "kvm.file_sought_unlocked", "kvm-vfio looks whether it has a file before it takes its lock"};
inline const Defect kVoteKept{
    "kvm.vote_kept", "KVM keeps taking DMA for non-coherent when the last such device has left"};

inline const Defect kKvmNotAskedAgain{
    "iommufd.kvm_not_asked_again",
    "KVM's answer is not asked for anew when a device joins or leaves an I/O address space"};
inline const Defect kPromiseForgotten{
    "iommufd.promise_forgotten",
    "a device without forced snooping is attached although KVM was promised coherent DMA"};
inline const Defect kDomainsMixed{
    "iommufd.domains_mixed",
    "a device whose unit can force snooping shares a page table that does not"};
inline const Defect kGroupInPart{
    "iommufd.group_in_part", "an attach takes the first device of a group and leaves the others"};
inline const Defect kPartlyAttachedMapped{
    "iommufd.partly_attached_mapped",
    "an I/O address space takes mappings while devices of a group are not attached yet"};
inline const Defect kPasidKeptOnMembers{
    "iommufd.pasid_kept_on_members",
    "a PASID that one device of a group cannot have stays attached to the devices before it"};
inline const Defect kReservedOverAllowed{
    "iommufd.reserved_over_allowed",
    "a device joins an I/O address space although it reserves what was allowed there"};
inline const Defect kReservedOverMapped{
    "iommufd.reserved_over_mapped",
    "a device joins an I/O address space although it reserves what is mapped there"};
inline const Defect kAllowedOverReserved{
    "iommufd.allowed_over_reserved",
    "ranges of an I/O address space are allowed although a device reserves them"};
inline const Defect kRefusedRangesKept{
    "iommufd.refused_ranges_kept",
    "ranges that cannot be allowed replace those that were allowed before"};
inline const Defect kPasidTablesUnchecked{
    "iommufd.pasid_tables_unchecked",
    "an I/O address space that was not allocated for PASIDs is attached to one"};
inline const Defect kRidTablesUnchecked{
    "iommufd.rid_tables_unchecked",
    "PASIDs are attached beside an I/O address space of the device that is not for PASIDs"};
inline const Defect kOwnedByTableOnly{
    "iommufd.owned_by_table_only",
    "a device that is bound to /dev/iommu and not attached leaves its group to host drivers"};
inline const Defect kMapLeftInPart{
    "iommufd.map_left_in_part",
    "a mapping that fails in one page table of an I/O address space stays in the others"};
inline const Defect kLeftWithoutTables{
    "iommufd.left_without_tables",
    "a device whose page table cannot be built anew does not get its former one back"};
inline const Defect kMappedBeforeReserved{
    "iommufd.mapped_before_reserved",
    "a fixed mapping is tested against the others before alignment, wrap and reserved regions"};
inline const Defect kUnsafeInterrupts{
    "iommufd.unsafe_interrupts",
    "a device whose interrupts nobody isolates is bound although that is not allowed"};
inline const Defect kCloseTakesObjects{"iommufd.close_takes_objects",
                                       "closing /dev/iommu detaches devices that are still open"};
inline const Defect kOpenCallsDriver{
    "iommufd.open_calls_driver", "opening the file of a device lets its driver start it at once"};
inline const Defect kOpenWithoutKvm{"vfio.open_without_kvm",
                                    "a device whose driver needs a VM is opened without one"};
inline const Defect kGroupLinkIgnored{
    "vfio.group_answer_for_itself",
    "a group tells KVM of its own page table, not of all that its container has"};
inline const Defect kSnoopBitMissing{"linux.snoop_bit_missing",
                                     "leaves of a second stage that forces snooping lack SNP"};

}  // namespace ioasim::os
