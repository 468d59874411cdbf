// Where the published versions of the IOASID core differ, and where the design document differs
// from all of them. One named switch a difference; a profile is a preset over this struct and
// nothing else in the core asks which profile runs. "V4 patch series" is the series of February
// 2021, "production kernel" the later Intel tree, "mainline" Linux 5.13 and 5.18, "document" the
// series' own Documentation/driver-api/ioasid.rst.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ioasim {

enum class Profile : std::uint8_t { Spec, V4, Dcp, Mainline };

std::string_view profile_name(Profile profile);  // "spec", "v4", "dcp", "mainline"
bool parse_profile(std::string_view text, Profile& out);

struct Switches {
    // --- what exists at all -----------------------------------------------------------------
    // The kernel was built with the subsystem. Otherwise every call answers as the header's stubs
    // do: -ENOTSUPP, no ID, nothing found.
    bool subsystem = true;
    // Sets with number, type, token and quota, SPIDs, states, notifiers, a capacity pool. Mainline
    // has none: there a set is a tag that is compared and never registered.
    bool managed_sets = true;
    // get and put exist. Mainline 5.18 has only free, which reclaims at once.
    bool reference_counts = true;
    // Document discussion of April 2020: a set with its own namespace, quota-free, invisible to the
    // global search. Agreed, never coded.
    bool private_sets = true;

    // --- capacity ---------------------------------------------------------------------------
    // Posted code: install_capacity works while the stored total is 0 or still equals the 20-bit
    // default, even after sets took their share (over-commit). Otherwise: once, and before any use.
    bool capacity_reinstall_at_default = false;
    // Posted code: cancel_capacity compares available + n in 32 bits, so n near 2^32 is accepted.
    bool capacity_wraps = false;

    // --- sets -------------------------------------------------------------------------------
    // Posted code: an untyped set takes no token at all. Document: any 64-bit token.
    bool untyped_token_refused = false;
    // Document: a non-zero token is unique within its type. Posted code: only MM tokens are looked
    // at.
    bool untyped_token_unique = true;
    // Posted code keeps no reference on the mm that is a set's token: after the process has gone,
    // its address can be another process's, which then owns the set. A later rework grabs the mm.
    bool mm_pinned = true;
    // Posted code: the quota is an int, so 2^31 and more never allow an allocation.
    bool quota_is_signed = false;
    // Posted code: the type is compared as a signed number, so a negative one is found out only
    // after the quota was compared with the pool.
    bool type_is_signed = false;
    // Posted code: quota 0 ("all that is left") reads the pool before it takes the lock.
    bool quota_zero_read_unlocked = false;
    // V1 to V3 return the quota to the pool when the set dies; V4 and the production kernel leak
    // it.
    bool quota_returned = true;
    enum class SetDeath : std::uint8_t {
        AtZeroLive,        // V4: with the last ID, whoever holds the pointer
        AfterRefusedFree,  // production kernel: set_free marks, the last reclaim destroys
    };
    SetDeath set_death = SetDeath::AfterRefusedFree;
    // Production kernel: alloc still succeeds on a set that waits for its last reclaim, which can
    // postpone the end for ever. A later rework refuses it.
    bool alloc_after_refused_free = false;
    // Posted code: free_all_in_set takes pending IDs out of the set's array, so a look-up by SPID
    // fails and the SPID can be given again while the old ID drains.
    bool free_all_unlists_pending = false;
    // V1 to V3: ioasid_adjust_set. Dropped in V4.
    bool quota_adjustable = true;

    // --- IDs --------------------------------------------------------------------------------
    // V4 and the production kernel: when storing fails after the provider gave a number (a number
    // in use), the number is returned although nothing was stored. Otherwise INVALID_IOASID.
    bool alloc_returns_unstored = false;
    // All code: a provider whose number is in use already is told to free that number, which
    // belongs to somebody else. Mainline then refuses, V4 returns it.
    bool collision_freed_at_provider = false;
    // All code: the default allocator can give out the number 2^32-1, which then counts as a
    // failure; the entry is freed, its place in the array is not. Otherwise the place goes too.
    bool invalid_number_kept = false;
    // All code: whatever the provider returns is stored, inside min..max or not.
    bool provider_range_checked = true;
    // Document: attach_data and attach_spid take the set and refuse a foreign one (-EACCES).
    // Posted code: the ID alone.
    bool attach_checks_set = true;
    // Document: a free of an IDLE ID that still has an SPID sends UNBIND before the reclaim
    // (pattern ALLOC, BIND, FREE). Posted code is silent and leaves the subscribers' translations
    // behind.
    bool unbind_before_idle_reclaim = true;

