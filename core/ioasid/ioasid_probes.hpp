// Defects, fault sites and coverage marks of the IOASID core.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::ioasid_probes {

inline const Defect kReversedPriority{"ioasid.reversed_priority",
                                      "notification chains are sorted by ascending priority"};
inline const Defect kSpidLookupGlobal{
    "ioasid.spid_lookup_global", "a look-up by SPID ignores the set: the first set with it wins"};
inline const Defect kMissingPut{"ioasid.missing_put",
                                "the put that would end FREE_PENDING is lost"};
inline const Defect kDoublePut{"ioasid.double_put", "every put drops two references"};
inline const Defect kUnbindTwice{"ioasid.unbind_twice", "detach_spid sends UNBIND twice"};
inline const Defect kQuotaNotChecked{"ioasid.quota_not_checked", "alloc ignores the set's quota"};
inline const Defect kForeignFreeAllowed{"ioasid.foreign_free_allowed",
                                        "free does not compare the caller's set with the ID's"};
inline const Defect kSpidConflictAccepted{"ioasid.spid_conflict_accepted",
                                          "attach_spid takes an SPID that its set already uses"};
inline const Defect kFreeNotifiedTwice{"ioasid.free_notified_twice",
                                       "a free of an ID in use sends FREE twice"};
inline const Defect kPendingGetAllowed{"ioasid.pending_get_allowed",
                                       "get, by number or by SPID, succeeds in FREE_PENDING"};
inline const Defect kEarlyReuse{"ioasid.early_reuse",
                                "free of an ID in use reclaims it at once, references or not"};
inline const Defect kUnorderedWork{"ioasid.unordered_work",
                                   "the ordered workqueue takes the newest item first"};
inline const Defect kPendingBlockForgotten{
    "ioasid.pending_block_forgotten", "a new set does not attach the blocks that wait for its mm"};
inline const Defect kQuotaNotReturned{"ioasid.quota_not_returned",
                                      "a dying set keeps its quota out of the pool"};
inline const Defect kFreeAllSkipsLast{"ioasid.free_all_skips_last",
                                      "free_all_in_set forgets the highest ID"};
inline const Defect kChargeNotChecked{"ioasid.charge_not_checked",
                                      "the ioasids controller charges without comparing the limit"};
inline const Defect kUnregisterIgnored{"ioasid.unregister_ignored",
                                       "unregistering a notification block leaves it on its chain"};
inline const Defect kRangeIgnored{"ioasid.range_ignored",
                                  "alloc ignores the lower end of the range"};
inline const Defect kWalkSkipsLast{"ioasid.walk_skips_last", "set_for_each forgets the highest ID"};
inline const Defect kFindMmAnySet{"ioasid.find_mm_any_set",
                                  "find_mm_set returns the first set, whoever owns it"};
inline const Defect kReuseInNotification{
    "ioasid.reuse_in_notification",
    "a number reclaimed inside a notification is free before its chains have ended"};
inline const Defect kNotifyIgnoresScope{"ioasid.notify_ignores_scope",
                                        "notify calls both chains, whatever its flags are"};
inline const Defect kRegisterOnLiveSet{
    "ioasid.register_on_live_set",
    "notification blocks are accepted on an mm set that has live IDs"};
inline const Defect kWorkRunsInline{"ioasid.work_runs_inline",
                                    "queue_work runs the item at once, in the caller's context"};
inline const Defect kCustomAllocatorIgnored{"ioasid.custom_allocator_ignored",
                                            "numbers come from the core's own search even while a "
                                            "custom allocator is active"};
inline const Defect kGetterIgnored{"ioasid.getter_ignored",
                                   "find returns the private data that the getter refused"};
inline const Defect kSetOutlivesLastId{"ioasid.set_outlives_last_id",
                                       "a set that waits for its last ID is never destroyed"};
inline const Defect kIdleFreeNotified{"ioasid.idle_free_notified",
                                      "a free of an IDLE ID sends FREE"};
inline const Defect kLastPutNotified{"ioasid.last_put_notified",
                                     "the put that reclaims an ID sends FREE"};
inline const Defect kSecondSpidAccepted{"ioasid.second_spid_accepted",
                                        "attach_spid replaces the SPID that an ID has"};
inline const Defect kAdjustKeepsPool{"ioasid.adjust_keeps_pool",
                                     "adjust_set changes the quota but not the pool"};
inline const Defect kPrivateIdsGlobal{"ioasid.private_ids_global",
                                      "a private set takes its numbers from everybody's"};
inline const Defect kSearchIsFree{"ioasid.search_is_free",
                                  "searching costs no time, however many IDs there are"};

// Bugs that versions before the profiles had.
inline const Defect kRegistrationRelocks{
    "ioasid.registration_relocks",
    "registration by mm takes the lock that it holds again when the set exists"};
