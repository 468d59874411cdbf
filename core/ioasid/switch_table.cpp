#include "core/ioasid/switch_table.hpp"

#include <type_traits>

namespace ioasim {
namespace {

template <auto Member>
SwitchInfo flag(const char* name, const char* reproduces, const char* doc) {
    static_assert(std::is_same_v<std::decay_t<decltype(Switches{}.*Member)>, bool>);
    return {name,
            {"off", "on"},
            reproduces,
            doc,
            [](const Switches& s) { return std::size_t{s.*Member ? 1U : 0U}; },
            [](Switches& s, std::size_t value) { s.*Member = value != 0; }};
}

template <auto Member>
SwitchInfo choice(const char* name, std::vector<const char*> values, const char* reproduces,
                  const char* doc) {
    using Enum = std::decay_t<decltype(Switches{}.*Member)>;
    return {name,
            std::move(values),
            reproduces,
            doc,
            [](const Switches& s) { return static_cast<std::size_t>(s.*Member); },
            [](Switches& s, std::size_t value) { s.*Member = static_cast<Enum>(value); }};
}

}  // namespace

const std::vector<SwitchInfo>& switch_table() {
    using S = Switches;
    static const std::vector<SwitchInfo> table{
        flag<&S::subsystem>("subsystem", "built without it",
                            "off: every call answers as the header's stubs do (-ENOTSUPP)"),
        flag<&S::managed_sets>("managed_sets", "mainline", "off: sets are bare tags"),
        flag<&S::reference_counts>("reference_counts", "mainline 5.18",
                                   "off: free reclaims at once, get and put do not exist"),
        flag<&S::private_sets>("private_sets", "agreed in review, never coded",
                               "sets with a namespace of their own"),
        flag<&S::capacity_reinstall_at_default>(
            "capacity_reinstall_at_default", "regression 17",
            "install_capacity works as long as the total is the default, sets or not"),
        flag<&S::capacity_wraps>("capacity_wraps", "regression 47",
                                 "cancel_capacity compares in 32 bits and wraps"),
        flag<&S::untyped_token_refused>("untyped_token_refused", "untyped set",
                                        "an untyped set takes no token"),
        flag<&S::untyped_token_unique>("untyped_token_unique", "token uniqueness",
                                       "a token is unique among untyped sets too"),
        flag<&S::mm_pinned>("mm_pinned", "regression 34",
                            "a set keeps its mm, so that no other mm gets its address"),
        flag<&S::quota_is_signed>("quota_is_signed", "regression 47",
                                  "a quota of 2^31 and more is negative: no ID ever"),
        flag<&S::type_is_signed>("type_is_signed", "order of errors of set_alloc",
                                 "a negative type is refused only after the quota"),
        flag<&S::quota_zero_read_unlocked>("quota_zero_read_unlocked", "set_alloc with quota 0",
                                           "quota 0 reads the pool before the lock is taken"),
        flag<&S::quota_returned>("quota_returned", "regression 23",
                                 "a dying set gives its quota back to the pool"),
        choice<&S::set_death>(
            "set_death", {"at_zero_live", "after_refused_free"}, "regressions 20 and 22",
            "a set dies with its last ID, or with the last one after a refused set_free"),
        flag<&S::alloc_after_refused_free>("alloc_after_refused_free", "regression 22",
                                           "a set that waits for its end still gives out IDs"),
        flag<&S::free_all_unlists_pending>(
            "free_all_unlists_pending", "regression 27",
            "free_all_in_set takes pending IDs out of the set's array at once"),
        flag<&S::quota_adjustable>("quota_adjustable", "ioasid_adjust_set, dropped in V4",
                                   "the quota of a living set can be changed"),
        flag<&S::alloc_returns_unstored>("alloc_returns_unstored", "regressions 12 and 13",
                                         "a number that could not be stored is returned all the "
                                         "same"),
        flag<&S::collision_freed_at_provider>(
            "collision_freed_at_provider", "regression 12",
            "a provider that gave a used number is told to free it: somebody else's"),
        flag<&S::invalid_number_kept>(
            "invalid_number_kept", "regression 45",
            "number 2^32-1 is refused, but its place keeps a freed entry"),
        flag<&S::provider_range_checked>("provider_range_checked", "custom allocators",
                                         "a provider's number outside the range is refused"),
        flag<&S::attach_checks_set>("attach_checks_set", "attach_data and attach_spid",
                                    "attach calls refuse a foreign set (-EACCES)"),
        flag<&S::unbind_before_idle_reclaim>(
            "unbind_before_idle_reclaim", "regression 26",
            "a free of an IDLE ID with an SPID sends UNBIND before the reclaim"),
        choice<&S::second_spid>("second_spid", {"refused", "overwrites"},
                                "attach_spid with another SPID",
                                "another SPID on an ID: -EBUSY, or it replaces the first"),
        flag<&S::spid_get_refuses_pending>("spid_get_refuses_pending", "regression 8",
                                           "find_by_spid takes no reference in FREE_PENDING"),
        flag<&S::invalid_spid_matches>("invalid_spid_matches", "regression 46",
                                       "INVALID_IOASID as SPID matches every ID that has none"),
        choice<&S::call_order>("call_order", {"merged_by_priority", "global_chain_first"},
                               "handler order",
                               "one order over both chains, or the global chain first"),
        flag<&S::chain_error_lost>(
            "chain_error_lost", "regression 16",
            "an error of the global chain gives way to the set chain's value"),
        flag<&S::register_refuses_live_set>("register_refuses_live_set",
                                            "register_notifier on an MM set with live IDs",
                                            "no registration on an MM set with live IDs (-EBUSY)"),
        flag<&S::register_takes_lock>("register_takes_lock", "register_notifier without lock",
                                      "registration takes the allocator lock"),
        flag<&S::mm_list_has_own_lock>("mm_list_has_own_lock", "regressions 1 and 4",
                                       "the list of blocks by mm has a lock of its own (AB/BA)"),
        flag<&S::mm_pending_entry_blank>(
            "mm_pending_entry_blank", "regressions 2 and 49",
            "a block registered before its set exists never attaches and cannot be removed"),
        flag<&S::null_mm_refused>("null_mm_refused", "register_notifier_mm",
                                  "no registration for a NULL mm (-EINVAL)"),
        flag<&S::unregister_destroys_empty_set>("unregister_destroys_empty_set", "regression 21",
                                                "unregistering from an empty set destroys it"),
        flag<&S::explicit_notify>("explicit_notify", "notify()", "notify is a public call"),
        flag<&S::allocator_quirks>("allocator_quirks", "regressions 40 and 48",
                                   "a removed head stays in use; a duplicate is seen among heads "
                                   "only"),
        flag<&S::cgroup_kernel_refused>("cgroup_kernel_refused", "regression 44",
                                        "a caller without an mm is refused (-EINVAL)"),
        flag<&S::cgroup_events_counted>("cgroup_events_counted", "ioasids.events",
                                        "a refused charge counts in ioasids.events"),
        flag<&S::cgroup_charge_leaks>("cgroup_charge_leaks", "regression 31",
                                      "the unit stays charged when the quota test fails"),
        flag<&S::cgroup_uncharges_current>("cgroup_uncharges_current", "regressions 30, 32 and 33",
                                           "the reclaim uncharges the running task's group"),
        flag<&S::cgroup_max_forgets>("cgroup_max_forgets", "ioasids.max",
                                     "\"max\" takes what is left and forgets the old limit"),
        flag<&S::cgroup_limit_leaks>("cgroup_limit_leaks", "ioasids controller",
                                     "a removed group keeps its limit out of the pool"),
        flag<&S::cgroup_cancel_moves_one>("cgroup_cancel_moves_one", "ioasids controller",
                                          "cancelling a move moves one unit a thread"),
        flag<&S::dev_takes_whole_pool>("dev_takes_whole_pool", "regression 24",
                                       "the first open of /dev/ioasid takes the whole pool"),
        flag<&S::dev_checks_mm>("dev_checks_mm", "regression 34",
                                "a file passed to another process gives no rights (-EPERM)"),
        flag<&S::entry_cleared_before_unbind>(
            "entry_cleared_before_unbind", "order of teardown",
            "the VT-d driver clears PASID entries before it detaches the SPID"),
        flag<&S::bind_get_unchecked>(
            "bind_get_unchecked", "regression 25",
            "the VT-d driver programs a guest bind although its own reference was refused"),
        flag<&S::unbind_frees_queued_work>(
            "unbind_frees_queued_work", "regression 35",
            "the VT-d driver's unbind frees what the work queued by FREE still points to"),
        flag<&S::drain_under_spinlock>(
            "drain_under_spinlock", "regression 36",
            "the VT-d driver's work of FREE drains page requests under the unit's spinlock"),
        flag<&S::vdcm_puts_unheld>(
            "vdcm_puts_unheld", "regression 37",
            "on FREE each mediated device drains and puts, whether it took a reference or not"),
    };
    return table;
}

const SwitchInfo* find_switch(std::string_view name) {
    for (const SwitchInfo& info : switch_table()) {
        if (name == info.name) {
            return &info;
        }
    }
    return nullptr;
}

bool set_switch(Switches& switches, std::string_view name, std::string_view value) {
    const SwitchInfo* info = find_switch(name);
    if (info == nullptr) {
        return false;
    }
    for (std::size_t i = 0; i < info->values.size(); ++i) {
        if (value == info->values[i]) {
            info->set(switches, i);
            return true;
        }
    }
    return false;
}

}  // namespace ioasim
