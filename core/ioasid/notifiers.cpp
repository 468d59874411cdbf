// Notification chains and their calls.
#include <algorithm>

#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

namespace {

// A call of a chain needs some 300 bytes of a kernel stack of 16 KiB.
constexpr int kDeepestNotification = 48;

}  // namespace

// --- chain ------------------------------------------------------------------------------------

bool NotifierChain::contains(const NotifierBlock& block) const {
    return std::find(links_.begin(), links_.end(), &block) != links_.end();
}

bool NotifierChain::add(NotifierBlock& block, bool reversed) {
    if (contains(block)) {
        return false;
    }
    insert(block, reversed);
    return true;
}

void NotifierChain::insert(NotifierBlock& block, bool reversed) {
    const auto before = [&](const NotifierBlock* other) {
        return other != nullptr && block.is_called_before(*other, reversed);
    };
    links_.insert(std::find_if(links_.begin(), links_.end(), before), &block);
}

bool NotifierChain::remove(const NotifierBlock& block) {
    const auto found = std::find(links_.begin(), links_.end(), &block);
    if (found == links_.end()) {
        return false;
    }
    if (walkers_ > 0) {
        *found = nullptr;
        has_empty_ = true;
    } else {
        links_.erase(found);
    }
    return true;
}

std::vector<const NotifierBlock*> NotifierChain::blocks() const {
    std::vector<const NotifierBlock*> all;
    std::copy_if(links_.begin(), links_.end(), std::back_inserter(all),
                 [](const NotifierBlock* block) { return block != nullptr; });
    return all;
}

void NotifierChain::drop_empty() {
    links_.remove(nullptr);
    has_empty_ = false;
}

// --- calls ------------------------------------------------------------------------------------

void IoasidCore::tell_notification(ExecContext& ctx, const NotifierPayload& p) {
    const trace::Name set = name_of(p.set);
    switch (p.event) {
        case IoasidNotification::Free:
            emit(ctx, trace::IoasidFree{kernel_, set, p.id, p.spid});
            break;
        case IoasidNotification::Bind:
            emit(ctx, trace::IoasidBind{kernel_, set, p.id, p.spid});
            break;
        case IoasidNotification::Unbind:
            emit(ctx, trace::IoasidUnbind{kernel_, set, p.id, p.spid});
            break;
        default:
            break;  // ALLOC is told by ioasid.alloc
    }
}

// Apart from the telling, because most runs tell nobody.
[[gnu::always_inline]] inline NotifyResult IoasidCore::handle_in(ExecContext& ctx,
                                                                 NotifierBlock& block,
                                                                 const NotifierPayload& payload) {
    const AtomicSection atomic(ctx);
    const Frame frame(ctx, block.name());
    spend(ctx, params_.handler_call);
    if (probes_.decide && !befallen(ctx, block)) {
        return NotifyResult::Bad;
    }
    return block.handle(ctx, payload);
}

// What an injection does to a handler. False: it is not called at all.
bool IoasidCore::befallen(ExecContext& ctx, const NotifierBlock& block) {
    if (probes_.fails(ioasid_probes::kHandlerSlow, block.name())) {
        ctx.spend(TimePs{probes_.extent()});
    }
    if (probes_.fails(ioasid_probes::kHandlerSleeps, block.name())) {
        WaitQueue nobody{"a handler that sleeps"};
        ctx.wait_until(nobody, ctx.now() + TimePs{probes_.extent()});
    }
    return !probes_.fails(ioasid_probes::kHandlerFails, block.name());
}

[[gnu::noinline]] NotifyResult IoasidCore::call_block_told(ExecContext& ctx, NotifierBlock& block,
                                                           trace::Name chain_name,
                                                           const NotifierPayload& payload) {
    const TimePs start = ctx.now();
    emit(ctx, trace::IoasidHandler{kernel_, name_of(payload.set), payload.id, payload.event,
                                   recorder_.name(block.name()),
                                   static_cast<std::uint32_t>(block.priority()), chain_name});
    const NotifyResult result = handle_in(ctx, block, payload);
    emit(ctx, trace::IoasidHandlerDone{kernel_, payload.id, recorder_.name(block.name()),
                                       stops_chain(result), ctx.now() - start});
    return result;
}

[[gnu::always_inline]] inline NotifyResult IoasidCore::call_block(ExecContext& ctx,
                                                                  NotifierBlock& block,
                                                                  trace::Name chain_name,
                                                                  const NotifierPayload& payload) {
    return told() ? call_block_told(ctx, block, chain_name, payload)
                  : handle_in(ctx, block, payload);
}

