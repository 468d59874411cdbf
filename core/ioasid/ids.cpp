// IDs: allocation, references, states, reclaim.
#include <algorithm>

#include "core/ioasid/allocator_group.hpp"
#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_corner_probes.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

namespace {

constexpr std::size_t kMaxListed = std::size_t{1} << (32 - IoasidEntry::kFlagBits);

}  // namespace

TimePs IoasidCore::search_cost(const IoasidSet* set) const {
    if (probes_.has(ioasid_probes::kSearchIsFree)) {
        return {};
    }
    if (set != nullptr && set->own_ids_ != nullptr) {
        return set_cost(*set);
    }
    return params_.search_level == TimePs{}
               ? TimePs{}
               : params_.search_level * tree_levels(active_table_->highest());
}

void IoasidCore::spend_search(ExecContext& ctx, TimePs cost, const IoasidSet* set) {
    ctx.spend(cost + search_cost(set));
}

IoasidEntry* IoasidCore::lookup_private(const IoasidSet* set, Ioasid id, IoasidEntry* otherwise) {
    return set->own_ids_ == nullptr ? otherwise : set->own_ids_->find(id.value());
}

TimePs IoasidCore::set_cost(const IoasidSet& set) const {
    const bool free = params_.set_level == TimePs{} || probes_.has(ioasid_probes::kSearchIsFree);
    return free ? TimePs{} : params_.set_level * tree_levels(set.highest_id_);
}

void IoasidCore::tell_state(ExecContext& ctx, const IoasidEntry& entry, IoasidState from,
                            IoasidState to) {
    if (from != to && told()) {
        emit(ctx,
             trace::IoasidStateChange{kernel_, name_of(entry.set), Ioasid{entry.id}, from, to});
    }
}

// --- the set's array --------------------------------------------------------------------------

IoasidEntry* IoasidCore::find_listed(const IoasidSet& set, Ioasid id) {
    IoasidEntry* entry = lookup(&set, id);
    if (entry != nullptr && entry->set == &set && entry->is(IoasidEntry::kListed)) {
        return entry;
    }
    if (set.orphans_ == 0) {
        return nullptr;
    }
    const auto found = std::find_if(set.listed_.begin(), set.listed_.end(),
                                    [id](const IoasidEntry* e) { return e->id == id.value(); });
    return found == set.listed_.end() ? nullptr : *found;
}

void IoasidCore::list(IoasidSet& set, IoasidEntry& entry) {
    if (set.orphans_ != 0) {
        // The array has one place a number: an orphan of that number loses it.
        const auto same = std::find_if(set.listed_.begin(), set.listed_.end(),
                                       [&](const IoasidEntry* e) { return e->id == entry.id; });
        if (same != set.listed_.end()) {
            unlist(**same);
        }
    }
    entry.mark(IoasidEntry::kListed);
    SIM_CHECK(set.listed_.size() < kMaxListed, "set {}: too many IDs", set.name());
    entry.set_position(static_cast<std::uint32_t>(set.listed_.size()));
    set.listed_.push_back(&entry);
    set.highest_id_ = std::max(set.highest_id_, entry.id);
}

void IoasidCore::unlist(IoasidEntry& entry) {
    if (!entry.is(IoasidEntry::kListed)) {
        return;
    }
    IoasidSet& set = *entry.set;
    unindex_spid(entry);
    IoasidEntry* last = set.listed_.back();
    set.listed_[entry.position()] = last;
    last->set_position(entry.position());
    set.listed_.pop_back();
    entry.unmark(IoasidEntry::kListed);
    if (entry.is(IoasidEntry::kOrphan)) {
        --set.orphans_;
    }
}

// --- allocation -------------------------------------------------------------------------------

Errno IoasidCore::may_alloc(ExecContext& ctx, const IoasidSet* set, bool& charged) {
    if (!switches_.managed_sets) {
        return Errno::Ok;
    }
    if (!usable(ctx, set)) {
        return Errno::Einval;
    }
    if (set->marked_ && !switches_.alloc_after_refused_free) {
        return Errno::Ebusy;
    }
    if (charging_ != nullptr && set->type_ == SetType::Mm && !set->is_private()) {
        if (const Errno error = charging_->charge(ctx, *set, charged); error != Errno::Ok) {
            return error;
        }
    }
    if (std::int64_t{set->live_} >= set->quota_ && !probes_.has(ioasid_probes::kQuotaNotChecked)) {
        if (charged && !switches_.cgroup_charge_leaks &&
            !probes_.has(ioasid_probes::kRefusedChargeKept)) {
            charging_->uncharge(ctx, *set);
        }
        return Errno::Enospc;
    }
    return Errno::Ok;
}

