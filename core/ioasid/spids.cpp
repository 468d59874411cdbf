// SPIDs: the set-private alias of an ID (a guest's PASID).
#include <algorithm>

#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

// The real core scans the set's array; the simulator looks up an index and charges for the scan.
TimePs IoasidCore::scan_cost(const IoasidSet& set) const {
    return params_.spid_scan == TimePs{} ? TimePs{} : params_.spid_scan * set.listed_.size();
}

IoasidEntry* IoasidCore::find_spid(const IoasidSet& set, Spid spid) const {
    const auto found = set.by_spid_.find(spid.value());
    return found == set.by_spid_.end() ? nullptr : found->second;
}

void IoasidCore::index_spid(IoasidEntry& entry) {
    if (entry.is(IoasidEntry::kListed)) {
        entry.set->by_spid_[entry.spid] = &entry;
    }
}

void IoasidCore::unindex_spid(IoasidEntry& entry) {
    if (!entry.is(IoasidEntry::kListed) || entry.spid == kInvalidIoasid) {
        return;
    }
    auto& index = entry.set->by_spid_;
    const auto found = index.find(entry.spid);
    if (found != index.end() && found->second == &entry) {
        index.erase(found);
    }
}

Errno IoasidCore::attach_spid(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid) {
    const Frame frame(ctx, "ioasid_attach_spid");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    if (!switches_.managed_sets) {
        return Errno::Eopnotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.reference + search_cost(set));
    IoasidEntry* entry = lookup(switches_.attach_checks_set ? set : nullptr, id);
    Errno error = Errno::Ok;
    if (spid == kNoSpid) {
        error = Errno::Einval;
    } else if (entry == nullptr) {
        not_found(ctx, id);
        error = Errno::Enoent;
    } else if (switches_.attach_checks_set && set != nullptr && entry->set != set) {
        error = Errno::Eacces;
    } else if (entry->spid != kInvalidIoasid &&
               switches_.second_spid == Switches::SecondSpid::Refused &&
               !probes_.has(ioasid_probes::kSecondSpidAccepted)) {
        error = Errno::Ebusy;
    } else {
        spend(ctx, scan_cost(*entry->set));
        IoasidEntry* user = find_spid(*entry->set, spid);
        if (user != nullptr && !probes_.has(ioasid_probes::kSpidConflictAccepted)) {
            error = Errno::Einval;
        }
        if (user != nullptr && probes_.has(ioasid_probes::kSpidProbeKeepsReference)) {
            take(ctx, *user, holder("ioasid_attach_spid"));
        }
    }
    if (error != Errno::Ok) {
        refused(ctx, "attach_spid", set, id, error);
        return error;
    }
    unindex_spid(*entry);
    entry->spid = spid.value();
    index_spid(*entry);
    send(ctx, *entry, IoasidNotification::Bind, kNotifySet);
    return Errno::Ok;
}

void IoasidCore::detach_spid(ExecContext& ctx, Ioasid id, const IoasidSet* set) {
    const Frame frame(ctx, "ioasid_detach_spid");
    if (!switches_.subsystem || !switches_.managed_sets) {
        return;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.reference + search_cost(nullptr));
    IoasidEntry* entry = lookup_named(set, id);
    if (entry == nullptr || entry->spid == kInvalidIoasid) {
        if (entry == nullptr) {
            not_found(ctx, id);
        }
        refused(ctx, "detach_spid", nullptr, id, entry == nullptr ? Errno::Enoent : Errno::Einval);
        return;
    }
    unbind(ctx, *entry);
}

// UNBIND still carries the SPID: subscribers must know what to remove. Cleared afterwards.
void IoasidCore::unbind(ExecContext& ctx, IoasidEntry& entry) {
    if (probes_.has(ioasid_probes::kUnbindWithoutSpid)) {
        unindex_spid(entry);
        entry.spid = kInvalidIoasid;
    }
    send(ctx, entry, IoasidNotification::Unbind, kNotifySet);
    if (entry.is(IoasidEntry::kUsed) && probes_.has(ioasid_probes::kUnbindTwice)) {
        send(ctx, entry, IoasidNotification::Unbind, kNotifySet);
    }
    if (entry.is(IoasidEntry::kUsed)) {
        unindex_spid(entry);
        entry.spid = kInvalidIoasid;
    }
}

Ioasid IoasidCore::find_by_spid(ExecContext& ctx, IoasidSet* set, Spid spid, bool get,
                                trace::Name holder) {
    const Frame frame(ctx, "ioasid_find_by_spid");
    if (!switches_.subsystem) {
        return kNoIoasid;
    }
    if (probes_.has(ioasid_probes::kSpidLookupUnlocked) && set != nullptr) {
        return find_unlocked(ctx, *set, spid, get, holder);
    }
    const CoreLock guard(*this, ctx);
    if (!switches_.managed_sets || !usable(ctx, set)) {
        return kNoIoasid;
    }
    spend(ctx, scan_cost(*set));
    if (spid == kNoSpid) {
        return switches_.invalid_spid_matches ? find_without_spid(ctx, *set, get, holder)
                                              : kNoIoasid;
    }
    IoasidEntry* entry = find_spid(*set, spid);
    if (probes_.has(ioasid_probes::kSpidLookupGlobal)) {
        for (const IoasidSet* other : sets()) {
            if (IoasidEntry* first = find_spid(*other, spid)) {
                entry = first;
                break;
            }
        }
    }
    if (entry == nullptr) {
        return kNoIoasid;
    }
    if (get) {
        if (entry->is(IoasidEntry::kPending) && switches_.spid_get_refuses_pending &&
            !probes_.has(ioasid_probes::kPendingGetAllowed)) {
            refused(ctx, "find_by_spid", set, Ioasid{entry->id}, Errno::Ebusy);
            return kNoIoasid;
        }
        take(ctx, *entry, holder);
    }
    return Ioasid{entry->id};
}

// A seeded defect, as an early version was: the number is read first, the reference is taken after
// the scan, on whatever has its place then.
Ioasid IoasidCore::find_unlocked(ExecContext& ctx, IoasidSet& set, Spid spid, bool get,
                                 trace::Name holder) {
    const IoasidEntry* found = find_spid(set, spid);
    if (found == nullptr) {
        return kNoIoasid;
    }
    const Ioasid id{found->id};
    spend(ctx, scan_cost(set));
    IoasidEntry* entry = lookup(nullptr, id);
    if (entry == nullptr) {
        hazard(ctx, "freed_entry_used", set.name());
    } else if (get) {
        take(ctx, *entry, holder);
    }
    return id;
}

// "No SPID" is compared like any SPID in the posted code: every ID without one matches, the highest
// is returned, and all of them are referenced.
Ioasid IoasidCore::find_without_spid(ExecContext& ctx, IoasidSet& set, bool get,
                                     trace::Name holder) {
    Ioasid highest = kNoIoasid;
    for (const Ioasid id : listed_ids(set)) {
        IoasidEntry* entry = find_listed(set, id);
        if (entry->spid == kInvalidIoasid) {
            highest = id;
            if (get) {
                take(ctx, *entry, holder);
            }
        }
    }
    return highest;
}

}  // namespace ioasim