NotifyResult IoasidCore::call_chain(ExecContext& ctx, NotifierChain& chain, trace::Name chain_name,
                                    const NotifierPayload& payload) {
    if (chain.empty()) {
        return NotifyResult::Done;
    }
    NotifyResult result = NotifyResult::Done;
    for (NotifierBlock* block : chain.begin_walk()) {
        if (block == nullptr) {
            continue;
        }
        result = call_block(ctx, *block, chain_name, payload);
        if (stops_chain(result) && !probes_.has(ioasid_probes::kStopIgnored)) {
            break;
        }
    }
    end_walk(ctx, chain);
    return result;
}

void IoasidCore::end_walk(ExecContext& ctx, NotifierChain& chain) {
    chain.end_walk();
    if (!chain.walked() && !grace_wait_.empty()) {
        ctx.wake_all(grace_wait_);
    }
}

// Both chains as one, by priority; among equals the global chain first. A stop value ends only the
// rest of its own chain. Returns the set chain's value, if that was called.
NotifyResult IoasidCore::call_merged(ExecContext& ctx, const NotifierPayload& payload) {
    NotifierChain& set_chain = payload.set->chain_;
    NotifierChain::Links& all = global_chain_.begin_walk();
    NotifierChain::Links& own = set_chain.begin_walk();
    auto global = all.begin();
    auto set = own.begin();
    // Looked at anew for each block: a handler may have taken one off.
    const auto next = [](NotifierChain::Links::iterator& at, const NotifierChain::Links& links) {
        while (at != links.end() && *at == nullptr) {
            ++at;
        }
        return at == links.end() ? nullptr : *at;
    };
    const bool stops = !probes_.has(ioasid_probes::kStopIgnored);
    const bool reversed = probes_.has(ioasid_probes::kReversedPriority);
    NotifyResult global_result = NotifyResult::Done;
    NotifyResult result = NotifyResult::Done;
    bool set_called = false;
    bool destroyed_told = false;
    for (;;) {
        NotifierBlock* const of_all = next(global, all);
        NotifierBlock* const of_set = next(set, own);
        if (of_set != nullptr &&
            (of_all == nullptr || of_set->is_called_before(*of_all, reversed))) {
            ++set;
            if (!payload.set->registered_ && !destroyed_told) {
                // A handler dropped the last reference and with it the set.
                hazard(ctx, "destroyed_set", payload.set->name());
                destroyed_told = true;
            }
            result = call_block(ctx, *of_set, chain_set_, payload);
            set_called = true;
            set = stops && stops_chain(result) ? own.end() : set;
        } else if (of_all != nullptr) {
            ++global;
            global_result = call_block(ctx, *of_all, chain_global_, payload);
            global = stops && stops_chain(global_result) ? all.end() : global;
        } else {
            break;
        }
    }
    end_walk(ctx, global_chain_);
    end_walk(ctx, set_chain);
    return set_called ? joined(global_result, result) : global_result;
}

// An error of the global chain is not lost because the set's chain was content.
NotifyResult IoasidCore::joined(NotifyResult global, NotifyResult set) const {
    return stops_chain(global) && !switches_.chain_error_lost ? global : set;
}

NotifyResult IoasidCore::send(ExecContext& ctx, const IoasidEntry& entry, IoasidNotification event,
                              unsigned flags) {
    if (probes_.has(ioasid_probes::kAllocAndFreeRejected) &&
        (event == IoasidNotification::Alloc || event == IoasidNotification::Free)) {
        return NotifyResult::Done;
    }
    if (probes_.has(ioasid_probes::kFreeToGlobalOnly) && event == IoasidNotification::Free) {
        flags = kNotifyAll;
    }
    if (!switches_.managed_sets || ((flags & kNotifyAll) == 0 && !heard(entry.set))) {
        return NotifyResult::Done;
    }
    const NotifierPayload payload{event, Ioasid{entry.id}, Spid{entry.spid}, entry.set, entry.data};
    if (told()) {
        tell_notification(ctx, payload);
    }
    if (notifying_ == kDeepestNotification) {
        hazard(ctx, "notification_too_deep", kernel_text_);
        return NotifyResult::Done;
    }
    ++notifying_;
    const NotifyResult result = call_chains(ctx, payload, flags);
    if (--notifying_ == 0) {
        held_back_.clear();
    }
    return result;
}

