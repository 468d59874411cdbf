// How a DSA device can be broken on purpose, where it can be made to fail, and its rare paths.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::dsa {

inline const Defect kAcceptWhenFull{
    "dsa.accept_when_full",
    "A full shared workqueue answers success to a submission and loses the descriptor"};
inline const Defect kCompleteTwice{"dsa.complete_twice",
                                   "Every descriptor ends twice, with two records and interrupts"};
inline const Defect kPasidOfPrevious{
    "dsa.pasid_of_previous",
    "Memory accesses carry the PASID of the descriptor that was dispatched before"};
inline const Defect kDrainReturnsEarly{"dsa.drain_returns_early",
                                       "Drain commands finish without waiting for descriptors"};
inline const Defect kFenceIgnored{"dsa.fence_ignored",
                                  "Entries of a batch overtake the fence behind which they stand"};
inline const Defect kReadBufferLimitIgnored{"dsa.read_buffer_limit_ignored",
                                            "A group takes more read buffers than it is allowed"};
inline const Defect kOperationsIgnored{
    "dsa.operations_ignored", "A workqueue takes operations that its configuration forbids"};
inline const Defect kMaskTakenForIndex{"dsa.mask_taken_for_index",
                                       "Commands for sets of workqueues read the mask as an index"};
inline const Defect kDualcastOnce{"dsa.dualcast_once",
                                  "A dualcast leaves its second destination alone"};
inline const Defect kOverlapForwards{"dsa.overlap_forwards",
                                     "A copy onto itself runs forwards whatever it overwrites"};
inline const Defect kThresholdIgnored{"dsa.threshold_ignored",
                                      "Limited portals fill a shared workqueue to its size"};
inline const Defect kErrorOverwritten{"dsa.error_overwritten",
                                      "A later software error replaces the latched one"};
inline const Defect kQueuePasidIgnored{"dsa.queue_pasid_ignored",
                                       "A dedicated workqueue uses the PASID of the descriptor"};
inline const Defect kDrainIgnoresPasid{"dsa.drain_ignores_pasid",
                                       "A drain of one PASID waits for all"};
inline const Defect kAbortIgnoresPasid{"dsa.abort_ignores_pasid",
                                       "An abort of one PASID drops the work of all"};
inline const Defect kLogNeverFull{"dsa.log_never_full",
                                  "The event log overwrites entries that nobody has read"};
inline const Defect kStaleHandleFires{"dsa.stale_handle_fires",
                                      "An interrupt handle that was released still fires"};
inline const Defect kIgnoreFires{"dsa.ignore_fires",
                                 "An interrupt entry with Ignore set sends its message"};
inline const Defect kRefusedFires{"dsa.refused_fires",
                                  "A descriptor's interrupt comes although it may not ask for one, "
                                  "or its record is left to software"};
inline const Defect kErrorsMisplaced{"dsa.errors_misplaced",
                                     "Errors that are SWERR's alone go to the event log"};
inline const Defect kResetForgetsErrors{"dsa.reset_forgets_errors",
                                        "A reset of the device clears SWERR"};
inline const Defect kThresholdLocked{
    "dsa.threshold_locked", "The threshold of a workqueue is locked while the device is enabled"};
inline const Defect kEnableUnchecked{
    "dsa.enable_unchecked",
    "Enabling a device or workqueue overlooks what it cannot keep: queues without group, event "
    "logs, credits, page requests, operations, handles"};
inline const Defect kLogInterruptRepeats{
    "dsa.log_interrupt_repeats",
    "The event log interrupts for every entry, pending or not, asked for or not"};
inline const Defect kDropsReported{
    "dsa.drops_reported", "A posted submission to a queue that takes none of its kind is an error"};
inline const Defect kBatchUnnamed{
    "dsa.batch_unnamed", "Entries of the event log do not tell which batch they belong to"};
inline const Defect kPrioritiesIgnored{
    "dsa.priorities_ignored", "The queues of a group take turns whatever their priorities"};
inline const Defect kLogDrops{"dsa.log_drops", "What finds no room in the event log is lost"};
inline const Defect kStoredPasidIgnored{
    "dsa.stored_pasid_ignored",
    "A descriptor may ask for the message of any entry of interrupt message storage, whoever's "
    "PASID it holds"};
inline const Defect kOccupancyRepeats{"dsa.occupancy_repeats",
                                      "The occupancy interrupt comes for every entry that leaves"};
inline const Defect kHaltedAccepts{"dsa.halted_accepts",
                                   "A halted device goes on accepting descriptors"};
inline const Defect kCausesClearedWhole{"dsa.causes_cleared_whole",
                                        "Clearing one cause of interrupts clears all of them"};
inline const Defect kConfigUnlocked{"dsa.config_unlocked",
                                    "WQCFG can be written while its workqueue is enabled"};
inline const Defect kReservedIgnored{"dsa.reserved_ignored",
                                     "Reserved flags and fields of descriptors are not checked"};
inline const Defect kPartForgotten{"dsa.part_forgotten",
                                   "The record of a page fault says that nothing was done"};
inline const Defect kCountsUnwritten{
    "dsa.counts_unwritten",
    "The record of a page fault counts what was computed and could not be written"};
inline const Defect kDualcastApart{
    "dsa.dualcast_apart",
    "A dualcast writes to its first destination before it knows the page of the second"};
