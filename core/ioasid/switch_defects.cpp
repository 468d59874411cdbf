#include "core/ioasid/switch_defects.hpp"

#include "core/base/check.hpp"
#include "core/ioasid/switch_table.hpp"

namespace ioasim {
namespace {

struct SwitchDefect {
    Defect defect;
    const char* name;  // of the switch
    const char* value;
};

const SwitchDefect kSwitchDefects[] = {
    {{"ioasid.mm_list_own_lock", "the list of blocks by mm has a lock of its own (AB/BA)"},
     "mm_list_has_own_lock",
     "on"},
    {{"ioasid.pending_entry_blank", "a block that waits for its mm stores neither mm nor block"},
     "mm_pending_entry_blank",
     "on"},
    {{"ioasid.unstored_id_returned", "a number that could not be stored is returned all the same"},
     "alloc_returns_unstored",
     "on"},
    {{"ioasid.live_id_freed_at_provider",
      "a provider that gave a used number is told to free it: somebody else's"},
     "collision_freed_at_provider",
     "on"},
    {{"ioasid.chain_error_lost", "an error of the global chain gives way to the set chain's value"},
     "chain_error_lost",
     "on"},
    {{"ioasid.capacity_reinstalled", "the capacity can be installed again over living sets"},
     "capacity_reinstall_at_default",
     "on"},
    {{"ioasid.set_dies_when_empty", "a set dies with its last ID, whoever holds the pointer"},
     "set_death",
     "at_zero_live"},
    {{"ioasid.unregister_destroys_set", "unregistering a block from an empty set destroys the set"},
     "unregister_destroys_empty_set",
     "on"},
    {{"ioasid.alloc_on_dying_set", "a set that waits for its end still gives out IDs"},
     "alloc_after_refused_free",
     "on"},
    {{"ioasid.dev_takes_pool", "the first open of /dev/ioasid takes the whole pool"},
     "dev_takes_whole_pool",
     "on"},
    {{"ioasid.invalid_number_kept", "number 2^32-1 is refused, its place keeps a freed entry"},
     "invalid_number_kept",
     "on"},
    {{"ioasid.invalid_spid_matches", "no SPID is an SPID like any other: many IDs have it"},
     "invalid_spid_matches",
     "on"},
    {{"ioasid.capacity_wraps", "capacity is given back without a look at overflow"},
     "capacity_wraps",
     "on"},
    {{"ioasid.quota_signed", "a quota of 2^31 and more is negative: no ID ever"},
     "quota_is_signed",
     "on"},
    {{"ioasid.removed_allocator_kept", "the removed head of a shared allocator group stays in use"},
     "allocator_quirks",
     "on"},
    {{"ioasid.attach_ignores_set", "attach_data and attach_spid do not compare the set"},
     "attach_checks_set",
     "off"},
    {{"ioasid.provider_range_ignored", "a provider's number is stored, in the range or not"},
     "provider_range_checked",
     "off"},
    {{"ioasid.quota_zero_unlocked", "quota 0 reads the pool before the lock is taken"},
     "quota_zero_read_unlocked",
     "on"},
    {{"ioasid.registration_unlocked", "a block goes onto a chain without the allocator lock"},
     "register_takes_lock",
     "off"},
    {{"ioasid.cgroup_max_forgets", "\"max\" takes what is left and forgets the old limit"},
     "cgroup_max_forgets",
     "on"},
    {{"ioasid.cgroup_limit_kept", "a removed group keeps its limit out of the pool"},
     "cgroup_limit_leaks",
     "on"},
    {{"ioasid.cgroup_cancel_by_one", "cancelling a move moves one unit a thread"},
     "cgroup_cancel_moves_one",
     "on"},
    {{"ioasid.null_mm_accepted", "a block may wait for a NULL mm"}, "null_mm_refused", "off"},
};

}  // namespace

Switches with_defects(Switches switches, const Probes& probes) {
    for (const SwitchDefect& each : kSwitchDefects) {
        if (probes.has(each.defect)) {
            SIM_CHECK(set_switch(switches, each.name, each.value), "defect {}: no switch {}={}",
                      each.defect.name(), each.name, each.value);
        }
    }
    return switches;
}

}  // namespace ioasim