// What was reclaimed inside a notification is not free before its chains have ended: a later
// handler still acts on that number.
IoasidCore::Provided IoasidCore::provide_by_default(IdTable& table, Ioasid min, Ioasid max) {
    if (held_back_.empty() && max != kNoIoasid) {
        IoasidEntry* entry = table.insert_lowest_free(min.value(), max.value());
        return entry == nullptr ? Provided{} : Provided{Ioasid{entry->id}, entry};
    }
    auto id = table.lowest_free(min.value(), max.value());
    while (id && std::find(held_back_.begin(), held_back_.end(), *id) != held_back_.end()) {
        id = *id == max.value() ? std::nullopt : table.lowest_free(*id + 1, max.value());
    }
    if (!id) {
        return {};
    }
    if (*id == kInvalidIoasid) {
        // The number that means failure. All code frees the entry that it has just stored there.
        if (switches_.invalid_number_kept && &table == default_table_.get()) {
            invalid_number_kept_ = true;
            probes_.hit(ioasid_probes::kInvalidNumberKept);
        }
        return {};
    }
    return {Ioasid{*id}, &table.insert(*id)};
}

IoasidCore::Provided IoasidCore::provide(ExecContext& ctx, IoasidSet* set, Ioasid min, Ioasid max) {
    IdTable& table = table_for(set);
    if (active_ == nullptr || &table != active_table_ ||
        probes_.has(ioasid_probes::kCustomAllocatorIgnored)) {
        return provide_by_default(table, min, max);
    }
    AllocatorOps& ops = *active_->head;
    const Ioasid id = ops.alloc(ctx, min, max);
    if (!is_valid(id)) {
        return {};
    }
    if (switches_.provider_range_checked && (id < min || id > max)) {
        ops.free(ctx, id);
        return {};
    }
    if (table.find(id.value()) != nullptr) {
        if (switches_.collision_freed_at_provider) {
            hazard(ctx, "provider_frees_live_id", ops.name());
            ops.free(ctx, id);
        }
        if (!switches_.alloc_returns_unstored) {
            return {};
        }
        probes_.hit(ioasid_probes::kUnstoredReturned);
        hazard(ctx, "unstored_id_returned", ops.name());
        return {id, nullptr};
    }
    return {id, &table.insert(id.value())};
}

Ioasid IoasidCore::alloc(ExecContext& ctx, IoasidSet* set, Ioasid min, Ioasid max, void* data) {
    const Frame frame(ctx, "ioasid_alloc");
    if (!switches_.subsystem) {
        return kNoIoasid;
    }
    const bool room_seen =
        probes_.any_defect() && set != nullptr && std::int64_t{set->live_} < set->quota_;
    const CoreLock guard(*this, ctx);
    if (params_.alloc != TimePs{}) {
        ctx.spend(params_.alloc + search_cost(set) + (set != nullptr ? set_cost(*set) : TimePs{}));
    }
    bool charged = false;
    Errno error = may_alloc(ctx, set, charged);
    if (error == Errno::Enospc && room_seen && probes_.has(ioasid_probes::kQuotaBeforeLock)) {
        error = Errno::Ok;
    }
    Provided got;
    if (error == Errno::Ok) {
        if (!probes_.fails(ioasid_probes::kAllocNoMemory)) {
            const bool low = probes_.has(ioasid_probes::kRangeIgnored);
            got = provide(ctx, set, low ? std::min(min, Ioasid{1}) : min, max);
            error = got.entry == nullptr ? Errno::Enospc : Errno::Ok;
        } else {
            error = Errno::Enomem;
        }
        if (error == Errno::Ok && switches_.managed_sets &&
            probes_.fails(ioasid_probes::kSetStoreNoMemory)) {
            got.id = give_up_unlisted(ctx, set, *got.entry);
            error = Errno::Enomem;
        }
        if (error != Errno::Ok && charged) {
            charging_->uncharge(ctx, *set);
        }
    }
    if (error != Errno::Ok) {
        refused(ctx, "alloc", set, got.id, error);
        return got.id;
    }
    IoasidEntry& entry = *got.entry;
    entry.set = set;
    entry.data = data;
    if (charged) {
        entry.mark(IoasidEntry::kCharged);
    }
    entry.refs = 1;
    if (switches_.managed_sets) {
        list(*set, entry);
        ++set->live_;
    }
    if (told()) {
        emit(ctx,
             trace::IoasidAlloc{kernel_, name_of(set), got.id, set != nullptr ? set->live_ : 0});
        tell_state(ctx, entry, IoasidState::Free, IoasidState::Idle);
    }
    if (heard(set)) {
        send(ctx, entry, IoasidNotification::Alloc, kNotifySet);
    }
    return got.id;
}

