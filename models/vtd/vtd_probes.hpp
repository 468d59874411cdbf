// Ways to break a unit on purpose, and the rare paths that it reports.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vtd {

inline const Defect kSkipIotlbInvalidation{
    "vtd.skip_iotlb_invalidation", "IOTLB invalidation descriptors complete without any effect"};
inline const Defect kIotlbTagWithoutPasid{
    "vtd.iotlb_tag_without_pasid",
    "IOTLB look-ups compare neither PASID nor domain: another address space's page is used"};
inline const Defect kWaitBeforeDrain{
    "vtd.wait_before_drain",
    "an invalidation wait completes while older requests still use old translations"};
inline const Defect kWaitPassesDeviceTlb{
    "vtd.wait_passes_device_tlb",
    "an invalidation wait completes before the device TLBs before it have answered"};
inline const Defect kDeviceTlbSizeLost{
    "vtd.device_tlb_size_lost",
    "invalidation requests to device TLBs name one page, whatever the descriptor's size"};
inline const Defect kFirstCompletionEnds{
    "vtd.itag_reused_early",
    "the first of several invalidation completions ends the invalidation: its ITag is free again"};
inline const Defect kErrorDoesNotStop{
    "vtd.queue_error_ignored",
    "the invalidation queue reports a bad descriptor (IQE), steps over it and goes on"};
inline const Defect kTimeoutIgnored{
    "vtd.device_tlb_timeout_ignored",
    "a device TLB that does not answer in time counts as answered: ITE stays clear"};
inline const Defect kFenceIgnored{"vtd.fence_ignored",
                                  "an invalidation wait with fence lets later descriptors pass"};
inline const Defect kInterruptBeforeStatus{
    "vtd.interrupt_before_status",
    "the interrupt of an invalidation wait leaves before its status write is done"};
inline const Defect kPageDrainIgnored{
    "vtd.page_drain_ignored",
    "an invalidation wait with page-request drain does not wait for page requests"};
inline const Defect kOverflowIgnored{
    "vtd.page_overflow_ignored",
    "page requests are queued although the queue's overflow flag (PRO) is set"};
inline const Defect kAutomaticAnswerLost{
    "vtd.automatic_answer_lost",
    "a page request that finds no room in the queue is dropped without its answer"};
inline const Defect kPageRequestKeepsTranslation{
    "vtd.page_request_keeps_translation",
    "a page request does not drop the page's translation from the caches"};
inline const Defect kPageEventEarly{
    "vtd.page_event_early", "the page-request interrupt leaves before the descriptor is in memory"};
inline const Defect kFpdIgnored{"vtd.fpd_ignored",
                                "faults are recorded although FPD of an entry forbids it"};

inline const Defect kFaultOverwrites{
    "vtd.fault_overwrites",
    "a fault that finds no free record takes the place of an older one; PFO stays clear"};
inline const Defect kFaultWithoutPasid{
    "vtd.fault_without_pasid", "fault records hold no PASID, privilege or execution (PP = 0)"};
inline const Defect kFaultNotCompressed{
    "vtd.fault_not_compressed", "with compression a source gets further records all the same"};
inline const Defect kFaultClearedByZero{
    "vtd.fault_cleared_by_zero", "writing 0 to F of a fault record clears it as writing 1 does"};
inline const Defect kMaskedEventLost{"vtd.masked_event_lost",
                                     "an event that finds its interrupt masked is forgotten"};
inline const Defect kEventOfEveryCause{
    "vtd.event_of_every_cause", "an event sends its interrupt again before software cleared it"};
inline const Defect kInterruptPassesWrites{
    "vtd.interrupt_passes_writes",
    "a device's interrupt leaves before its earlier writes are in memory"};

inline const Defect kStructureCacheSurvives{
    "vtd.structure_cache_survives",
    "paging-structure caches keep their entries whatever is invalidated"};
inline const Defect kHintInverted{
    "vtd.hint_inverted",
    "the invalidation hint is taken the wrong way round: paging-structure entries stay when tables "
    "changed and go when only leaves did"};
inline const Defect kContextCacheSurvives{
    "vtd.context_cache_survives", "context-cache invalidations complete without any effect"};
inline const Defect kPasidCacheSurvives{"vtd.pasid_cache_survives",
                                        "PASID-cache invalidations complete without any effect"};
inline const Defect kFunctionMaskIgnored{
    "vtd.function_mask_ignored",
    "a context-cache invalidation by device drops the named function alone, whatever its mask"};
inline const Defect kAddressMaskIgnored{
    "vtd.address_mask_ignored", "an invalidation by page drops one page, whatever its mask"};
inline const Defect kPageInDomainTooNarrow{
    "vtd.page_in_domain_too_narrow",
    "an IOTLB invalidation by page in a domain spares other pages of first-stage and nested "
    "translations, which go for the whole domain"};
inline const Defect kStaleFillKept{
    "vtd.stale_fill_kept", "a walk that an invalidation overtook fills the caches all the same"};

inline const Defect kCommandOverrun{
    "vtd.command_overrun", "a command register takes the next command before the last is done"};
inline const Defect kOffWithoutDrain{
    "vtd.off_without_drain", "translation goes off while translated requests are still under way"};
inline const Defect kReservedBitsIgnored{"vtd.reserved_bits_ignored",
                                         "page-table entries are used whatever bits are reserved"};