inline const Defect kAllocAndFreeRejected{"ioasid.alloc_and_free_rejected",
                                          "the internal notify refuses ALLOC and FREE"};
inline const Defect kFreeToGlobalOnly{"ioasid.free_to_global_only",
                                      "FREE asks for the global chain twice, never for the set's"};
inline const Defect kSpidLookupUnlocked{
    "ioasid.spid_lookup_unlocked",
    "a look-up by SPID scans without the lock and references whatever is there afterwards"};
inline const Defect kSpidProbeKeepsReference{
    "ioasid.spid_probe_keeps_reference",
    "the uniqueness test of attach_spid keeps a reference on the ID that it found"};
inline const Defect kUnbindWithoutSpid{"ioasid.unbind_without_spid",
                                       "detach_spid clears the SPID before it sends UNBIND"};
inline const Defect kSecondFreeDrops{"ioasid.second_free_drops",
                                     "a free in FREE_PENDING drops one more reference"};
inline const Defect kAdjustComparesPool{
    "ioasid.adjust_compares_pool", "a new quota, not its growth, is compared with what is left"};
inline const Defect kDestroyedSetListed{"ioasid.destroyed_set_listed",
                                        "a destroyed set stays in the array of sets"};
inline const Defect kNotifyUnchecked{"ioasid.notify_unchecked",
                                     "notify takes any event and any flags"};
inline const Defect kBlockListedTwice{"ioasid.block_listed_twice",
                                      "a block that is on a chain is put there once more"};
inline const Defect kIdleReclaimSilent{
    "ioasid.idle_reclaim_silent", "a free of an IDLE ID with an SPID reclaims it without UNBIND"};
inline const Defect kFreeAllUnlists{
    "ioasid.free_all_unlists",
    "free_all_in_set takes IDs that wait for their users out of their set at once"};
inline const Defect kStopIgnored{"ioasid.stop_ignored",
                                 "a stop value does not end the rest of its chain"};
inline const Defect kSelfDeadlockUnseen{
    "ioasid.self_deadlock_unseen",
    "a call by somebody who holds the allocator lock already is not reported"};
inline const Defect kUnchargeRunner{"ioasid.uncharge_runner",
                                    "a reclaim uncharges the group of the task that runs"};
inline const Defect kRefusedChargeKept{"ioasid.refused_charge_kept",
                                       "an allocation that its quota refuses stays charged"};
inline const Defect kKernelChargeRefused{"ioasid.kernel_charge_refused",
                                         "a caller without an mm may not allocate from an MM set"};
inline const Defect kMmNotPinned{"ioasid.mm_not_pinned",
                                 "a set does not keep its mm: another process may get its address"};
inline const Defect kAllocatorStays{"ioasid.allocator_stays",
                                    "unregistering a custom allocator does nothing"};

inline const FaultSite kAllocNoMemory{"ioasid.alloc.no_memory", "no memory for a new ID"};
inline const FaultSite kSetStoreNoMemory{"ioasid.alloc.set_store_no_memory",
                                         "no memory for an ID's place in its set's array"};
inline const FaultSite kSetAllocNoMemory{"ioasid.set_alloc.no_memory", "no memory for a new set"};
inline const FaultSite kRegisterNoMemory{"ioasid.register_notifier_mm.no_memory",
                                         "no memory for an entry of the mm list"};

// What a user of the core can get wrong: the name of its block or of its references is where.
inline const FaultSite kHandlerSlow{"handler.slow",
                                    "a notification handler takes longer "
                                    "(picoseconds)",
                                    50'000'000};
inline const FaultSite kHandlerFails{"handler.fails",
                                     "a notification handler does nothing and returns an error"};
inline const FaultSite kHandlerSleeps{"handler.sleeps",
                                      "a notification handler sleeps in its atomic section "
                                      "(picoseconds)",
                                      1'000'000};
inline const FaultSite kPutForgotten{"handler.forgets_put",
                                     "a holder forgets to put the reference that it has"};
inline const FaultSite kPutTwice{"handler.puts_twice",
                                 "a holder puts the reference that it has twice"};
inline const FaultSite kWorkLate{
    "ioasid.work_late", "an item of the ordered workqueue begins later (picoseconds)", 200'000'000};

inline const Mark kInvalidNumberKept{
    "ioasid.invalid_number_kept",
    "number 2^32-1 was stored, refused, and its entry freed in place"};
inline const Mark kReclaimInHandler{"ioasid.reclaim_in_handler",
                                    "a handler dropped the last reference during the notification"};
inline const Mark kPendingBlockAttached{"ioasid.pending_block_attached",
                                        "a block that waited for its mm was attached to a new set"};
inline const Mark kOrphaned{"ioasid.orphaned", "an allocator was removed with IDs outstanding"};
inline const Mark kUnstoredReturned{"ioasid.unstored_returned",
                                    "alloc returned a number that belongs to somebody else"};

}  // namespace ioasim::ioasid_probes
