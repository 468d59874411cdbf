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
inline const Defect kRefusedBindIgnored{
    "migration.refused_bind_ignored",
    "the machine goes on at the destination although its host refused to bind a PASID again"};
inline const Defect kResumesOnce{"migration.resumes_once",
                                 "the destination does not ask a virtual device again that could "
                                 "not go on as its queue was full"};
inline const Defect kDrainIgnored{
    "migration.drain_ignored",
    "the machine moves although a device of the source has not finished what it took"};
inline const Defect kAskedWhileMoving{
    "vmm.device_asked_while_moving",
    "a VMM resumes, pauses, resets or takes away a device of a machine that it is moving"};
inline const Defect kUnpluggedComesBack{
    "migration.unplugged_comes_back",
    "a machine moves to a host that has been told of the devices which it began with"};
inline const Defect kUnbindLosesKept{
    "migration.unbind_loses_kept",
    "a guest's unbind is carried out while submissions of the PASID are kept, which go nowhere "
    "behind it"};
inline const Defect kSpidsKept{"migration.spids_kept",
                               "the source detaches no SPID and unbinds nothing"};
inline const Defect kNumbersFreedEarly{
    "migration.numbers_freed_early",
    "the source frees its host PASIDs before the destination has the machine"};
inline const Defect kLostNotEnded{"migration.lost_not_ended",
                                  "a machine that neither side can take is left as it is"};
inline const Defect kHostPasidCarried{
    "migration.host_pasid_carried",
    "the destination asks its host for the numbers that the source's host had given"};
inline const Defect kKickedOnce{
    "migration.kicked_once",
    "a vCPU that gets a processor behind the kick of a stop goes on in the guest"};
inline const Defect kStopUnseen{
    "vm.stop_unseen",
    "a vCPU that is outside of the guest goes in although its machine is stopped"};
inline const Defect kKillUnseen{
    "vm.kill_unseen",
    "a vCPU with a fatal signal enters the guest again, which goes on until its next step"};
inline const Defect kExitOfAnother{"vm.exit_of_another",
                                   "who kills a VMM closes its files, in a task of its own"};
inline const Defect kVmcsLeftBehind{
    "vm.vmcs_left_behind",
    "a submission that is repeated behind an exit goes by the PASID directories of the host that "
    "its machine has left meanwhile"};
inline const Mark kGuestUnwound{"vm.guest_unwound",
                                "a vCPU never came back to the guest code that it had left"};
inline const Defect kResultElsewhere{
    "viommu.result_elsewhere",
    "VCRSP holds an allocated PASID where the other layout of the registers has it"};
inline const Defect kRefusalLost{"viommu.refusal_lost",
                                 "VCRSP tells success although the host refused the command"};
inline const Defect kNeverInProgress{"viommu.never_in_progress",
                                     "VCRSP.IP stays clear while the host works on a command"};
inline const Defect kInProgressKept{"viommu.in_progress_kept",
                                    "VCRSP.IP stays set when the host has answered"};
inline const Defect kCommandOverwritten{"viommu.command_overwritten",
                                        "VCMD takes a write while a command is in progress"};
inline const Defect kFreeUnchecked{"viommu.free_unchecked",
                                   "a number to free goes to the host whoever was given it"};
inline const Defect kAnyCommandTaken{"viommu.any_command_taken",
                                     "an undefined virtual command ends with success"};
inline const Defect kCommandsUnasked{"viommu.commands_unasked",
                                     "virtual commands work although the capability is clear"};
inline const Defect kQueueReentered{
    "vmm.queue_reentered",
    "each vCPU that writes the tail of the virtual invalidation queue serves it, at the same time"};
inline const Defect kDestinationFirst{
    "vmm.destination_first",
    "a portal that traps takes submissions which the processor refuses before it looks there"};
inline const Defect kMisalignedTraps{
    "vmm.misaligned_traps",
    "a portal that traps does so for a misaligned address, before the processor refuses it"};
inline const Defect kFlushDropped{
    "vmm.flush_dropped", "the VMM does not pass on what a guest invalidates of a first stage"};
inline const Defect kShadowNotSynced{
    "vmm.shadow_not_synced",
    "the VMM does not look at a guest's second stage when the guest invalidates its IOTLB"};
inline const Defect kShadowKeepsUnmapped{
    "vmm.shadow_keeps_unmapped", "the VMM shadows what a guest maps and not what it unmaps"};
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

inline const FaultSite kStolen{
    "vm.steal", "a virtual CPU that left its guest goes back in later (picoseconds)", 100'000'000};
inline const FaultSite kCommandRefused{"vm.command_refused",
                                       "the VMM refuses a virtual command of its guest"};

}  // namespace ioasim::vm
