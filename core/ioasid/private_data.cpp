// Private data of IDs: find with a getter, attach, detach, and mainline's set_data.
#include "core/ioasid/hot_paths.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

Result<void*> IoasidCore::find(ExecContext& ctx, IoasidSet* set, Ioasid id,
                               const DataGetter* getter) {
    if (instant_ && getter == nullptr) {
        if (const IoasidEntry* entry = lookup_dense(set, id)) {
            return entry->data;
        }
    }
    return find_in_steps(ctx, set, id, getter);
}

Result<void*> IoasidCore::find_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id,
                                        const DataGetter* getter) {
    const Frame frame(ctx, "ioasid_find");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    if (params_.find != TimePs{}) {
        spend_search(ctx, params_.find, set);
    }
    const IoasidEntry* entry = lookup(set, id);
    if (entry == nullptr || (set != nullptr && entry->set != set)) {
        if (entry == nullptr) {
            not_found(ctx, id);
        }
        return entry == nullptr ? Errno::Enoent : Errno::Eacces;
    }
    void* const data = entry->data;
    if (getter != nullptr && !(*getter)(data) && !probes_.has(ioasid_probes::kGetterIgnored)) {
        return static_cast<void*>(nullptr);
    }
    return data;
}

Errno IoasidCore::attach_data(ExecContext& ctx, IoasidSet* set, Ioasid id, void* data) {
    const Frame frame(ctx, "ioasid_attach_data");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    const CoreLock guard(*this, ctx);
    spend(ctx, params_.reference + search_cost(set));
    IoasidEntry* entry = lookup(switches_.attach_checks_set ? set : nullptr, id);
    Errno error = Errno::Ok;
    if (entry == nullptr) {
        not_found(ctx, id);
        error = Errno::Enoent;
    } else if (switches_.attach_checks_set && set != nullptr && entry->set != set) {
        error = Errno::Eacces;
    } else if (entry->data != nullptr) {
        error = Errno::Ebusy;
    }
    if (error != Errno::Ok) {
        refused(ctx, "attach_data", set, id, error);
        return error;
    }
    entry->data = data;
    return Errno::Ok;
}

void IoasidCore::detach_data(ExecContext& ctx, Ioasid id, const IoasidSet* set) {
    const Frame frame(ctx, "ioasid_detach_data");
    if (!switches_.subsystem) {
        return;
    }
    {
        const CoreLock guard(*this, ctx);
        spend(ctx, params_.reference + search_cost(nullptr));
        IoasidEntry* entry = lookup_named(set, id);
        if (entry == nullptr) {
            not_found(ctx, id);
            refused(ctx, "detach_data", nullptr, id, Errno::Enoent);
        } else {
            entry->data = nullptr;
        }
    }
    grace_period(ctx);  // also for an unknown ID, as posted
}

Errno IoasidCore::set_data(ExecContext& ctx, Ioasid id, void* data) {
    const Frame frame(ctx, "ioasid_set_data");
    if (!switches_.subsystem) {
        return Errno::Enotsupp;
    }
    {
        const CoreLock guard(*this, ctx);
        spend(ctx, params_.reference + search_cost(nullptr));
        IoasidEntry* entry = lookup(nullptr, id);
        if (entry == nullptr) {
            not_found(ctx, id);
            refused(ctx, "set_data", nullptr, id, Errno::Enoent);
            return Errno::Enoent;
        }
        entry->data = data;
    }
    grace_period(ctx);
    return Errno::Ok;
}

}  // namespace ioasim
