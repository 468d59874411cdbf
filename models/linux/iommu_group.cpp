#include "models/linux/iommu_group.hpp"

#include <utility>

#include "core/trace/sva_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/vdcm_probes.hpp"

namespace ioasim::os {

IommuGroup::IommuGroup(Kernel& kernel, Device& device)
    : kernel_(kernel),
      device_(device),
      mutex_(SimLock::Kind::Mutex, kernel.name() + "/" + device.name() + "/iommu_group",
             kernel.name() + "/iommu_group"),
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
        if (found == slots_.end() || !found->second.published) {
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

bool IommuGroup::resetting() const {
    return resetting_ && !kernel_.probes().has(kResetWindowOpen);
}

Errno IommuGroup::may_attach(Pasid pasid) const {
    const bool within = pasid.value() < device_.max_pasids();
    if (pasid.value() == 0 || (!within && kernel_.probes().has(kWidthBeforeReset))) {
        return Errno::Einval;
    }
    if (resetting()) {
        return Errno::Ebusy;
    }
    return within ? Errno::Ok : Errno::Einval;
}

Errno IommuGroup::reserve(ExecContext& ctx, Pasid pasid, PasidDomain* coming) {
    if (resetting()) {
        return Errno::Ebusy;
    }
    LockGuard guard{ctx, lock_};
    if (slots_.count(pasid.value()) != 0) {
        return Errno::Ebusy;
    }
    if (kernel_.probes().fails(kSlotAllocation)) {
        return Errno::Enomem;
    }
    slots_[pasid.value()].domain = coming;
    return Errno::Ok;
}

void IommuGroup::publish(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                         std::shared_ptr<AttachHandle> handle) {
    const std::uint64_t serial = handle == nullptr ? 0 : handle->serial;
    {
        LockGuard guard{ctx, lock_};
        Slot& slot = slots_.at(pasid.value());
        SIM_CHECK(!slot.published, "PASID {} of {} is published twice", pasid.value(),
                  device_.name());
        slot.domain = &domain;
        slot.published = true;
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
        if (gone.published) {
            --gone.domain->users;
        }
    }
    if (gone.published) {
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
    return found == slots_.end() || !found->second.published ? nullptr : found->second.domain;
}

// An entry may be live before it is published, and the unit has translations of it then.
std::vector<Pasid> IommuGroup::pasids_of(ExecContext& ctx, const Process& process) const {
    const bool published_only = kernel_.probes().has(kInvalidatePublishedOnly);
    std::vector<Pasid> found;
    LockGuard guard{ctx, lock_};
    for (const auto& [pasid, slot] : slots_) {
        const bool counts = slot.published || !published_only;
        if (counts && slot.domain != nullptr && slot.domain->process == &process) {
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

// --- attach and detach --------------------------------------------------------------------------

Errno IommuGroup::set_entry(ExecContext& ctx, Pasid pasid, Slot& slot) {
    return slot.owned == nullptr ? slot.domain->set_dev_pasid(ctx, device_, pasid)
                                 : set_own_entry(ctx, pasid, slot);
}

// The slot is reserved; an attachment of it, or nothing.
Errno IommuGroup::settle(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                         std::shared_ptr<AttachHandle> handle) {
    const bool early = kernel_.probes().has(kPublishedFirst);
    if (early) {
        publish(ctx, pasid, domain, handle);
    }
    const Errno error = set_entry(ctx, pasid, slots_.at(pasid.value()));
    if (error != Errno::Ok) {
        if (!kernel_.probes().has(kSlotKept)) {
            erase(ctx, pasid);
        }
        return error;
    }
    ctx.spend(kernel_.params().sva_publish);
    if (!early) {
        publish(ctx, pasid, domain, std::move(handle));
    }
    return Errno::Ok;
}

Errno IommuGroup::attach(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                         std::shared_ptr<AttachHandle> handle) {
    LockGuard guard{ctx, mutex_};
    const Errno error = reserve(ctx, pasid, &domain);
    return error != Errno::Ok ? error : settle(ctx, pasid, domain, std::move(handle));
}

Errno IommuGroup::detach(ExecContext& ctx, Pasid pasid, bool fpd, IommuDriver::TableLock hold) {
    LockGuard guard{ctx, mutex_};
    const auto found = slots_.find(pasid.value());
    const bool blocked = found != slots_.end() && found->second.blocked &&
                         !kernel_.probes().has(kBlockedDetachFails);
    const Errno before = found == slots_.end() ? Errno::Ok : found->second.unflushed;
    const Errno error = device_.iommu().teardown(ctx, device_, pasid, fpd, hold);
    erase(ctx, pasid);
    const Errno now = error == Errno::Enoent && blocked ? Errno::Ok : error;  // it went before
    return flush_failed(now) || before == Errno::Ok ? now : before;
}

void IommuGroup::note_flush(Slot& slot, Errno error) const {
    if (flush_failed(error) && !kernel_.probes().has(kEarlyFlushForgotten)) {
        slot.unflushed = error;
    }
}

std::uint32_t IommuGroup::release(ExecContext& ctx, const Process& process) {
    LockGuard guard{ctx, mutex_};
    std::uint32_t disabled = 0;
    for (const Pasid pasid : pasids_of(ctx, process)) {
        // Another device may have been before; this one has, if it is of the program before exec.
        if (std::exchange(slots_.at(pasid.value()).domain->released, true)) {
            const auto entry = device_.iommu().read_entry(ctx, device_, pasid);
            if (entry && !(*entry).present && (*entry).fpd) {
                continue;
            }
        }
        const Errno error = device_.iommu().disable_entry(ctx, device_, pasid);
        note_flush(slots_.at(pasid.value()), error);
        if (error == Errno::Ok) {
            ++disabled;
        }
    }
    return disabled;
}

// --- reset --------------------------------------------------------------------------------------

// Slot 0 says only who takes the page requests of those without PASID.
std::vector<Pasid> IommuGroup::published() const {
    std::vector<Pasid> all;
    for (const auto& [pasid, slot] : slots_) {
        if (slot.published && pasid != 0) {
            all.emplace_back(pasid);
        }
    }
    return all;
}

bool IommuGroup::left_out(const Slot& slot) const {
    const bool other = slot.owned != nullptr || slot.domain->type == DomainType::Unmanaged;
    return other && kernel_.probes().has(kResetBlocksSvaOnly);
}

Errno IommuGroup::block(ExecContext& ctx, std::uint32_t& pasids) {
    Errno result = Errno::Ok;
    pasids = 0;
    if (kernel_.probes().has(kResetUnblocked)) {
        return result;
    }
    LockGuard guard{ctx, mutex_};
    for (const Pasid pasid : published()) {
        Slot& slot = slots_.at(pasid.value());
        if (left_out(slot)) {
            continue;
        }
        ++pasids;
        // Without an entry since an earlier reset that failed, or its address space has gone.
        const bool absent = std::exchange(slot.blocked, true) || slot.domain->released;
        const Errno error = device_.iommu().teardown(ctx, device_, pasid, slot.domain->released);
        note_flush(slot, error);
        result = error == Errno::Ok || absent ? result : error;
    }
    if (rid_domain_ != nullptr && !kernel_.probes().has(kResetBlocksSvaOnly)) {
        const bool absent = std::exchange(rid_blocked_, true);
        const Errno error = device_.iommu().clear_second_stage(ctx, device_);
        result = error == Errno::Ok || absent ? result : error;
    }
    return result;
}

Errno IommuGroup::unblock(ExecContext& ctx, std::uint32_t& pasids) {
    Errno result = Errno::Ok;
    pasids = 0;
    if (kernel_.probes().has(kResetNotRestored)) {
        return result;
    }
    LockGuard guard{ctx, mutex_};
    for (const Pasid pasid : published()) {
        Slot& slot = slots_.at(pasid.value());
        const bool ending = slot.domain->ending() && !kernel_.probes().has(kReleasedComesBack);
        if (!slot.blocked || ending) {
            continue;
        }
        slot.blocked = false;
        slot.unflushed = Errno::Ok;  // the function has forgotten, and the entry goes once more
        const Errno error = set_entry(ctx, pasid, slot);
        result = error != Errno::Ok ? error : result;
        ++pasids;
    }
    if (std::exchange(rid_blocked_, false) && rid_domain_ != nullptr) {
        const Errno error = rid_domain_->set_dev(ctx, device_);
        result = error != Errno::Ok ? error : result;
    }
    return result;
}

// --- domains of kernel code ---------------------------------------------------------------------

Errno IommuGroup::set_own_entry(ExecContext& ctx, Pasid pasid, Slot& slot) {
    IommuDriver& unit = device_.iommu();
    const PasidDomain& domain = *slot.owned;
    const std::string& space = kernel_.text(domain.space);
    if (domain.type == DomainType::Sva) {
        return unit.set_first_stage(ctx, device_, pasid, domain.process->mm.root(), space);
    }
    if (slot.tables == 0) {
        const auto root = kernel_.alloc_pages(ctx);
        if (!root) {
            return root.error();
        }
        slot.tables = *root;
        slot.did = kernel_.alloc_domain_id();
    }
    SecondStage stage;
    stage.root = slot.tables;
    stage.did = slot.did;
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
    LockGuard guard{ctx, mutex_};
    Errno error = may_attach(pasid);
    if (error == Errno::Ok) {
        error = reserve(ctx, pasid, domain.get());
    }
    if (error != Errno::Ok) {
        return error;
    }
    const std::shared_ptr<AttachHandle> handle = with_handle ? new_handle() : nullptr;
    if (with_handle && handle == nullptr) {
        erase(ctx, pasid);
        return Errno::Enomem;
    }
    PasidDomain& attached = *domain;
    slots_.at(pasid.value()).owned = std::move(domain);
    return settle(ctx, pasid, attached, handle);
}

Errno IommuGroup::detach(ExecContext& ctx, Pasid pasid) {
    const auto found = slots_.find(pasid.value());
    if (found == slots_.end() || found->second.owned == nullptr) {
        return Errno::Enoent;
    }
    return detach(ctx, pasid, false);
}

}  // namespace ioasim::os
