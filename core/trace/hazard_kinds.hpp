// What an `ioasid.hazard` can be: calls and situations that real code does not survive. One list of
// names with their meanings, so that expectations name none that does not exist.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

#include "core/base/check.hpp"
#include "core/trace/event.hpp"

namespace ioasim::trace {

enum class IoasidHazardKind : std::uint8_t {
    SelfDeadlock,
    LockOrder,
    SleepInAtomic,
    UnlockNotOwner,
    EndedWithLock,
    LockNotHeld,
    DestroyedSet,
    UnstoredIdReturned,
    ProviderFreesLiveId,
    EntryFreedTwice,
    FreedEntryUsed,
    RemovedAllocatorInUse,
    AllocatorListCorrupted,
    OrphanedIds,
    CapacityCancelledTwice,
    NotificationTooDeep,
    FreedObject,
    KickTimeout,
    DrainFailed,
    InvalidationUnfinished,
    KernelMachineCheck,
};

// In the order of the enumerators.
inline constexpr const char* kIoasidHazardLabels[] = {
    "self_deadlock",
    "lock_order",
    "sleep_in_atomic",
    "unlock_not_owner",
    "ended_with_lock",
    "lock_not_held",
    "destroyed_set",
    "unstored_id_returned",
    "provider_frees_live_id",
    "entry_freed_twice",
    "freed_entry_used",
    "removed_allocator_in_use",
    "allocator_list_corrupted",
    "orphaned_ids",
    "capacity_cancelled_twice",
    "notification_too_deep",
    "freed_object",
    "kick_timeout",
    "drain_failed",
    "invalidation_unfinished",
    "kernel_machine_check",
};
inline constexpr const char* kIoasidHazardMeanings[] = {
    "a lock is taken by who holds it already",
    "two classes of locks are taken in both orders",
    "a call that may sleep in a handler or under a spinlock",
    "a lock is released by somebody who does not hold it",
    "a thread or handler ended and still holds a lock",
    "a _locked call without the allocator lock",
    "a set is used, or its chain called, after its end",
    "a number was returned that the core did not store",
    "a provider gave a number that is in use, and the error path frees it",
    "an error path frees the entry of an ID once more",
    "a look-up met an entry that had been freed in place",
    "an allocator left while its functions were in use",
    "an allocator was put into a list in which it stands already",
    "an allocator left and IDs of it are left",
    "more capacity came back than the pool has room for",
    "notifications nest deeper than the kernel's stack allows",
    "an object is used after it was freed",
    "a vCPU that was kicked did not leave the guest in time",
    "a device did not drain a PASID; the teardown goes on",
    "a unit did not end an invalidation in time; the driver goes on (Linux waits for ever)",
    "a kernel read an error of memory in what is its own: it panics, and the run ends",
};
static_assert(std::size(kIoasidHazardLabels) == std::size(kIoasidHazardMeanings));
static_assert(std::size(kIoasidHazardLabels) ==
              static_cast<std::size_t>(IoasidHazardKind::KernelMachineCheck) + 1);

constexpr Labels labels_of(IoasidHazardKind) {
    return {kIoasidHazardLabels, std::size(kIoasidHazardLabels)};
}

// A label that is none of them is a bug of the caller.
inline IoasidHazardKind hazard_kind(std::string_view label) {
    std::size_t at = 0;
    while (at < std::size(kIoasidHazardLabels) && label != kIoasidHazardLabels[at]) {
        ++at;
    }
    SIM_CHECK(at < std::size(kIoasidHazardLabels), "no kind of hazard is named {}", label);
    return static_cast<IoasidHazardKind>(at);
}

}  // namespace ioasim::trace
