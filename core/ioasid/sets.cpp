// Capacity and sets.
#include <algorithm>

#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

// --- capacity ---------------------------------------------------------------------------------

bool IoasidCore::install_capacity(ExecContext& ctx, std::uint32_t total) {
    const Frame frame(ctx, "ioasid_install_capacity");
    if (!switches_.subsystem) {
        return false;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    const bool open = switches_.capacity_reinstall_at_default
                          ? capacity_ == 0 || capacity_ == kDefaultIoasidCapacity
                          : !installed_ && available_ == capacity_;
    if (!open) {
        refused(ctx, "install_capacity", nullptr, kNoIoasid, Errno::Ebusy);
        return false;
    }
    installed_ = true;
    capacity_ = total;
    available_ = total;
    tell_capacity(ctx);
    return true;
}

Result<std::uint32_t> IoasidCore::reserve_capacity(ExecContext& ctx, std::uint32_t n) {
    const Frame frame(ctx, "ioasid_reserve_capacity");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    if (n > available_) {
        refused(ctx, "reserve_capacity", nullptr, kNoIoasid, Errno::Enospc);
        return Errno::Enospc;
    }
    const std::uint32_t taken = n == 0 ? available_ : n;
    available_ -= taken;
    tell_capacity(ctx);
    return taken;
}

Result<std::uint32_t> IoasidCore::cancel_capacity(ExecContext& ctx, std::uint32_t n) {
    const Frame frame(ctx, "ioasid_cancel_capacity");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    const bool too_much = switches_.capacity_wraps ? available_ + n > capacity_
                                                   : n > capacity_ || available_ > capacity_ - n;
    if (too_much) {
        refused(ctx, "cancel_capacity", nullptr, kNoIoasid, Errno::Einval);
        return Errno::Einval;
    }
    available_ += n;
    tell_capacity(ctx);
    return available_;
}

void IoasidCore::return_capacity(ExecContext& ctx, std::uint32_t n) {
    const Frame frame(ctx, "ioasid_cancel_capacity");
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    give_back(ctx, n);
    tell_capacity(ctx);
}

// A caller that cancelled more than it had reserved made room that the sets had: the pool does not
// grow beyond its total.
void IoasidCore::give_back(ExecContext& ctx, std::uint32_t n) {
    if (n > capacity_ - available_) {
        hazard(ctx, "capacity_cancelled_twice", kernel_text_);
        n = capacity_ - available_;
    }
    available_ += n;
}

// --- making and destroying sets ---------------------------------------------------------------

Errno IoasidCore::check_new_set(SetToken token, SetType type, bool is_private) const {
    const bool typed = type == SetType::Mm;
    if (type != SetType::None && !typed) {
        return Errno::Einval;
    }
    if (typed ? token == 0 : token != 0 && switches_.untyped_token_refused) {
        return Errno::Einval;
    }
    if (is_private) {
        return Errno::Ok;  // no search by token finds it
    }
    const bool unique = typed || (switches_.untyped_token_unique && token != 0);
    if (unique && by_token_.count({static_cast<std::uint32_t>(type), token}) != 0) {
        return Errno::Eexist;
    }
    return Errno::Ok;
}

// The number is the lowest free one of 0..highest. Null when there is none.
IoasidSet* IoasidCore::make_set(ExecContext& ctx, SetToken token, SetType type,
                                const std::string& name, std::uint32_t highest, bool is_private) {
    const auto number = free_numbers_.empty() ? static_cast<std::uint32_t>(by_number_.size())
                                              : *free_numbers_.begin();
    if (number > highest) {
        return nullptr;
    }
    if (number == by_number_.size()) {
        by_number_.push_back(nullptr);
    } else {
        free_numbers_.erase(free_numbers_.begin());
    }
    all_sets_.push_back(std::unique_ptr<IoasidSet>(new IoasidSet(name, recorder_.name(name))));
    IoasidSet& set = *all_sets_.back();
    set.number_ = number;
    set.type_ = type;
    set.token_ = token;
    set.registered_ = true;
    by_number_[number] = &set;
    ++set_count_;
    if (is_private) {
        return &set;
    }
    by_token_.insert({{static_cast<std::uint32_t>(type), token}, &set});
    if (type == SetType::Mm && !probes_.has(ioasid_probes::kPendingBlockForgotten)) {
        if (switches_.mm_list_has_own_lock) {
            const LockGuard list_guard(ctx, mm_list_lock_);
            attach_pending_blocks(set);
        } else {
            attach_pending_blocks(set);
        }
    }
    return &set;
}

void IoasidCore::attach_pending_blocks(IoasidSet& set) {
    for (MmEntry& entry : mm_list_) {
        if (!entry.active && entry.block != nullptr && entry.token == set.token_) {
            entry.active = true;
            entry.set = &set;
            set.chain_.add(*entry.block, probes_.has(ioasid_probes::kReversedPriority));
            probes_.hit(ioasid_probes::kPendingBlockAttached);
        }
    }
}

Result<IoasidSet*> IoasidCore::set_alloc(ExecContext& ctx, SetToken token, std::uint32_t quota,
                                         SetType type, const std::string& name) {
    const Frame frame(ctx, "ioasid_set_alloc");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const auto refuse = [&](Errno error) -> Result<IoasidSet*> {
        if (told()) {
            emit(ctx,
                 trace::IoasidRefused{kernel_, recorder_.name("set_alloc"), recorder_.name(name),
                                      kNoIoasid, error, recorder_.name(ctx.name())});
        }
        return error;
    };
    const bool negative = static_cast<std::int32_t>(type) < 0;
    if (!switches_.managed_sets || (static_cast<std::uint32_t>(type) >= kSetTypeCount &&
                                    !(negative && switches_.type_is_signed))) {
        return refuse(Errno::Einval);
    }
    if (quota == 0 && switches_.quota_zero_read_unlocked) {
        quota = available_;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    if (quota == 0 && !switches_.quota_zero_read_unlocked) {
        quota = available_;
    }
    if (quota > available_) {
        return refuse(Errno::Enospc);
    }
    if (const Errno error = check_new_set(token, type, false); error != Errno::Ok) {
        return refuse(error);
    }
    if (probes_.fails(ioasid_probes::kSetAllocNoMemory)) {
        return refuse(Errno::Enomem);
    }
    // As posted: the pool that is left bounds the numbers of sets.
    IoasidSet* set = make_set(ctx, token, type, name, available_, false);
    if (set == nullptr) {
        return refuse(Errno::Enospc);
    }
    set->quota_ = switches_.quota_is_signed ? static_cast<std::int32_t>(quota)
                                            : static_cast<std::int64_t>(quota);
    set->share_ = quota;
    available_ -= quota;
    emit(ctx, trace::IoasidSetAlloc{kernel_, set->name_, set->number_, quota, available_});
    return set;
}

Result<IoasidSet*> IoasidCore::set_alloc_private(ExecContext& ctx, SetToken token, SetType type,
                                                 const std::string& name) {
    const Frame frame(ctx, "ioasid_set_alloc");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    Errno error = Errno::Einval;
    if (switches_.managed_sets && switches_.private_sets) {
        error = check_new_set(token, type, true);
    }
    if (error == Errno::Ok && probes_.fails(ioasid_probes::kSetAllocNoMemory)) {
        error = Errno::Enomem;
    }
    IoasidSet* set =
        error == Errno::Ok ? make_set(ctx, token, type, name, kInvalidIoasid, true) : nullptr;
    if (set == nullptr) {
        error = error == Errno::Ok ? Errno::Enospc : error;
        refused(ctx, "set_alloc", nullptr, kNoIoasid, error);
        return error;
    }
    set->quota_ = std::int64_t{kInvalidIoasid};
    if (!probes_.has(ioasid_probes::kPrivateIdsGlobal)) {
        set->own_ids_ = std::make_unique<IdTable>();
    }
    emit(ctx, trace::IoasidSetAlloc{kernel_, set->name_, set->number_, 0, available_});
    return set;
}

IoasidSet* IoasidCore::declare_set(const std::string& name) {
    SIM_CHECK(!switches_.managed_sets, "set {}: a bare tag where sets are managed", name);
    all_sets_.push_back(std::unique_ptr<IoasidSet>(new IoasidSet(name, recorder_.name(name))));
    all_sets_.back()->registered_ = true;
    return all_sets_.back().get();
}

void IoasidCore::destroy_set(ExecContext& ctx, IoasidSet& set) {
    if (!probes_.has(ioasid_probes::kDestroyedSetListed)) {
        by_number_[set.number_] = nullptr;
        free_numbers_.insert(set.number_);
        --set_count_;
        const auto named = by_token_.find({static_cast<std::uint32_t>(set.type_), set.token_});
        if (named != by_token_.end() && named->second == &set) {
            by_token_.erase(named);
        }
    }
    const auto release_blocks = [&] {
        for (MmEntry& entry : mm_list_) {
            if (entry.set == &set) {
                entry.set = nullptr;
                entry.active = false;
            }
        }
    };
    if (switches_.mm_list_has_own_lock) {
        const LockGuard list_guard(ctx, mm_list_lock_);
        release_blocks();
    } else {
        release_blocks();
    }
    set.registered_ = false;
    set.marked_ = false;
    if (switches_.quota_returned && !probes_.has(ioasid_probes::kQuotaNotReturned)) {
        give_back(ctx, set.share_);
    }
    emit(ctx, trace::IoasidSetFree{kernel_, set.name_, available_});
}

Errno IoasidCore::set_free(ExecContext& ctx, IoasidSet* set) {
    const Frame frame(ctx, "ioasid_set_free");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    if (!switches_.managed_sets || !usable(ctx, set)) {
        refused(ctx, "set_free", set, kNoIoasid, Errno::Einval);
        return Errno::Einval;
    }
    if (set->live_ != 0) {
        set->marked_ = switches_.set_death == Switches::SetDeath::AfterRefusedFree;
        refused(ctx, "set_free", set, kNoIoasid, Errno::Ebusy);
        return Errno::Ebusy;
    }
    destroy_set(ctx, *set);
    return Errno::Ok;
}

Errno IoasidCore::set_free_v1(ExecContext& ctx, IoasidSet* set, bool destroy) {
    free_all_in_set(ctx, set);
    return destroy ? set_free(ctx, set) : Errno::Ok;
}

Errno IoasidCore::adjust_set(ExecContext& ctx, IoasidSet* set, std::uint32_t quota) {
    const Frame frame(ctx, "ioasid_adjust_set");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_change);
    Errno error = Errno::Ok;
    if (!switches_.quota_adjustable) {
        error = Errno::Eopnotsupp;
    } else if (!usable(ctx, set) || set->is_private() || quota == 0 || quota < set->live_) {
        error = Errno::Einval;
    } else if (quota > set->share_ &&
               (quota - set->share_ > available_ ||
                (quota > available_ && probes_.has(ioasid_probes::kAdjustComparesPool)))) {
        error = Errno::Enospc;
    }
    if (error != Errno::Ok) {
        refused(ctx, "adjust_set", set, kNoIoasid, error);
        return error;
    }
    if (probes_.has(ioasid_probes::kAdjustKeepsPool)) {
        // Nothing moves.
    } else if (quota > set->share_) {
        available_ -= quota - set->share_;
    } else {
        give_back(ctx, set->share_ - quota);
    }
    set->share_ = quota;
    set->quota_ = quota;
    emit(ctx, trace::IoasidSetQuota{kernel_, set->name_, quota, available_});
    return Errno::Ok;
}

// --- looking at sets --------------------------------------------------------------------------

std::vector<Ioasid> IoasidCore::listed_ids(const IoasidSet& set) const {
    std::vector<Ioasid> ids;
    ids.reserve(set.listed_.size());
    for (const IoasidEntry* entry : set.listed_) {
        ids.push_back(Ioasid{entry->id});
    }
    std::sort(ids.begin(), ids.end());
    return ids;
}

std::size_t IoasidCore::set_for_each(ExecContext& ctx, IoasidSet* set,
                                     const std::function<void(Ioasid)>& visit) {
    const Frame frame(ctx, "ioasid_set_for_each_ioasid");
    if (!switches_.managed_sets || !usable(ctx, set)) {
        return 0;
    }
    std::vector<Ioasid> ids = listed_ids(*set);
    if (!ids.empty() && probes_.has(ioasid_probes::kWalkSkipsLast)) {
        ids.pop_back();
    }
    for (const Ioasid id : ids) {
        spend(ctx, params_.find);
        visit(id);
    }
    return ids.size();
}

IoasidSet* IoasidCore::find_mm_set(ExecContext& ctx, SetToken mm) {
    const Frame frame(ctx, "ioasid_find_mm_set");
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.set_scan * set_count_);
    if (probes_.has(ioasid_probes::kFindMmAnySet) && !sets().empty()) {
        return sets().front();
    }
    const auto found = by_token_.find({static_cast<std::uint32_t>(SetType::Mm), mm});
    return found == by_token_.end() ? nullptr : found->second;
}

