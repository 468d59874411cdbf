// Ways to break groups, reserved regions, domains and VFIO containers on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kPinnedMemoryFreed{
    "vfio.pinned_memory_freed",
    "the memory of a VM goes back with the VM although another process's devices reach it"};
inline const Defect kMergeIncrementsEnd{
    "linux.region_merge_wraps",
    "reserved regions are compared by their end plus one, which is 0 at the top of the address "
    "space"};
inline const Defect kListFollowsAttachment{
    "linux.regions_follow_attachment",
    "the list of reserved regions also holds what is beyond the domain that a device is attached "
    "to"};
inline const Defect kListReadsDmaMask{
    "linux.regions_read_dma_mask",
    "the list of reserved regions holds what is above dma_mask, whatever was chosen"};
inline const Defect kFirmwareLimitUnread{
    "linux.firmware_limit_unread", "the limit of a bus in the firmware's table reserves nothing"};
inline const Defect kApertureUnread{
    "linux.aperture_unread",
    "with limits from dma_mask, what is beyond the aperture is not in the list"};
inline const Defect kRegionsOfOneMember{
    "linux.regions_of_one_member",
    "the reserved regions of a group are those of its first device alone"};
inline const Defect kNoMsiRegion{"linux.no_msi_region",
                                 "the driver of a remapping unit reserves no MSI window"};
inline const Defect kUnmapKeepsTranslations{
    "linux.unmap_keeps_translations", "unmapping from a second stage queues no IOTLB invalidation"};
inline const Defect kDetachKeepsEntry{
    "linux.detach_keeps_entry",
    "a device that leaves a domain keeps the PASID-table entry that leads there"};

inline const Defect kApertureIgnored{
    "vfio.aperture_ignored", "the usable ranges of a container do not end with the aperture"};
inline const Defect kReservedIgnored{"vfio.reserved_ignored",
                                     "the usable ranges of a container have no holes"};
inline const Defect kRelaxableExcluded{"vfio.relaxable_excluded",
                                       "relaxable regions are holes in the usable ranges, too"};
inline const Defect kMapsAnywhere{"vfio.maps_anywhere",
                                  "a mapping is not compared with the usable ranges"};
inline const Defect kConflictIgnored{
    "vfio.conflict_ignored",
    "a joining group's apertures and regions are not compared with the mappings there are"};
inline const Defect kAttachHalfDone{
    "vfio.attach_half_done",
    "an attach that fails leaves the usable ranges as it had worked on them"};
inline const Defect kHoleStays{"vfio.hole_stays",
                               "the usable ranges are not recomputed when a group leaves"};
inline const Defect kCreditsFirst{
    "vfio.credits_first", "a mapping without credit is refused before the overlap is looked for"};
inline const Defect kVersionFixed{
    "vfio.version_bumped", "the capability of IOVA ranges says version 2, whatever was chosen"};
inline const Defect kUnmapKeepsPins{"vfio.unmap_keeps_pins",
                                    "the pages of a mapping that goes stay pinned"};
inline const Defect kCloseKeepsIoasids{"vfio.close_keeps_ioasids",
                                       "closing a container frees none of its IOASIDs"};
inline const Defect kCloseKeepsBusMaster{"vfio.close_keeps_bus_master",
                                         "a device whose file is closed may still do DMA"};
inline const Defect kZapBeforeBlock{
    "vfio.zap_before_block",
    "the registers of a device whose file closes are unmapped while it may still do DMA"};
inline const Defect kUnpinnedAtExit{
    "vfio.exit_ignores_pins",
    "the pages of a process that ends are given back although a device reaches them"};
inline const Defect kRegistersOfAnyImage{
    "vfio.registers_of_any_image",
    "closing a device behind exec unmaps the address at which the old program had its registers"};
inline const Defect kIdsOfAnyImage{
    "vfio.ids_of_any_image",
    "closing a container behind exec frees the numbers that it gave to the old program"};
inline const Defect kMixedGroup{"vfio.mixed_group",
                                "a group is viable although one of its devices has a host driver"};

}  // namespace ioasim::os