inline const Defect kReadbackSkipped{"dsa.readback_skipped", "What was written is not read back"};
inline const Defect kPromisesForEver{
    "dsa.promises_for_ever",
    "A page that was promised and does not come is asked for again and again"};
inline const Defect kEntriesBlock{"dsa.entries_block",
                                  "Entries of a batch wait for pages although they do not ask to"};

inline const Defect kTagsLost{"dsa.tags_lost",
                              "The tag of a request that was given up is never used again"};
inline const Defect kWaitsForLostRead{
    "dsa.waits_for_lost_read",
    "An invalidation of the device TLB waits for reads that were given up, too"};
inline const Defect kTagUsedAtOnce{"dsa.tag_used_at_once",
                                   "The tag that came back last is taken next"};

inline const Defect kDeviceTlbWithoutPasid{
    "dsa.device_tlb_without_pasid", "An entry of a device TLB serves every PASID that comes by"};
inline const Defect kBatchUsesDeviceTlb{
    "dsa.batch_uses_device_tlb",
    "The record of a batch takes the place of its entries' in the "
    "device TLB"};
inline const Defect kKeepsInvalidated{"dsa.keeps_invalidated",
                                      "An invalidation of the device TLB is answered and nothing "
                                      "goes"};
inline const Defect kAnswersBeforeReads{
    "dsa.answers_before_reads",
    "An invalidation is answered while reads with its translations are under way"};
inline const Defect kKeepsStaleTranslation{"dsa.keeps_stale_translation",
                                           "A translation that an invalidation overtook is used"};
inline const Defect kPagesOverdrawn{"dsa.pages_overdrawn",
                                    "Page requests leave without credits for them"};
inline const Defect kRefusedKeepsCredit{
    "dsa.refused_keeps_credit", "A page request that was answered as invalid keeps its credit"};
inline const Defect kPageCodeIgnored{"dsa.page_code_ignored",
                                     "An invalid page request counts as granted"};
inline const Defect kOvertakesLog{"dsa.overtakes_log",
                                  "The record of a batch or drain is written although records "
                                  "before it went to the event log"};
inline const Defect kEnablesUnwatched{"dsa.enables_unwatched",
                                      "A device that is enabled lets its PCI enables be changed"};
inline const Defect kResetLeavesWork{"dsa.reset_leaves_work",
                                     "A function-level reset leaves the work of the device alone"};
inline const Defect kInterruptAhead{"dsa.interrupt_ahead",
                                    "The interrupt of a descriptor leaves before its record"};
inline const Defect kPrivilegeAlways{"dsa.privilege_always",
                                     "A privileged descriptor is taken whatever PASIDs may do"};

inline const FaultSite kSubmissionRetry{"dsa.submission_retry",
                                        "A submission to a shared workqueue is answered retry"};
inline const FaultSite kCommandFails{"dsa.command_fails",
                                     "An administrative command ends with a hardware error"};
inline const FaultSite kHardwareError{"dsa.hardware_error",
                                      "An engine that begins a descriptor finds an error in "
                                      "itself: the device halts"};

inline const FaultSite kEngineHangs{"dsa.hang",
                                    "An engine stands still for so long (picoseconds) before it "
                                    "decodes a descriptor",
                                    100'000'000};

inline const Mark kRetryAnswered{"dsa.retry_answered", "A shared workqueue had no room."};
inline const Mark kPostedLost{"dsa.posted_submission_lost",
                              "A posted submission could not be taken and was dropped."};
inline const Mark kReadFaulted{"dsa.read_faulted", "A read was answered with an error."};
inline const Mark kPageSplit{"dsa.page_split", "A write was split at a page boundary."};
inline const Mark kPageEnd{"dsa.page_end", "A read ended at the end of a page."};
inline const Mark kBuffersExhausted{"dsa.read_buffers_exhausted",
                                    "A read waited for a free read buffer."};
inline const Mark kAbortedRunning{"dsa.aborted_running", "An abort cut short running work."};
inline const Mark kAbortedQueued{"dsa.aborted_queued", "An abort dropped queued work."};
inline const Mark kDrainWaited{"dsa.drain_waited", "A drain or disable had work to wait for."};
inline const Mark kConfigIgnored{"dsa.config_write_ignored",
                                 "A configuration write came while it was not allowed."};
inline const Mark kLogFull{"dsa.log_full", "An error found no room in the event log."};
inline const Mark kErrorOverflow{"dsa.swerr_overflow", "A second error met a latched one."};
inline const Mark kInterruptPended{"dsa.interrupt_pended", "A masked vector had to be held."};
inline const Mark kTimedOut{"dsa.read_timed_out", "A read was given up unanswered."};
inline const Mark kLateCompletion{"dsa.late_completion",
                                  "A completion came after its read had been given up."};
inline const Mark kStaleTranslation{"dsa.stale_translation",
                                    "An invalidation overtook a translation."};
inline const Mark kInvalidationWaits{"dsa.invalidation_waits", "An invalidation waited for reads."};
inline const Mark kPageCreditsShort{"dsa.page_credits_short",
                                    "A page request waited for a credit."};
inline const Mark kRecordFaulted{"dsa.record_faulted", "The page of a record was not to be had."};
inline const Mark kMessageIgnored{"dsa.message_ignored",
                                  "A message came that nothing is enabled for."};

}  // namespace ioasim::dsa