Result<IoasidSet*> IoasidCore::find_set(ExecContext& ctx, Ioasid id) {
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    if (params_.find != TimePs{}) {
        spend_search(ctx, params_.find, nullptr);
    }
    const IoasidEntry* entry = lookup(nullptr, id);
    if (entry == nullptr) {
        const Frame frame(ctx, "ioasid_find_set");
        not_found(ctx, id);
        return Errno::Enoent;
    }
    return entry->set;
}

Result<std::uint32_t> IoasidCore::find_sid(ExecContext& ctx, Ioasid id) {
    const Result<IoasidSet*> set = find_set(ctx, id);
    if (!set) {
        return set.error();
    }
    return *set == nullptr ? Result<std::uint32_t>(Errno::Enoent) : (*set)->number();
}

bool IoasidCore::is_in_set(ExecContext& ctx, IoasidSet* set, Ioasid id) {
    return find(ctx, set, id).ok();
}

// --- freeing all ------------------------------------------------------------------------------

void IoasidCore::free_all_in_set(ExecContext& ctx, IoasidSet* set) {
    const Frame frame(ctx, "ioasid_free_all_in_set");
    // These tests come before the lock, as posted.
    if (!switches_.managed_sets || !usable(ctx, set) || set->listed_.empty() || set->live_ == 0) {
        return;
    }
    const CoreLock guard(*this, ctx);
    std::vector<Ioasid> ids = listed_ids(*set);
    if (probes_.has(ioasid_probes::kFreeAllSkipsLast)) {
        ids.pop_back();
    }
    const bool unlists =
        switches_.free_all_unlists_pending || probes_.has(ioasid_probes::kFreeAllUnlists);
    for (const Ioasid id : ids) {
        IoasidEntry* entry = find_listed(*set, id);
        if (entry == nullptr) {
            continue;  // a handler dropped its last reference meanwhile
        }
        free_locked(ctx, set, id);
        if (unlists && entry->is(IoasidEntry::kListed) && entry->id == id.value()) {
            unlist(*entry);
        }
    }
}

}  // namespace ioasim
