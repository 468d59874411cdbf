#include "core/ioasid/ioasid.hpp"

#include <algorithm>

#include "core/ioasid/allocator_group.hpp"
#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"
#include "core/ioasid/switch_defects.hpp"

namespace ioasim {

IoasidSet::IoasidSet(std::string text, trace::Name name) : text_(std::move(text)), name_(name) {}
IoasidSet::~IoasidSet() = default;

IoasidCore::IoasidCore(const std::string& kernel, const IoasidParams& params,
                       const Switches& switches, trace::Recorder& recorder, Probes& probes)
    : kernel_text_(kernel),
      params_(params),
      switches_(with_defects(switches, probes)),
      instant_(params.reference == TimePs{} && params.find == TimePs{} && switches_.subsystem &&
               switches_.reference_counts),
      recorder_(recorder),
      probes_(probes),
      kernel_(recorder.name(kernel)),
      owner_(recorder.name("owner")),
      chain_global_(recorder.name("global")),
      chain_set_(recorder.name("set")),
      // The class carries the kernel: a host lock inside a guest's is no inversion.
      lock_(SimLock::Kind::Spin, kernel + "/ioasid_allocator_lock"),
      mm_list_lock_(SimLock::Kind::Spin, kernel + "/ioasid_nb_lock"),
      grace_wait_(kernel + "/ioasid.grace_period"),
      work_(kernel, params_, recorder, probes),
      default_table_(std::make_unique<IdTable>()),
      active_table_(default_table_.get()) {}

IoasidCore::~IoasidCore() = default;

void IoasidCore::hazard(ExecContext& ctx, const char* kind, const std::string& lock) {
    if (told()) {
        emit(ctx, trace::IoasidHazard{kernel_, trace::hazard_kind(kind), recorder_.name(ctx.name()),
                                      recorder_.name(lock), recorder_.name(ctx.call_chain())});
    }
}

void IoasidCore::must_hold_lock(ExecContext& ctx) {
    if (!ctx.holds(lock_)) {
        hazard(ctx, "lock_not_held", lock_.name());
    }
}

void IoasidCore::grace_period(ExecContext& ctx, const NotifierChain* chain) {
    if (ctx.atomic()) {
        hazard(ctx, "sleep_in_atomic",
               ctx.held_locks().empty() ? std::string() : ctx.held_locks().back()->name());
        return;
    }
    while (chain != nullptr && chain->walked()) {
        ctx.wait(grace_wait_);
    }
    if (params_.grace_period == TimePs{}) {
        return;
    }
    const TimePs end = ctx.now() + params_.grace_period;
    while (ctx.now() < end) {
        ctx.wait_until(grace_wait_, end);
    }
}

bool IoasidCore::usable(ExecContext& ctx, const IoasidSet* set) {
    if (set == nullptr) {
        return false;
    }
    if (!set->registered_) {
        hazard(ctx, "destroyed_set", set->name());
        return false;
    }
    return true;
}

void IoasidCore::tell_refused(ExecContext& ctx, const char* operation, const IoasidSet* set,
                              Ioasid id, Errno result) {
    emit(ctx, trace::IoasidRefused{kernel_, recorder_.name(operation), name_of(set), id, result,
                                   recorder_.name(ctx.name())});
}

void IoasidCore::tell_capacity(ExecContext& ctx) {
    emit(ctx, trace::IoasidCapacity{kernel_, capacity_, available_});
}

// --- looking in -------------------------------------------------------------------------------

IoasidView IoasidCore::view_of(const IoasidEntry& entry) const {
    return {Ioasid{entry.id},
            entry.set,
            state_of(entry),
            entry.refs,
            Spid{entry.spid},
            entry.data,
            entry.is(IoasidEntry::kListed)};
}

std::optional<IoasidView> IoasidCore::view(Ioasid id, const IoasidSet* private_set) const {
    const IoasidEntry* entry = table_for(private_set).find(id.value());
    return entry == nullptr ? std::nullopt : std::optional<IoasidView>(view_of(*entry));
}

std::vector<IoasidSet*> IoasidCore::sets() const {
    std::vector<IoasidSet*> all;
    for (IoasidSet* set : by_number_) {
        if (set != nullptr) {
            all.push_back(set);
        }
    }
    return all;
}

std::vector<IoasidView> IoasidCore::ids() const {
    std::vector<IoasidView> all;
    active_table_->for_each([&](const IoasidEntry& entry) { all.push_back(view_of(entry)); });
    return all;
}

std::vector<IoasidView> IoasidCore::ids_of(const IoasidSet& set) const {
    std::vector<IoasidView> all;
    table_for(&set).for_each([&](const IoasidEntry& entry) {
        if (entry.set == &set) {
            all.push_back(view_of(entry));
        }
    });
    return all;
}

std::vector<Ioasid> IoasidCore::with_spid(const IoasidSet& set) const {
    std::vector<Ioasid> all;
    for (const IoasidEntry* entry : set.listed_) {
        if (find_spid(set, Spid{entry->spid}) == entry) {
            all.push_back(Ioasid{entry->id});
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<Ioasid> IoasidCore::orphans_of(const IoasidSet& set) const {
    std::vector<Ioasid> all;
    for (const IoasidEntry* entry : set.listed_) {
        if (table_for(&set).find(entry->id) != entry) {
            all.push_back(Ioasid{entry->id});
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<IoasidCore::MmEntryView> IoasidCore::mm_list() const {
    std::vector<MmEntryView> all;
    for (const MmEntry& entry : mm_list_) {
        all.push_back({entry.token, entry.block, entry.active});
    }
    return all;
}

std::vector<IoasidCore::AllocatorGroupView> IoasidCore::allocator_groups() const {
    std::vector<AllocatorGroupView> all;
    for (const auto& group : groups_) {
        all.push_back({group->head,
                       {group->members.begin(), group->members.end()},
                       group.get() == active_,
                       group->table->size()});
    }
    return all;
}

std::vector<std::string> IoasidCore::dump() const {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{}: capacity {}, available {}, {} IDs", kernel_text_, capacity_,
                                available_, active_table_->size()));
    for (const IoasidSet* set : sets()) {
        lines.push_back(fmt::format("set {} \"{}\": live {} of {}{}", set->number_, set->name(),
                                    set->live_, set->quota_, set->marked_ ? ", to be freed" : ""));
    }
    // Only IDs that somebody uses: a dump is read by people.
    active_table_->for_each([&](const IoasidEntry& entry) {
        const IoasidState state = state_of(entry);
        if (state != IoasidState::Idle) {
            lines.push_back(fmt::format("ID {}: {}, {} references", entry.id,
                                        trace::kIoasidStateLabels[static_cast<int>(state)],
                                        entry.refs));
        }
    });
    if (work_.running() != nullptr) {
        lines.push_back("work running: " + work_.running()->name());
    }
    for (const WorkItem* item : work_.items()) {
        lines.push_back("work queued: " + item->name());
    }
    return lines;
}

}  // namespace ioasim
