#include "models/linux/aux_domains.hpp"

#include <algorithm>

#include "core/ioasid/ioasid.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/linux/aux_domain_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

AuxDomains::~AuxDomains() = default;

AuxDomains::Domain* AuxDomains::find(const SecondStage& table) const {
    const auto found = domains_.find(table.did.value());
    return found == domains_.end() ? nullptr : found->second.get();
}

const AuxDomains::Parent* AuxDomains::Domain::find(const Device& device) const {
    const auto found = std::find_if(parents.begin(), parents.end(),
                                    [&](const Parent& each) { return each.device == &device; });
    return found == parents.end() ? nullptr : &*found;
}

// When it is attached, and behind a reset of the parent.
Errno AuxDomains::Domain::set_dev_pasid(ExecContext& ctx, Device& device, Pasid pasid) {
    const Parent* const parent = find(device);
    if (parent == nullptr) {
        return Errno::Enodev;
    }
    return device.iommu().set_second_stage(ctx, device, pasid, parent->tables, kernel.text(space));
}

Ioasid AuxDomains::pasid(const SecondStage& table, const Device& parent) const {
    const Domain* const domain = find(table);
    return domain != nullptr && domain->find(parent) != nullptr ? domain->id : kNoIoasid;
}

void AuxDomains::tell(ExecContext& ctx, const Domain& domain, const Device& parent,
                      std::uint32_t users) {
    kernel_.emit(ctx,
                 trace::IommuAux{kernel_.intern(parent.name()), domain.space, domain.id, users});
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
        known != domain->parents.end() ? Errno::Ok : enter(ctx, table, *domain, parent);
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
    // Before any hardware learns the number, until none does: release().
    if (core.get(ctx, set_, id, core.holder("iommu")) != Errno::Ok) {
        core.free(ctx, set_, id);
        return Errno::Enodev;
    }
    auto& made = domains_[table.did.value()];
    made = std::make_unique<Domain>(kernel_, id, kernel_.intern(space));
    return made.get();
}

Errno AuxDomains::enter(ExecContext& ctx, const SecondStage& table, Domain& domain,
                        Device& parent) {
    domain.parents.push_back({&parent, 1, table});
    const Errno error = parent.group()->attach(ctx, Pasid{domain.id.value()}, domain, nullptr);
    if (error != Errno::Ok) {
        domain.parents.pop_back();
        return error;
    }
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
    LockGuard guard{ctx, parent.group()->mutex()};
    if (parent.group()->resetting()) {
        return Errno::Ebusy;
    }
    const Pasid pasid{id.value()};
    const Errno cleared = parent.iommu().teardown(ctx, parent, pasid, false);
    if (cleared != Errno::Ok) {
        return cleared;
    }
    Domain& domain = *find(table);
    std::find_if(domain.parents.begin(), domain.parents.end(), [&](const Parent& each) {
        return each.device == &parent;
    })->tables = to;
    return domain.set_dev_pasid(ctx, parent, pasid);
}

void AuxDomains::leave(ExecContext& ctx, Domain& domain, Device& parent) {
    const Pasid pasid{domain.id.value()};
    Device& device = kernel_.probes().has(kAuxWrongParent) ? *domain.parents.back().device : parent;
    if (kernel_.probes().has(kAuxEntryLeft)) {
        parent.group()->erase(ctx, pasid);
    } else if (&device != &parent) {
        static_cast<void>(device.iommu().teardown(ctx, device, pasid, false));
        parent.group()->erase(ctx, pasid);
    } else {
        const Errno error = parent.group()->detach(ctx, pasid, false);
        if (flush_failed(error) && !kernel_.probes().has(kUnflushedFreed)) {
            domain.unfinished.unflushed.emplace_back(parent);
            domain.unfinished.did = domain.find(parent)->tables.did;
        }
    }
}

void AuxDomains::release(ExecContext& ctx, const SecondStage& table, Domain& domain) {
    IoasidCore& core = kernel_.ioasid();
    if (!kernel_.probes().has(kAuxPasidKept)) {
        if (domain.unfinished.empty()) {
            core.put(ctx, set_, domain.id, core.holder("iommu"));
        } else {
            kernel_.unfinished().keep(ctx, nullptr, domain.id, core.holder("iommu"),
                                      domain.unfinished);
        }
        core.free(ctx, set_, domain.id);
    }
    domains_.erase(table.did.value());
}

}  // namespace ioasim::os
