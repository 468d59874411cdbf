// Devices of a group that are attached to an I/O address space of /dev/iommu: a PASID of all of
// them (iommu_attach_device_pasid), and, under the first proposal, each of them by itself.
#include <algorithm>

#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

// --- one by one ---------------------------------------------------------------------------------

bool IommuSpace::complete() const {
    if (!kernel_.params().devices_one_by_one) {
        return true;
    }
    return std::all_of(groups_.begin(), groups_.end(), [](const DeviceGroup* group) {
        return std::all_of(group->members.begin(), group->members.end(), [&](const auto& member) {
            return group->domain->has(*member.device, Pasid{});
        });
    });
}

Errno IommuSpace::join(ExecContext& ctx, DeviceGroup& group, Device& device) {
    Frame frame{ctx, "iommufd_attach"};
    const Errno error = domain_of(group, Pasid{}).attach(ctx, device);
    tell(ctx, group, false, error);
    if (error == Errno::Ok) {
        changed(ctx);
    }
    return error;
}

void IommuSpace::part(ExecContext& ctx, DeviceGroup& group, Device& device) {
    Frame frame{ctx, "iommufd_detach"};
    domain_of(group, Pasid{}).detach(ctx, device);
    changed(ctx);
}

// --- PASIDs -------------------------------------------------------------------------------------

// A member without PASIDs is passed over; one that has too few is told before anything is done.
Errno IommuSpace::attach_pasid_members(ExecContext& ctx, IommuDomain& domain,
                                       const DeviceGroup& group, Pasid pasid) {
    std::vector<Device*> members;
    for (const DeviceGroup::Member& member : group.members) {
        const std::uint32_t pasids = member.device->max_pasids();
        if (pasids != 0 && pasid.value() >= pasids) {
            return Errno::Einval;
        }
        if (pasids != 0) {
            members.push_back(member.device);
        }
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        const Errno error = domain.attach_pasid(ctx, *members[i], pasid);
        if (error == Errno::Ok) {
            continue;
        }
        while (i-- > 0 && !kernel_.probes().has(kPasidKeptOnMembers)) {
            domain.detach_pasid(ctx, *members[i], pasid);
        }
        return error;
    }
    return members.empty() ? Errno::Einval : Errno::Ok;
}

Result<IommuDomain*> IommuSpace::domain_for(ExecContext& ctx, const DeviceGroup& group,
                                            const IommuHwpt* hwpt) {
    if (hwpt != nullptr) {
        return hwpt->domain;
    }
    const auto suits = std::find_if(domains_.begin(), domains_.end(), [&](const Domain& domain) {
        return !allocated(*domain) && domain->fits(group.unit()) &&
               domain->enforces_coherency() == wants_snoop(group);
    });
    if (suits != domains_.end()) {
        return suits->get();
    }
    return new_domain(ctx, group);
}

Errno IommuSpace::attach_pasid(ExecContext& ctx, DeviceGroup& group, Pasid pasid,
                               const IommuHwpt* hwpt) {
    Frame frame{ctx, "iommufd_attach_pasid"};
    Errno error = refusal(group);
    if (error != Errno::Ok) {
        return error;
    }
    const auto domain = domain_for(ctx, group, hwpt);
    if (!domain) {
        return domain.error();
    }
    error = attach_pasid_members(ctx, **domain, group, pasid);
    if (error != Errno::Ok) {
        drop_if_idle(**domain);
        return error;
    }
    pasids_[{&group, pasid.value()}] = *domain;
    changed(ctx);
    return Errno::Ok;
}

void IommuSpace::detach_pasid(ExecContext& ctx, DeviceGroup& group, Pasid pasid) {
    Frame frame{ctx, "iommufd_detach_pasid"};
    IommuDomain& domain = domain_of(group, pasid);
    pasids_.erase({&group, pasid.value()});
    for (const DeviceGroup::Member& member : group.members) {
        if (domain.has(*member.device, pasid)) {
            domain.detach_pasid(ctx, *member.device, pasid);
        }
    }
    drop_if_idle(domain);
    changed(ctx);
}

std::size_t Iommufd::attached(const DeviceGroup& group, Pasid pasid) const {
    return static_cast<std::size_t>(
        std::count_if(devices_.begin(), devices_.end(), [&](const DeviceFile& file) {
            return file.pasids.count(pasid.value()) != 0 && group.contains(*file.device);
        }));
}

}  // namespace ioasim::os