// --- free and reclaim -------------------------------------------------------------------------

void IoasidCore::free(ExecContext& ctx, IoasidSet* set, Ioasid id) {
    const Frame frame(ctx, "ioasid_free");
    if (!switches_.subsystem) {
        return;
    }
    const CoreLock guard(*this, ctx);
    free_locked(ctx, set, id);
}

void IoasidCore::free_locked(ExecContext& ctx, IoasidSet* set, Ioasid id) {
    if (params_.free != TimePs{}) {
        spend_search(ctx, params_.free, set);
    }
    IoasidEntry* entry = lookup(set, id);
    Errno error = entry == nullptr ? Errno::Enoent : Errno::Ok;
    // A null set never matches, whatever the comment in the posted code says.
    if (error == Errno::Ok && switches_.managed_sets && entry->set != set &&
        !probes_.has(ioasid_probes::kForeignFreeAllowed)) {
        error = Errno::Eacces;
    }
    if (told()) {
        emit(ctx, trace::IoasidFreeCall{kernel_, name_of(set), id, error});
    }
    if (error != Errno::Ok || entry->is(IoasidEntry::kPending)) {
        if (entry == nullptr) {
            not_found(ctx, id);
        } else if (error == Errno::Ok && probes_.has(ioasid_probes::kSecondFreeDrops)) {
            drop(ctx, *entry, owner_);
        }
        return;
    }
    const IoasidState from = state_of(*entry);
    if (!switches_.managed_sets || !switches_.reference_counts) {
        if (switches_.reference_counts) {
            drop(ctx, *entry, owner_);  // mainline's free is a put
        } else {
            entry->refs = 0;
            tell_reference(ctx, *entry, from, false, owner_);
            reclaim(ctx, *entry, from);
        }
        return;
    }
    if (entry->refs > 1) {
        free_active(ctx, *entry);
        return;
    }
    if (entry->spid != kInvalidIoasid && switches_.unbind_before_idle_reclaim &&
        !probes_.has(ioasid_probes::kIdleReclaimSilent)) {
        unbind(ctx, *entry);
        if (entry->is(IoasidEntry::kUsed) && entry->refs > 1) {
            free_active(ctx, *entry);  // a subscriber took a reference
            return;
        }
    }
    if (entry->is(IoasidEntry::kUsed) && probes_.has(ioasid_probes::kIdleFreeNotified)) {
        send(ctx, *entry, IoasidNotification::Free, kNotifyAll | kNotifySet);
    }
    if (!entry->is(IoasidEntry::kUsed)) {
        return;  // a subscriber dropped the owner's reference
    }
    entry->refs = 0;
    emit(ctx, trace::IoasidPut{kernel_, name_of(entry->set), id, 0, owner_});
    reclaim(ctx, *entry, from);
}

// Users hold references: the ID waits for them, and they are told.
void IoasidCore::free_active(ExecContext& ctx, IoasidEntry& entry) {
    const Ioasid id{entry.id};
    const IoasidState from = state_of(entry);
    entry.mark(IoasidEntry::kPending);
    --entry.refs;
    emit(ctx, trace::IoasidPut{kernel_, name_of(entry.set), id, entry.refs, owner_});
    tell_state(ctx, entry, from, IoasidState::FreePending);
    send(ctx, entry, IoasidNotification::Free, kNotifyAll | kNotifySet);
    if (entry.is(IoasidEntry::kUsed) && entry.is(IoasidEntry::kPending) &&
        probes_.has(ioasid_probes::kFreeNotifiedTwice)) {
        send(ctx, entry, IoasidNotification::Free, kNotifyAll | kNotifySet);
    }
    if (!entry.is(IoasidEntry::kUsed) || !entry.is(IoasidEntry::kPending)) {
        probes_.hit(ioasid_probes::kReclaimInHandler);
        return;
    }
    if (probes_.has(ioasid_probes::kEarlyReuse)) {
        reclaim(ctx, entry, IoasidState::FreePending);
    }
}