NotifyResult IoasidCore::call_chains(ExecContext& ctx, const NotifierPayload& payload,
                                     unsigned flags) {
    const bool all = (flags & kNotifyAll) != 0;
    const bool own = (flags & kNotifySet) != 0;
    if (all && own && switches_.call_order == Switches::CallOrder::MergedByPriority) {
        return call_merged(ctx, payload);
    }
    NotifyResult result = NotifyResult::Done;
    if (all) {
        result = call_chain(ctx, global_chain_, chain_global_, payload);
    }
    if (own) {
        if (!payload.set->registered_) {
            // A global handler dropped the last reference and with it the set.
            hazard(ctx, "destroyed_set", payload.set->name());
        }
        result = joined(result, call_chain(ctx, payload.set->chain_, chain_set_, payload));
    }
    return result;
}

Result<NotifyResult> IoasidCore::notify(ExecContext& ctx, Ioasid id, IoasidNotification event,
                                        unsigned flags, const IoasidSet* set) {
    const Frame frame(ctx, "ioasid_notify");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    const IoasidEntry* entry = lookup_named(set, id);
    const bool any = probes_.has(ioasid_probes::kNotifyUnchecked);
    const bool allowed =
        any || ((event == IoasidNotification::Bind || event == IoasidNotification::Unbind) &&
                flags != 0 && (flags & ~(kNotifyAll | kNotifySet)) == 0);
    Errno error = Errno::Ok;
    if (entry == nullptr) {
        not_found(ctx, id);
    }
    if (!switches_.explicit_notify) {
        error = Errno::Eopnotsupp;
    } else if (entry == nullptr || !allowed) {
        error = Errno::Einval;
    }
    if (error != Errno::Ok) {
        refused(ctx, "notify", nullptr, id, error);
        return error;
    }
    if (probes_.has(ioasid_probes::kNotifyIgnoresScope)) {
        flags = kNotifyAll | kNotifySet;
    }
    return send(ctx, *entry, event, flags);
}

// --- registration -----------------------------------------------------------------------------

bool IoasidCore::in_mm_list(const NotifierBlock& block) const {
    return std::any_of(mm_list_.begin(), mm_list_.end(),
                       [&](const MmEntry& entry) { return entry.block == &block; });
}

void IoasidCore::add_block(NotifierChain& chain, NotifierBlock& block) {
    const bool reversed = probes_.has(ioasid_probes::kReversedPriority);
    if (!chain.add(block, reversed) && probes_.has(ioasid_probes::kBlockListedTwice)) {
        chain.insert(block, reversed);
    }
}

void IoasidCore::remove_block(NotifierChain& chain, NotifierBlock& block) {
    if (!probes_.has(ioasid_probes::kUnregisterIgnored)) {
        chain.remove(block);
    }
}

Errno IoasidCore::register_notifier(ExecContext& ctx, IoasidSet* set, NotifierBlock& block) {
    const Frame frame(ctx, "ioasid_register_notifier");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    if (!switches_.managed_sets) {
        return Errno::Eopnotsupp;
    }
    const auto add = [&] {
        spend(ctx, params_.registration);
        const bool living = set == nullptr || usable(ctx, set);
        if (switches_.register_refuses_live_set && set != nullptr &&
            !probes_.has(ioasid_probes::kRegisterOnLiveSet)) {
            const Errno error = !living                                        ? Errno::Einval
                                : set->type_ == SetType::Mm && set->live_ != 0 ? Errno::Ebusy
                                                                               : Errno::Ok;
            if (error != Errno::Ok) {
                refused(ctx, "register_notifier", set, kNoIoasid, error);
                return error;
            }
        }
        NotifierChain& chain = set == nullptr ? global_chain_ : set->chain_;
        add_block(chain, block);
        return Errno::Ok;  // also for a block that is there already, as in Linux 5.10
    };
    if (switches_.register_takes_lock) {
        const CoreLock guard(*this, ctx);
        return add();
    }
    return add();
}

void IoasidCore::unregister_notifier(ExecContext& ctx, IoasidSet* set, NotifierBlock& block) {
    const Frame frame(ctx, "ioasid_unregister_notifier");
    if (!switches_.subsystem || !switches_.managed_sets) {
        return;
    }
    NotifierChain& chain = set == nullptr ? global_chain_ : set->chain_;
    const auto take_off = [&] {
        spend(ctx, params_.registration);
        if ((set != nullptr && !usable(ctx, set)) || in_mm_list(block)) {
            refused(ctx, "unregister_notifier", set, kNoIoasid, Errno::Einval);
            return false;
        }
        remove_block(chain, block);
        pin_set(set);
        return true;
    };
    bool removed = false;
    if (switches_.mm_list_has_own_lock) {
        const LockGuard guard(ctx, mm_list_lock_);
        removed = take_off();
    } else {
        const CoreLock guard(*this, ctx);
        removed = take_off();
    }
    if (!removed) {
        return;
    }
    grace_period(ctx, &chain);
    unpin_set(ctx, set);
}