    // --- SPIDs ------------------------------------------------------------------------------
    enum class SecondSpid : std::uint8_t {
        Refused,     // document, one alias an ID: -EBUSY and no BIND
        Overwrites,  // V4: another SPID replaces the first, BIND is sent again
    };
    SecondSpid second_spid = SecondSpid::Refused;
    // Document: no new reference in FREE_PENDING. Posted code: find_by_spid(get) takes one anyway.
    bool spid_get_refuses_pending = true;
    // Posted code: INVALID_IOASID as SPID matches every ID without an SPID and references them all.
    bool invalid_spid_matches = false;

    // --- notifiers --------------------------------------------------------------------------
    enum class CallOrder : std::uint8_t {
        MergedByPriority,  // document: CPU, IOMMU, DEVICE over both chains
        GlobalChainFirst,  // V4: the whole global chain, then the set's
    };
    CallOrder call_order = CallOrder::MergedByPriority;
    // Posted code: with both scopes notified, an error of the global chain is replaced by what the
    // set's chain returns. Otherwise the error stays.
    bool chain_error_lost = false;
    // Document: on a non-empty MM set every registration is refused. Posted code: only the _mm
    // call.
    bool register_refuses_live_set = true;
    // V4 registers on a chain without the allocator lock.
    bool register_takes_lock = true;
    // V4: the mm list has its own lock. Registration takes list lock, then allocator lock; set
    // creation and destruction the other way round (AB/BA). Production kernel: one lock.
    bool mm_list_has_own_lock = false;
    // V4: an entry registered before its set exists stores neither token nor block, never attaches
    // and cannot be removed. Document and production kernel: it waits and attaches.
    bool mm_pending_entry_blank = false;
    // V2 and V3 refuse to wait for a NULL mm; V4 and the production kernel do not look.
    bool null_mm_refused = true;
    // Production kernel: unregistering pins the set by a live count; on an empty set the way back
    // from one to zero destroys it.
    bool unregister_destroys_empty_set = false;
    // Document: notify() is public (as reviewed: BIND and UNBIND only). V3 and V4: internal.
    bool explicit_notify = true;

    // --- allocators -------------------------------------------------------------------------
    // All code: the removed head of a shared group stays in use, removal matches by functions, and
    // a duplicate is only seen among heads.
    bool allocator_quirks = false;

    // --- cgroup and /dev/ioasid -------------------------------------------------------------
    // Posted code refuses a caller without an mm (-EINVAL). Review: a kernel context must not fail;
    // it counts as the root group, which is never limited.
    bool cgroup_kernel_refused = false;
    // Posted code never increments the events counter.
    bool cgroup_events_counted = true;
    // Posted code keeps the unit charged when the quota test fails afterwards.
    bool cgroup_charge_leaks = false;
    // Posted code uncharges the group of the running task, whoever was charged, and only while the
    // mm has users. Otherwise the group that holds the mm's charges.
    bool cgroup_uncharges_current = false;
    // Posted code: "max" takes all that is available and forgets the old limit.
    bool cgroup_max_forgets = false;
    // Posted code: a removed group keeps its limit out of the pool.
    bool cgroup_limit_leaks = false;
    // Posted code: cancelling a migration moves one unit a thread, not the live count.
    bool cgroup_cancel_moves_one = false;
    // Posted code: the first open of /dev/ioasid takes the whole pool as quota. Otherwise the
    // parameter dev.quota.
    bool dev_takes_whole_pool = false;
    // A file passed to another process gives no rights (-EPERM). Posted code does not look.
    bool dev_checks_mm = true;

    // --- the VT-d driver of the same series -------------------------------------------------
    // Posted driver: PASID entries are cleared and drained, then the SPID is detached. Document:
    // UNBIND first, so that the CPUs stop before the table does.
    bool entry_cleared_before_unbind = false;
    // Posted driver: does not look whether the reference of its own that a guest bind takes was
    // refused (FREE_PENDING), and programs the device all the same.
    bool bind_get_unchecked = false;
    // Posted driver: unbind frees the object of a PASID although the work that FREE queued for it
    // has not run.
    bool unbind_frees_queued_work = false;
    // Posted driver: the work that FREE queued holds the unit's spinlock through the drain of the
    // page requests, which may sleep.
    bool drain_under_spinlock = false;

    // --- the VDCM of the production kernel --------------------------------------------------
    // Its FREE handler queues a drain and a put for every mediated device of the VM that has a
    // shared workqueue, although such a device takes no reference. Otherwise everybody puts what
    // it took.
    bool vdcm_puts_unheld = false;

    static Switches preset(Profile profile);
};

}  // namespace ioasim