// Order as posted: provider, global array, live count, uncharge, the set's array, the set's end.
void IoasidCore::reclaim(ExecContext& ctx, IoasidEntry& entry, IoasidState from) {
    const Ioasid id{entry.id};
    IoasidSet* set = entry.set;
    const bool charged = entry.is(IoasidEntry::kCharged);
    IdTable& table = table_for(set);
    if (active_ != nullptr && &table == active_table_) {
        active_->head->free(ctx, id);
    }
    tell_state(ctx, entry, from, IoasidState::Free);
    unlist(entry);
    table.erase(entry);
    if (notifying_ > 0 && !probes_.has(ioasid_probes::kReuseInNotification)) {
        held_back_.push_back(id.value());
    }
    if (!switches_.managed_sets) {
        emit(ctx, trace::IoasidReclaim{kernel_, name_of(set), id, 0});
        return;
    }
    --set->live_;
    if (charged && charging_ != nullptr) {
        charging_->uncharge(ctx, *set);
    }
    emit(ctx, trace::IoasidReclaim{kernel_, set->name_, id, set->live_});
    if (set->live_ == 0 && set->registered_ &&
        (set->marked_ || switches_.set_death == Switches::SetDeath::AtZeroLive) &&
        !probes_.has(ioasid_probes::kSetOutlivesLastId)) {
        destroy_set(ctx, *set);
    }
}

// --- references -------------------------------------------------------------------------------

void IoasidCore::tell_reference(ExecContext& ctx, const IoasidEntry& entry, IoasidState from,
                                bool taken, trace::Name holder) {
    if (taken) {
        emit(ctx,
             trace::IoasidGet{kernel_, name_of(entry.set), Ioasid{entry.id}, entry.refs, holder});
    } else {
        emit(ctx,
             trace::IoasidPut{kernel_, name_of(entry.set), Ioasid{entry.id}, entry.refs, holder});
    }
    if (entry.refs != 0) {
        tell_state(ctx, entry, from, state_of(entry));
    }
}

void IoasidCore::take(ExecContext& ctx, IoasidEntry& entry, trace::Name holder) {
    const IoasidState from = state_of(entry);
    ++entry.refs;
    if (told()) {
        tell_reference(ctx, entry, from, true, holder);
    }
}

[[gnu::always_inline]] inline bool IoasidCore::drop(ExecContext& ctx, IoasidEntry& entry,
                                                    trace::Name holder) {
    const IoasidState from = state_of(entry);
    --entry.refs;
    if (told()) {
        tell_reference(ctx, entry, from, false, holder);
    }
    if (entry.refs != 0) {
        return false;
    }
    if (probes_.has(ioasid_probes::kLastPutNotified)) {
        send(ctx, entry, IoasidNotification::Free, kNotifyAll | kNotifySet);
    }
    reclaim(ctx, entry, from);
    return true;
}

// Whether a broken core forgets a reference because of those who wait for the lock.
bool IoasidCore::lost_among_waiters(const Defect& one, const Defect& two) const {
    return probes_.any_defect() && ((!lock_.waiters().empty() && probes_.has(one)) ||
                                    (lock_.waiters().size() > 1 && probes_.has(two)));
}

// The order of the tests is part of the contract: FREE_PENDING is found before a foreign set.
Errno IoasidCore::refuse_get(ExecContext& ctx, const IoasidSet* set, Ioasid id,
                             const IoasidEntry* entry) {
    const Errno error = entry == nullptr                   ? Errno::Einval
                        : entry->is(IoasidEntry::kPending) ? Errno::Ebusy
                                                           : Errno::Eacces;
    if (entry == nullptr) {
        not_found(ctx, id);
    }
    refused(ctx, "get", set, id, error);
    return error;
}

bool IoasidCore::refuse_put(ExecContext& ctx, const IoasidSet* set, Ioasid id,
                            const IoasidEntry* entry) {
    if (entry == nullptr) {
        not_found(ctx, id);
    }
    refused(ctx, "put", set, id, entry == nullptr ? Errno::Enoent : Errno::Eacces);
    return false;
}

[[gnu::always_inline]] inline Errno IoasidCore::get_entry(ExecContext& ctx, IoasidSet* set,
                                                          Ioasid id, trace::Name holder) {
    if (params_.reference != TimePs{}) {
        spend_search(ctx, params_.reference, set);
    }
    if (!switches_.reference_counts) {
        refused(ctx, "get", set, id, Errno::Eopnotsupp);
        return Errno::Eopnotsupp;
    }
    IoasidEntry* entry = lookup(set, id);
    const bool open =
        entry != nullptr && (set == nullptr || entry->set == set) &&
        (!entry->is(IoasidEntry::kPending) || probes_.has(ioasid_probes::kPendingGetAllowed));
    if (!open) {
        return refuse_get(ctx, set, id, entry);
    }
    if (lost_among_waiters(ioasid_probes::kContendedGetLost, ioasid_probes::kCrowdedGetLost)) {
        return Errno::Ok;
    }
    take(ctx, *entry, holder);
    return Errno::Ok;
}

