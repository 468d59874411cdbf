#include "models/linux/iommu_group.hpp"

#include <utility>

#include "core/trace/sva_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/vdcm_probes.hpp"

namespace ioasim::os {

IommuGroup::IommuGroup(Kernel& kernel, Device& device)
    : kernel_(kernel),
      device_(device),
      lock_(SimLock::Kind::Spin, kernel.name() + "/" + device.name() + "/pasid_array",
            kernel.name() + "/pasid_array") {}

Result<std::shared_ptr<AttachHandle>> IommuGroup::handle_get(ExecContext& ctx, Pasid pasid,
                                                             DomainType type) {
    std::shared_ptr<AttachHandle> handle;
    Errno error = Errno::Ok;
    {
        LockGuard guard{ctx, lock_};
        const auto found = slots_.find(pasid.value());
        const bool bare_is_free = kernel_.probes().has(kBareDomainLooksFree);
        if (found == slots_.end() || found->second.domain == nullptr) {
            error = Errno::Enoent;
        } else if (found->second.handle == nullptr) {
            error = bare_is_free ? Errno::Enoent : Errno::Ebusy;
        } else if (type != DomainType::Any && found->second.domain->type != type &&
                   !kernel_.probes().has(kHandleTypeIgnored)) {
            error = Errno::Ebusy;
        } else {
            handle = found->second.handle;
        }
    }
    kernel_.emit(ctx, trace::IommuHandleGet{kernel_.intern(device_.name()), pasid,
                                            kernel_.intern(name_of(type)), error,
                                            handle == nullptr ? 0 : handle->serial});
    if (handle == nullptr) {
        return error;
    }
    return handle;
}

bool IommuGroup::begin_reset() {
    return !std::exchange(resetting_, true);
}

Errno IommuGroup::reserve(ExecContext& ctx, Pasid pasid) {
    if (resetting_ && !kernel_.probes().has(kResetWindowOpen)) {
        return Errno::Ebusy;
    }
    LockGuard guard{ctx, lock_};
    if (slots_.count(pasid.value()) != 0) {
        return Errno::Ebusy;
    }
    if (kernel_.probes().fails(kSlotAllocation)) {
        return Errno::Enomem;
    }
    static_cast<void>(slots_[pasid.value()]);
    return Errno::Ok;
}

void IommuGroup::publish(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                         std::shared_ptr<AttachHandle> handle) {
    const std::uint64_t serial = handle == nullptr ? 0 : handle->serial;
    {
        LockGuard guard{ctx, lock_};
        Slot& slot = slots_.at(pasid.value());
        SIM_CHECK(slot.domain == nullptr, "PASID {} of {} is published twice", pasid.value(),
                  device_.name());
        slot.domain = &domain;
        slot.handle = std::move(handle);
        if (slot.handle != nullptr) {
            slot.handle->domain = &domain;
            slot.handle->device = &device_;
            slot.handle->pasid = pasid;
            slot.handle->attached = true;
        }
        ++domain.users;
    }
    kernel_.emit(ctx,
                 trace::IommuAttach{kernel_.intern(device_.name()), pasid,
                                    kernel_.intern(name_of(domain.type)), domain.space, serial});
}

void IommuGroup::replace(ExecContext& ctx, Pasid pasid, PasidDomain& domain) {
    PasidDomain* old = nullptr;
    {
        LockGuard guard{ctx, lock_};
        old = std::exchange(slots_.at(pasid.value()).domain, &domain);
        --old->users;
        ++domain.users;
    }
    kernel_.emit(ctx, trace::IommuDetach{kernel_.intern(device_.name()), pasid,
                                         kernel_.intern(name_of(old->type)), old->space, 0});
    kernel_.emit(ctx, trace::IommuAttach{kernel_.intern(device_.name()), pasid,
                                         kernel_.intern(name_of(domain.type)), domain.space, 0});
}

void IommuGroup::erase(ExecContext& ctx, Pasid pasid) {
    Slot gone;
    {
        LockGuard guard{ctx, lock_};
        const auto found = slots_.find(pasid.value());
        SIM_CHECK(found != slots_.end(), "PASID {} of {} is not attached", pasid.value(),
                  device_.name());
        gone = std::move(found->second);
        slots_.erase(found);
        if (gone.handle != nullptr) {
            gone.handle->attached = false;
        }
        if (gone.domain != nullptr) {
            --gone.domain->users;
        }
    }
    if (gone.domain != nullptr) {
        kernel_.emit(
            ctx, trace::IommuDetach{kernel_.intern(device_.name()), pasid,
                                    kernel_.intern(name_of(gone.domain->type)), gone.domain->space,
                                    gone.handle == nullptr ? 0 : gone.handle->serial});
    }
    if (gone.tables != 0) {
        kernel_.free_pages(gone.tables);
    }
}

PasidDomain* IommuGroup::domain_at(Pasid pasid) const {
    const auto found = slots_.find(pasid.value());
    return found == slots_.end() ? nullptr : found->second.domain;
}

std::vector<Pasid> IommuGroup::pasids_of(const Process& process) const {
    std::vector<Pasid> found;
    for (const auto& [pasid, slot] : slots_) {
        if (slot.domain != nullptr && slot.domain->process == &process) {
            found.emplace_back(pasid);
        }
    }
    return found;
}

std::shared_ptr<AttachHandle> IommuGroup::new_handle() {
    if (kernel_.probes().fails(kHandleAllocation)) {
        return nullptr;
    }
    auto handle = std::make_shared<AttachHandle>();
    handle->serial = kernel_.next_handle();
    return handle;
}

// --- domains of kernel code ---------------------------------------------------------------------

Errno IommuGroup::set_entry(ExecContext& ctx, Pasid pasid, const PasidDomain& domain, Slot& slot) {
    IommuDriver& unit = device_.iommu();
    const std::string& space = kernel_.text(domain.space);
    if (domain.type == DomainType::Sva) {
        return unit.set_first_stage(ctx, device_, pasid, domain.process->mm.root(), space);
    }
    const auto root = kernel_.alloc_pages(ctx);
    if (!root) {
        return root.error();
    }
    slot.tables = *root;
    SecondStage stage;
    stage.root = *root;
    stage.did = kernel_.alloc_domain_id();
    return unit.set_second_stage(ctx, device_, pasid, stage, space);
}

Errno IommuGroup::attach(ExecContext& ctx, Pasid pasid, std::unique_ptr<PasidDomain> domain,
                         bool with_handle) {
    Frame frame{ctx, "attach_device_pasid"};
    const PasidUsers users = kernel_.params().pasid_users;
    if (users == (domain->type == DomainType::Sva ? PasidUsers::Private : PasidUsers::Sva) &&
        !kernel_.probes().has(kPasidUsersIgnored)) {
        return Errno::Eopnotsupp;
    }
    if (pasid.value() == 0 || pasid.value() >= device_.max_pasids()) {
        return Errno::Einval;
    }
    Errno error = reserve(ctx, pasid);
    if (error != Errno::Ok) {
        return error;
    }
    const std::shared_ptr<AttachHandle> handle = with_handle ? new_handle() : nullptr;
    error = with_handle && handle == nullptr ? Errno::Enomem : Errno::Ok;
    Slot& slot = slots_.at(pasid.value());
    if (error == Errno::Ok) {
        error = set_entry(ctx, pasid, *domain, slot);
    }
    if (error != Errno::Ok) {
        erase(ctx, pasid);
        return error;
    }
    slot.owned = std::move(domain);
    publish(ctx, pasid, *slot.owned, handle);
    return Errno::Ok;
}

Errno IommuGroup::detach(ExecContext& ctx, Pasid pasid) {
    const auto found = slots_.find(pasid.value());
    if (found == slots_.end() || found->second.owned == nullptr) {
        return Errno::Enoent;
    }
    const Errno error = device_.iommu().teardown(ctx, device_, pasid, false);
    erase(ctx, pasid);
    return error;
}

}  // namespace ioasim::os
