#include <algorithm>

#include "core/ioasid/allocator_group.hpp"
#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

IoasidCore::Group* IoasidCore::group_of(const AllocatorOps& ops) const {
    for (const auto& group : groups_) {
        if (group->functions == ops.functions()) {
            return group.get();
        }
    }
    return nullptr;
}

Errno IoasidCore::register_allocator(ExecContext& ctx, AllocatorOps& ops) {
    const Frame frame(ctx, "ioasid_register_allocator");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.registration);
    if (active_ == nullptr && (!default_table_->empty() || invalid_number_kept_)) {
        refused(ctx, "register_allocator", nullptr, kNoIoasid, Errno::Eagain);
        return Errno::Eagain;
    }
    Group* group = group_of(ops);
    if (group != nullptr) {
        return join_group(ctx, *group, ops);
    }
    groups_.push_back(std::make_unique<Group>());
    group = groups_.back().get();
    group->functions = ops.functions();
    group->head = &ops;
    group->members.push_back(&ops);
    if (active_ == nullptr) {
        active_ = group;
        active_table_ = group->table.get();
    }
    return Errno::Ok;
}

// Posted code links the provider before it looks whether it is there, and looks at the head only: a
// member's links then lead nowhere, and the next walk of the list fails.
Errno IoasidCore::join_group(ExecContext& ctx, Group& group, AllocatorOps& ops) {
    const bool member =
        std::find(group.members.begin(), group.members.end(), &ops) != group.members.end();
    if (member && switches_.allocator_quirks) {
        hazard(ctx, "allocator_list_corrupted", ops.name());
    }
    if (group.head == &ops || (member && !switches_.allocator_quirks)) {
        refused(ctx, "register_allocator", nullptr, kNoIoasid, Errno::Eexist);
        return Errno::Eexist;
    }
    if (!member) {
        group.members.push_back(&ops);
    }
    return Errno::Ok;
}

void IoasidCore::unregister_allocator(ExecContext& ctx, AllocatorOps& ops) {
    const Frame frame(ctx, "ioasid_unregister_allocator");
    if (!switches_.subsystem || probes_.has(ioasid_probes::kAllocatorStays)) {
        return;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.registration);
    Group* group = group_of(ops);
    if (group == nullptr) {
        refused(ctx, "unregister_allocator", nullptr, kNoIoasid, Errno::Enoent);
        return;
    }
    const auto member = std::find(group->members.begin(), group->members.end(), &ops);
    // Posted code finds the group by its functions and drops a group of one without a second look.
    if (group->members.size() == 1 &&
        (switches_.allocator_quirks || member != group->members.end())) {
        remove_group(ctx, *group);
        return;
    }
    if (member == group->members.end()) {
        refused(ctx, "unregister_allocator", nullptr, kNoIoasid, Errno::Enoent);
        return;
    }
    group->members.erase(member);
    if (group->head == &ops) {
        if (switches_.allocator_quirks) {
            hazard(ctx, "removed_allocator_in_use", ops.name());
        } else {
            group->head = group->members.front();
        }
    }
}

void IoasidCore::remove_group(ExecContext& ctx, Group& group) {
    if (!group.table->empty()) {
        // Their sets count them for ever; nobody can look them up or free them.
        probes_.hit(ioasid_probes::kOrphaned);
        hazard(ctx, "orphaned_ids", group.head->name());
        group.table->for_each([](IoasidEntry& entry) {
            entry.mark(IoasidEntry::kOrphan);
            if (entry.is(IoasidEntry::kListed)) {
                ++entry.set->orphans_;
            }
        });
        orphaned_tables_.push_back(std::move(group.table));
    }
    const bool was_active = active_ == &group;
    groups_.remove_if([&group](const auto& each) { return each.get() == &group; });
    if (was_active) {
        active_ = groups_.empty() ? nullptr : groups_.front().get();
        active_table_ = active_ == nullptr ? default_table_.get() : active_->table.get();
    }
}

// The set's array has no room: the number goes back to its provider. Posted code frees the entry
// there and again on its way out, and returns the number all the same.
Ioasid IoasidCore::give_up_unlisted(ExecContext& ctx, IoasidSet* set, IoasidEntry& entry) {
    const Ioasid id{entry.id};
    IdTable& table = table_for(set);
    if (active_ != nullptr && &table == active_table_) {
        active_->head->free(ctx, id);
    }
    table.erase(entry);
    if (!switches_.alloc_returns_unstored) {
        return kNoIoasid;
    }
    probes_.hit(ioasid_probes::kUnstoredReturned);
    hazard(ctx, "entry_freed_twice", set->name());
    hazard(ctx, "unstored_id_returned", set->name());
    return id;
}

}  // namespace ioasim