[[gnu::always_inline]] inline bool IoasidCore::put_entry(ExecContext& ctx, IoasidSet* set,
                                                         Ioasid id, trace::Name holder) {
    if (params_.reference != TimePs{}) {
        spend_search(ctx, params_.reference, set);
    }
    IoasidEntry* entry = lookup(set, id);
    const bool known = entry != nullptr && (set == nullptr || entry->set == set);
    if (!known || !switches_.reference_counts) {
        return refuse_put(ctx, set, id, entry);
    }
    if (lost_among_waiters(ioasid_probes::kContendedPutLost, ioasid_probes::kCrowdedPutLost)) {
        return false;
    }
    if (entry->is(IoasidEntry::kPending) && entry->refs == 1 &&
        probes_.has(ioasid_probes::kMissingPut)) {
        return false;
    }
    if (probes_.decide && holder != trace::Name{}) {
        const std::string& who = recorder_.names().text(holder);
        if (probes_.fails(ioasid_probes::kPutForgotten, who)) {
            return false;  // the caller did not come here
        }
        if (probes_.fails(ioasid_probes::kPutTwice, who) && drop(ctx, *entry, holder)) {
            return refuse_put(ctx, set, id, lookup(set, id));
        }
    }
    if (entry->refs > 1 && probes_.has(ioasid_probes::kDoublePut)) {
        drop(ctx, *entry, holder);
    }
    return drop(ctx, *entry, holder);
}

// A call that takes no time, tells nobody and calls nobody needs no more of the lock than to find
// it free.
Errno IoasidCore::get(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    if (IoasidEntry* entry = instant_ && unobserved() ? lookup_dense(set, id) : nullptr;
        entry != nullptr && !entry->is(IoasidEntry::kPending) && ctx.pass(lock_)) {
        ++entry->refs;
        return Errno::Ok;
    }
    return get_in_steps(ctx, set, id, holder);
}

Errno IoasidCore::get_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    const Frame frame(ctx, "ioasid_get");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    return get_entry(ctx, set, id, holder);
}

Errno IoasidCore::get_locked(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    const Frame frame(ctx, "ioasid_get_locked");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    must_hold_lock(ctx);
    return get_entry(ctx, set, id, holder);
}

// No provider, no controller, no end of the set.
bool IoasidCore::reclaim_calls_nobody(const IoasidEntry& entry) const {
    return active_ == nullptr && charging_ == nullptr && switches_.managed_sets &&
           entry.set->live_ > 1;
}

bool IoasidCore::put(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    if (IoasidEntry* entry = instant_ && unobserved() ? lookup_dense(set, id) : nullptr;
        entry != nullptr && (entry->refs > 1 || reclaim_calls_nobody(*entry)) && ctx.pass(lock_)) {
        if (--entry->refs != 0) {
            return false;
        }
        reclaim(ctx, *entry, IoasidState::Idle);
        return true;
    }
    return put_in_steps(ctx, set, id, holder);
}

bool IoasidCore::put_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    const Frame frame(ctx, "ioasid_put");
    if (!switches_.subsystem) {
        return false;
    }
    const CoreLock guard(*this, ctx);
    return put_entry(ctx, set, id, holder);
}

bool IoasidCore::put_locked(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder) {
    const Frame frame(ctx, "ioasid_put_locked");
    if (!switches_.subsystem) {
        return false;
    }
    must_hold_lock(ctx);
    return put_entry(ctx, set, id, holder);
}

Errno IoasidCore::get_if_owned(ExecContext& ctx, SetToken current_mm, Ioasid id,
                               trace::Name holder) {
    const Frame frame(ctx, "ioasid_get_if_owned");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    const IoasidEntry* entry = lookup(nullptr, id);
    Errno error = Errno::Ok;
    if (entry == nullptr) {
        not_found(ctx, id);
        error = Errno::Enoent;
    } else if (entry->set == nullptr || entry->set->type_ != SetType::Mm) {
        error = Errno::Einval;
    } else if (entry->set->token_ != current_mm) {
        error = Errno::Eperm;
    }
    if (error != Errno::Ok) {
        refused(ctx, "get_if_owned", nullptr, id, error);
        return error;
    }
    return get_entry(ctx, entry->set, id, holder);
}

}  // namespace ioasim
