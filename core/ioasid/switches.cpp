#include "core/ioasid/switches.hpp"

namespace ioasim {

namespace {

constexpr std::string_view kProfileNames[] = {"spec", "v4", "dcp", "mainline"};

// What V4 and the production kernel have in common.
Switches posted_code() {
    Switches s;
    s.private_sets = false;
    s.capacity_reinstall_at_default = true;
    s.capacity_wraps = true;
    s.untyped_token_refused = true;
    s.untyped_token_unique = false;
    s.mm_pinned = false;
    s.quota_is_signed = true;
    s.type_is_signed = true;
    s.quota_zero_read_unlocked = true;
    s.quota_returned = false;
    s.alloc_after_refused_free = true;
    s.free_all_unlists_pending = true;
    s.quota_adjustable = false;
    s.alloc_returns_unstored = true;
    s.collision_freed_at_provider = true;
    s.invalid_number_kept = true;
    s.provider_range_checked = false;
    s.attach_checks_set = false;
    s.unbind_before_idle_reclaim = false;
    s.second_spid = Switches::SecondSpid::Overwrites;
    s.spid_get_refuses_pending = false;
    s.invalid_spid_matches = true;
    s.call_order = Switches::CallOrder::GlobalChainFirst;
    s.chain_error_lost = true;
    s.register_refuses_live_set = false;
    s.null_mm_refused = false;
    s.explicit_notify = false;
    s.allocator_quirks = true;
    s.cgroup_kernel_refused = true;
    s.cgroup_events_counted = false;
    s.cgroup_charge_leaks = true;
    s.cgroup_uncharges_current = true;
    s.cgroup_max_forgets = true;
    s.cgroup_limit_leaks = true;
    s.cgroup_cancel_moves_one = true;
    s.dev_takes_whole_pool = true;
    s.dev_checks_mm = false;
    s.entry_cleared_before_unbind = true;
    s.bind_get_unchecked = true;
    s.unbind_frees_queued_work = true;
    s.drain_under_spinlock = true;
    s.vdcm_puts_unheld = true;
    return s;
}

}  // namespace

std::string_view profile_name(Profile profile) {
    return kProfileNames[static_cast<std::size_t>(profile)];
}

bool parse_profile(std::string_view text, Profile& out) {
    for (const Profile p : {Profile::Spec, Profile::V4, Profile::Dcp, Profile::Mainline}) {
        if (text == profile_name(p)) {
            out = p;
            return true;
        }
    }
    return false;
}

Switches Switches::preset(Profile profile) {
    Switches s;
    switch (profile) {
        case Profile::Spec:
            break;
        case Profile::V4:
            s = posted_code();
            s.set_death = SetDeath::AtZeroLive;
            s.register_takes_lock = false;
            s.mm_list_has_own_lock = true;
            s.mm_pending_entry_blank = true;
            break;
        case Profile::Dcp:
            s = posted_code();
            s.unregister_destroys_empty_set = true;
            break;
        case Profile::Mainline:
            s = posted_code();
            s.managed_sets = false;
            s.alloc_returns_unstored = false;
            // No guest binds there, and no FREE.
            s.entry_cleared_before_unbind = false;
            s.bind_get_unchecked = false;
            s.unbind_frees_queued_work = false;
            s.drain_under_spinlock = false;
            s.vdcm_puts_unheld = false;
            break;
    }
    return s;
}

}  // namespace ioasim
