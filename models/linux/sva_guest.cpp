#include "models/linux/sva.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/sva_binding.hpp"

namespace ioasim::os {

using Binding = SvaBinding;
using State = SvaBinding::State;

// --- guest page tables --------------------------------------------------------------------------

Errno Sva::bind_gpasid(ExecContext& ctx, const GuestBind& request) {
    ctx.spend(kernel_.params().sva_bind);
    Frame frame{ctx, "bind_gpasid"};
    const auto tell = [&](Ioasid number, Errno result) {
        kernel_.emit(ctx, trace::SvaBind{kernel_.intern(request.space),
                                         kernel_.intern(request.device->name()),
                                         Pasid{number.value()}, result});
        return result;
    };
    // (The Intel tree refuses every function whose PASIDs have not 20 bits.)
    if (request.id.value() >= request.device->max_pasids() && !kernel_.probes().has(kNoWidthTest)) {
        return tell(request.id, Errno::Einval);
    }
    Ioasid id = core_.find_by_spid(ctx, request.set, request.spid, true, vfio_);
    if (!is_valid(id)) {
        id = request.id;
        const auto known = core_.find(ctx, request.set, id);
        if (!known) {
            return known.error();
        }
        const Errno refused = core_.get(ctx, request.set, id, vfio_);
        if (refused != Errno::Ok) {
            return refused;
        }
    }
    Errno error = Errno::Ok;
    {
        LockGuard guard{ctx, lock_};
        error = bind_gpasid_locked(ctx, request, id);
    }
    core_.put(ctx, request.set, id, vfio_);
    return tell(id, error);
}

Errno Sva::bind_gpasid_locked(ExecContext& ctx, const GuestBind& request, Ioasid id) {
    if (request.device->group() == nullptr) {
        return Errno::Enodev;
    }
    if (kernel_.params().pasid_users == PasidUsers::Sva &&
        !kernel_.probes().has(kPasidUsersIgnored)) {
        return Errno::Eopnotsupp;
    }
    const auto existing = bindings_.find(key_of(request.set, id));
    if (existing != bindings_.end()) {
        Binding& binding = *existing->second;
        const bool same = binding.process == nullptr && binding.spid == request.spid;
        if (!same || binding.type != request.type || binding.state != State::Live ||
            has(binding, *request.device)) {
            return Errno::Ebusy;
        }
        return attach(ctx, binding, *request.device, nullptr);
    }
    auto made = std::make_shared<Binding>(*this, request.type, id, request.set,
                                          kernel_.intern(request.space));
    made->spid = request.spid;
    made->first_stage = request.page_table.value();
    made->stage2 = request.stage2;
    made->faults = request.faults;
    const std::shared_ptr<Binding> binding = made;
    const bool told_first = kernel_.probes().has(kBindBeforeEntry);
    Errno error = told_first ? core_.attach_spid(ctx, request.set, id, request.spid) : Errno::Ok;
    if (error == Errno::Ok) {
        error = add_binding(ctx, std::move(made), *request.device, nullptr);
    }
    if (error != Errno::Ok) {
        return error;
    }
    // The entry is live: now the CPUs may learn the translation (BIND).
    error = told_first ? Errno::Ok : core_.attach_spid(ctx, request.set, id, request.spid);
    if (error != Errno::Ok) {
        tear_down_entries(ctx, *binding);
        finish(ctx, *binding);
        return error;
    }
    binding->spid_attached = true;
    return Errno::Ok;
}

bool Sva::leads_through(const SecondStage& stage, bool draining) const {
    return std::any_of(bindings_.begin(), bindings_.end(), [&](const auto& item) {
        const Binding& binding = *item.second;
        return binding.stage2 == &stage && (draining || binding.state == State::Live);
    });
}

Errno Sva::unbind_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid) {
    ctx.spend(kernel_.params().sva_unbind);
    Frame frame{ctx, "unbind_gpasid"};
    const Ioasid id = core_.find_by_spid(ctx, &set, spid, true, vfio_);
    if (!is_valid(id)) {
        return Errno::Enoent;
    }
    std::shared_ptr<Binding> binding;
    {
        LockGuard guard{ctx, lock_};
        const auto found = bindings_.find(key_of(&set, id));
        if (found != bindings_.end()) {
            binding = found->second;
        }
    }
    Errno error = Errno::Enoent;
    if (binding != nullptr) {
        error = !has(*binding, device) ? Errno::Ok : Errno::Ebusy;
        if (has(*binding, device) && binding->state == State::Live) {
            // The temporary reference goes first, so that the last put is the IOMMU's.
            core_.put(ctx, binding->set, id, vfio_);
            error = remove_device(ctx, *binding, device);
            kernel_.emit(ctx, trace::SvaUnbind{binding->space, kernel_.intern(device.name()),
                                               Pasid{id.value()}});
            return error;
        }
    }
    core_.put(ctx, set.is_private() ? &set : nullptr, id, vfio_);
    return error;
}

Errno Sva::flush_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid) {
    const Ioasid id = core_.find_by_spid(ctx, &set, spid, true, vfio_);
    if (!is_valid(id)) {
        return Errno::Enoent;
    }
    const Errno error = device.iommu().flush_pasid(ctx, device, Pasid{id.value()});
    core_.put(ctx, &set, id, vfio_);
    return error;
}

std::vector<std::shared_ptr<SvaBinding>> Sva::bound_in(const IoasidSet& set) const {
    std::vector<std::shared_ptr<Binding>> bound;
    const auto mine = by_set_.find(&set);
    if (mine != by_set_.end()) {
        for (const auto& [key, nothing] : mine->second) {
            const auto binding = bindings_.find(key);
            if (binding != bindings_.end() && binding->second->set == &set) {
                bound.push_back(binding->second);
            }
        }
    }
    return bound;
}

void Sva::unbind_device(ExecContext& ctx, IoasidSet& set, Device& device) {
    for (const std::shared_ptr<Binding>& binding : bound_in(set)) {
        if (!has(*binding, device)) {
            continue;
        }
        // Bound elsewhere, too, there is no UNBIND, and so none of the VDCM's drains.
        if (binding->users > 1 && !kernel_.probes().has(kUnplugUndrained) &&
            !finish_pasid(ctx, kernel_, device, Pasid{binding->id.value()})) {
            binding->unfinished.undrained.emplace_back(device);
        }
        const Errno error = remove_device(ctx, *binding, device);
        if (error == Errno::Ebusy) {  // a free or another unbind in progress tears it down
            static_cast<void>(kernel_.wait_for_work(ctx, binding->end_of(kernel_),
                                                    [&] { return binding->state == State::Dead; }));
        }
        kernel_.emit(ctx, trace::SvaUnbind{binding->space, kernel_.intern(device.name()),
                                           Pasid{binding->id.value()}});
    }
}

void Sva::unbind_all(ExecContext& ctx, IoasidSet& set) {
    for (const std::shared_ptr<Binding>& binding : bound_in(set)) {
        unbind_every_device(ctx, *binding);
    }
    // A VMM may have given an ID its number and bound no device: nobody but its owner can take it
    // away, and without UNBIND KVM's translation would outlive the ID.
    for (const Ioasid id : core_.with_spid(set)) {
        if (bindings_.count(key_of(&set, id)) == 0 && !kernel_.probes().has(kSpidsLeft)) {
            core_.detach_spid(ctx, id, &set);
        }
    }
}

std::size_t Sva::bindings_of(const IoasidSet& set) const {
    return bound_in(set).size();
}

}  // namespace ioasim::os