// The production kernel pins the set by its live count while it waits for a grace period; the way
// back from one to zero is taken for the last reclaim.
void IoasidCore::pin_set(IoasidSet* set) {
    if (switches_.unregister_destroys_empty_set && set != nullptr) {
        ++set->live_;
    }
}

void IoasidCore::unpin_set(ExecContext& ctx, IoasidSet* set) {
    if (!switches_.unregister_destroys_empty_set || set == nullptr) {
        return;
    }
    const CoreLock guard(*this, ctx);
    if (--set->live_ == 0 && set->registered_) {
        destroy_set(ctx, *set);
    }
}

Errno IoasidCore::add_mm_entry(ExecContext& ctx, SetToken mm, NotifierBlock& block) {
    const auto same = [&](const MmEntry& e) { return e.token == mm && e.block == &block; };
    if (std::any_of(mm_list_.begin(), mm_list_.end(), same)) {
        return Errno::Ebusy;
    }
    if (probes_.fails(ioasid_probes::kRegisterNoMemory)) {
        return Errno::Enomem;
    }
    IoasidSet* set = nullptr;
    if (switches_.mm_list_has_own_lock) {
        set = find_mm_set(ctx, mm);  // list lock, then allocator lock
    } else {
        const auto found = by_token_.find({static_cast<std::uint32_t>(SetType::Mm), mm});
        set = found == by_token_.end() ? nullptr : found->second;
    }
    if (set != nullptr && set->live_ != 0 && !probes_.has(ioasid_probes::kRegisterOnLiveSet)) {
        return Errno::Ebusy;  // events of its IDs were missed, and nothing is replayed
    }
    MmEntry entry;
    if (set != nullptr || !switches_.mm_pending_entry_blank) {
        entry = {mm, &block, set, set != nullptr};
    }
    mm_list_.push_front(entry);
    if (set != nullptr) {
        add_block(set->chain_, block);
        if (probes_.has(ioasid_probes::kRegistrationRelocks)) {
            const LockGuard again(ctx, switches_.mm_list_has_own_lock ? mm_list_lock_ : lock_);
        }
    }
    return Errno::Ok;
}

Errno IoasidCore::register_notifier_mm(ExecContext& ctx, SetToken mm, NotifierBlock& block) {
    const Frame frame(ctx, "ioasid_register_notifier_mm");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    if (!switches_.managed_sets) {
        return Errno::Eopnotsupp;
    }
    Errno error = Errno::Einval;
    if (mm != 0 || !switches_.null_mm_refused) {
        if (switches_.mm_list_has_own_lock) {
            const LockGuard guard(ctx, mm_list_lock_);
            spend(ctx, params_.registration);
            error = add_mm_entry(ctx, mm, block);
        } else {
            const CoreLock guard(*this, ctx);
            spend(ctx, params_.registration);
            error = add_mm_entry(ctx, mm, block);
        }
    }
    if (error != Errno::Ok) {
        refused(ctx, "register_notifier_mm", nullptr, kNoIoasid, error);
    }
    return error;
}

void IoasidCore::unregister_notifier_mm(ExecContext& ctx, SetToken mm, NotifierBlock& block) {
    const Frame frame(ctx, "ioasid_unregister_notifier_mm");
    if (!switches_.subsystem || !switches_.managed_sets) {
        return;
    }
    IoasidSet* set = nullptr;
    const auto take_off = [&] {
        spend(ctx, params_.registration);
        const auto entry = std::find_if(mm_list_.begin(), mm_list_.end(), [&](const MmEntry& e) {
            return e.token == mm && e.block == &block;
        });
        if (entry == mm_list_.end()) {
            refused(ctx, "unregister_notifier_mm", nullptr, kNoIoasid, Errno::Enoent);
            return false;
        }
        set = entry->active ? entry->set : nullptr;
        mm_list_.erase(entry);
        if (set != nullptr && !switches_.mm_list_has_own_lock) {
            remove_block(set->chain_, block);
            pin_set(set);
        }
        return true;
    };
    bool removed = false;
    if (switches_.mm_list_has_own_lock) {
        {
            const LockGuard guard(ctx, mm_list_lock_);
            removed = take_off();
        }
        if (set != nullptr) {
            // As posted: behind the list's lock, with nothing that keeps the set alive.
            spend(ctx, params_.registration);
            usable(ctx, set);
            remove_block(set->chain_, block);
        }
    } else {
        const CoreLock guard(*this, ctx);
        removed = take_off();
    }
    if (removed && set != nullptr) {
        grace_period(ctx, &set->chain_);
        unpin_set(ctx, set);
    }
}

}  // namespace ioasim