inline const Defect kLeafPermissionsOnly{
    "vtd.leaf_permissions_only",
    "only the last second-stage entry decides on permissions, not all on the way"};
inline const Defect kDirtyNotSet{"vtd.dirty_not_set",
                                 "a write leaves the dirty flag of its page-table entry clear"};
inline const Defect kLargePageAsTable{
    "vtd.large_page_as_table",
    "the page-size bit (PS) is ignored: the walk goes on into a large page as if it held entries"};
inline const Defect kUserBitIgnored{
    "vtd.user_bit_ignored", "user requests reach first-stage pages of supervisors (U/S = 0)"};
inline const Defect kWriteProtectIgnored{
    "vtd.write_protect_ignored", "supervisor requests write read-only pages although WPE = 1"};
inline const Defect kAddressWidthIgnored{
    "vtd.address_width_ignored",
    "addresses that are not canonical or beyond the width of the tables or of the host are used"};
inline const Defect kExtendedAccessedNotSet{"vtd.extended_accessed_not_set",
                                            "EAFE = 1 sets no extended-accessed flag"};
inline const Defect kNestedTableUnchecked{
    "vtd.nested_table_unchecked",
    "a guest's first-stage tables are read and marked whatever the second stage allows"};
inline const Defect kInterruptRangeReached{
    "vtd.interrupt_range_reached", "page tables may lead a request into the interrupt range"};
inline const Defect kLegacyCodesOfScalable{
    "vtd.legacy_codes_of_scalable",
    "faults of legacy page tables are recorded with the codes of scalable mode"};
inline const Defect kRegisterInvalidationAlways{
    "vtd.register_invalidation_always",
    "CCMD and IOTLB invalidate and report success whatever the version, queue and table mode"};
inline const Defect kTranslatedWithoutDte{
    "vtd.translated_without_dte",
    "translated requests pass although the context entry has DTE = 0"};
inline const Defect kTranslationGrantsWrite{
    "vtd.translation_grants_write",
    "translation completions grant write permission that the tables do not"};
inline const Defect kTranslationSkipsDirty{
    "vtd.translation_skips_dirty",
    "a translation request that may write leaves the dirty flag clear"};
inline const Defect kTranslationNotDrained{
    "vtd.translation_not_drained",
    "an invalidation wait completes while an older translation request is not answered"};
inline const Defect kSnoopNotForced{"vtd.snoop_not_forced",
                                    "no-snoop accesses stay so although the page demands snooping"};

// Times in picoseconds.
inline const FaultSite kPageQueueFull{
    "iommu.page_queue_overflow", "a page request finds the queue full, whatever its head says"};
inline const FaultSite kInvalidationSlow{
    "iommu.invalidation_slow", "a descriptor of the invalidation queue takes longer", 20'000'000};
inline const FaultSite kWalkSlow{"iommu.walk_slow", "a step of a page walk takes longer",
                                 5'000'000};

inline const Mark kMalformedRequest{"vtd.malformed_request",
                                    "a translation request of illegal length was dropped"};
inline const Mark kStaleFillDropped{
    "vtd.stale_fill_dropped", "a walk ended after an invalidation and was not put into a cache"};
inline const Mark kFaultOverflow{"vtd.fault_overflow",
                                 "a fault found no free fault recording register"};
inline const Mark kFaultSuppressed{"vtd.fault_suppressed", "FPD kept a fault out of the records"};
inline const Mark kWaitDrained{"vtd.wait_drained",
                               "an invalidation wait had to wait for requests in flight"};
inline const Mark kQueueTimeout{"vtd.queue_timeout",
                                "the invalidation queue stopped as a device TLB was out of time"};
inline const Mark kPrefetchDropped{"vtd.prefetch_dropped",
                                   "a descriptor that was fetched ahead was dropped by an error"};
inline const Mark kDeviceTlbThrottled{
    "vtd.device_tlb_throttled",
    "a device-TLB invalidation waited for an ITag or for the device's earlier ones"};
inline const Mark kUnexpectedCompletion{"vtd.unexpected_completion",
                                        "an invalidation completion came that nobody waited for"};
inline const Mark kPageRequestTurnedAway{"vtd.page_request_turned_away",
                                         "a page request found no room in the queue"};
inline const Mark kQueueError{"vtd.queue_error", "the invalidation queue stopped with an error"};
inline const Mark kUpdateRace{"vtd.update_race",
                              "an entry changed between a walk's read and its flag update"};
inline const Mark kWalkJoined{"vtd.walk_joined", "a request waited for another's walk of its page"};
inline const Defect kReadsPass{"vtd.hits_pass_misses",
                               "requests of a function pass each other though the unit keeps "
                               "their order"};

inline const Mark kWalkedAhead{"vtd.walked_ahead",
                               "a page was walked before any request asked for it"};
inline const Mark kWalkersBusy{"vtd.walkers_busy", "a request waited for a free walker"};
inline const Mark kWriteHeld{"vtd.write_held",
                             "a translated request waited for an older write of its device"};
inline const Mark kCompletionHeld{
    "vtd.completion_held", "an interrupt or read completion waited for older writes to be done"};
inline const Mark kCommandOverlap{
    "vtd.command_overlap", "software wrote a command register while a command was under way"};
inline const Mark kBadRegisterAccess{"vtd.bad_register_access",
                                     "a register access of illegal size or alignment"};

}  // namespace ioasim::vtd
