#include "models/linux/aux_domains.hpp"

#include <algorithm>

#include "core/ioasid/ioasid.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/linux/aux_domain_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

AuxDomains::~AuxDomains() = default;

AuxDomains::Domain* AuxDomains::find(const SecondStage& table) const {
    const auto found = domains_.find(table.did.value());
    return found == domains_.end() ? nullptr : found->second.get();
}

Ioasid AuxDomains::pasid(const SecondStage& table, const Device& parent) const {
    const Domain* const domain = find(table);
    const bool attached = domain != nullptr &&
                          std::any_of(domain->parents.begin(), domain->parents.end(),
                                      [&](const Parent& each) { return each.device == &parent; });
    return attached ? domain->id : kNoIoasid;
}

void AuxDomains::tell(ExecContext& ctx, const Domain& domain, const Device& parent,
                      std::uint32_t users) {
    kernel_.emit(
        ctx, trace::IommuAux{kernel_.intern(parent.name()), domain.slot.space, domain.id, users});
}

Errno AuxDomains::attach(ExecContext& ctx, const SecondStage& table, const std::string& space,
                         Device& parent) {
    Frame frame{ctx, "iommu_aux_attach_device"};
    if (parent.group() == nullptr || parent.max_pasids() == 0) {
        return Errno::Enodev;
    }
    Domain* domain = find(table);
    if (domain == nullptr) {
        const auto made = make(ctx, table, space);
        if (!made) {
            return made.error();
        }
        domain = *made;
    }
    const auto known = std::find_if(domain->parents.begin(), domain->parents.end(),
                                    [&](const Parent& each) { return each.device == &parent; });
    if (known != domain->parents.end() && !kernel_.probes().has(kAuxUsersNotCounted)) {
        tell(ctx, *domain, parent, ++known->users);
        return Errno::Ok;
    }
    const Errno error =
        known != domain->parents.end() ? Errno::Ok : enter(ctx, table, *domain, space, parent);
    if (error != Errno::Ok && domain->parents.empty()) {
        release(ctx, table, *domain);
    }
    return error;
}

Result<AuxDomains::Domain*> AuxDomains::make(ExecContext& ctx, const SecondStage& table,
                                             const std::string& space) {
    IoasidCore& core = kernel_.ioasid();
    if (set_ == nullptr) {
        const auto set = core.set_alloc(ctx, kernel_.next_token(),
                                        static_cast<std::uint32_t>(kernel_.params().aux_quota),
                                        SetType::None, kernel_.name() + "/aux");
        if (!set) {
            return Errno::Enodev;
        }
        set_ = *set;
    }
    const auto last = static_cast<std::uint32_t>(kernel_.params().aux_last_pasid);
    const Ioasid id = core.alloc(ctx, set_, Ioasid{1}, Ioasid{last}, nullptr);
    if (!is_valid(id)) {
        return Errno::Enodev;
    }
    auto domain = std::unique_ptr<Domain>(
        new Domain{id, PasidDomain{DomainType::Unmanaged, kernel_.intern(space)}, {}});
    Domain* const made = domain.get();
    domains_[table.did.value()] = std::move(domain);
    return made;
}

// A slot of the group's array, the entry, the handle; the reference first, so that the number is
// not given away while hardware learns it.
Errno AuxDomains::enter(ExecContext& ctx, const SecondStage& table, Domain& domain,
                        const std::string& space, Device& parent) {
    IommuGroup& group = *parent.group();
    const Pasid pasid{domain.id.value()};
    Errno error = group.reserve(ctx, pasid);
    if (error != Errno::Ok) {
        return error;
    }
    if (domain.parents.empty()) {
        error = kernel_.ioasid().get(ctx, set_, domain.id, kernel_.ioasid().holder("iommu"));
    }
    if (error == Errno::Ok) {
        error = parent.iommu().set_second_stage(ctx, parent, pasid, table, space);
    }
    if (error != Errno::Ok) {
        group.erase(ctx, pasid);
        return error;
    }
    group.publish(ctx, pasid, domain.slot, nullptr);
    domain.parents.push_back({&parent, 1});
    tell(ctx, domain, parent, 1);
    return Errno::Ok;
}

void AuxDomains::detach(ExecContext& ctx, const SecondStage& table, Device& parent) {
    Frame frame{ctx, "iommu_aux_detach_device"};
    Domain* const domain = find(table);
    if (domain == nullptr) {
        return;
    }
    const auto known = std::find_if(domain->parents.begin(), domain->parents.end(),
                                    [&](const Parent& each) { return each.device == &parent; });
    if (known == domain->parents.end()) {
        return;
    }
    tell(ctx, *domain, parent, --known->users);
    if (known->users != 0) {
        return;
    }
    leave(ctx, *domain, *known->device);
    domain->parents.erase(known);
    if (domain->parents.empty()) {
        release(ctx, table, *domain);
    }
}

Errno AuxDomains::retarget(ExecContext& ctx, const SecondStage& table, Device& parent,
                           const SecondStage& to) {
    const Ioasid id = pasid(table, parent);
    if (!is_valid(id)) {
        return Errno::Enodev;
    }
    const Pasid pasid{id.value()};
    const Errno cleared = parent.iommu().teardown(ctx, parent, pasid, false);
    if (cleared != Errno::Ok) {
        return cleared;
    }
    const std::string space = kernel_.text(find(table)->slot.space);
    return parent.iommu().set_second_stage(ctx, parent, pasid, to, space);
}

void AuxDomains::leave(ExecContext& ctx, Domain& domain, Device& parent) {
    const Pasid pasid{domain.id.value()};
    Device* device = &parent;
    if (kernel_.probes().has(kAuxWrongParent)) {
        device = domain.parents.back().device;
    }
    if (!kernel_.probes().has(kAuxEntryLeft)) {
        static_cast<void>(device->iommu().teardown(ctx, *device, pasid, false));
    }
    parent.group()->erase(ctx, pasid);
}

void AuxDomains::release(ExecContext& ctx, const SecondStage& table, Domain& domain) {
    IoasidCore& core = kernel_.ioasid();
    if (!kernel_.probes().has(kAuxPasidKept)) {
        core.put(ctx, set_, domain.id, core.holder("iommu"));
        core.free(ctx, set_, domain.id);
    }
    domains_.erase(table.did.value());
}

}  // namespace ioasim::os
