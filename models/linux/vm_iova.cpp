#include "models/linux/vm_iova.hpp"

#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

IommuDomain* VmIova::find(Spid gpasid) {
    const auto [first, last] = spaces_.equal_range(gpasid.value());
    for (auto it = first; it != last; ++it) {
        if (kernel_.sva().leads_through(it->second->table(), false)) {
            return it->second.get();
        }
    }
    return nullptr;
}

Errno VmIova::bind(ExecContext& ctx, IoasidSet* set, Device& device, Ioasid id, Spid gpasid) {
    collect();
    IommuDomain* const known = find(gpasid);
    std::unique_ptr<IommuDomain> fresh;
    if (known == nullptr) {
        fresh = std::make_unique<IommuDomain>(kernel_, device.iommu(), vm_);
        const Errno error = fresh->create(ctx);
        if (error != Errno::Ok) {
            return error;
        }
    }
    IommuDomain& domain = known == nullptr ? *fresh : *known;
    const Errno error = kernel_.sva().bind_gpasid(
        ctx,
        {set, &device, id, gpasid, Gpa{}, &domain.table(), vm_, nullptr, DomainType::Unmanaged});
    if (error == Errno::Ok) {
        domain.follow(device, Pasid{id.value()});
        if (fresh != nullptr) {
            spaces_.emplace(gpasid.value(), std::move(fresh));
        }
    } else if (fresh != nullptr) {
        fresh->destroy();
    }
    return error;
}

Errno VmIova::map(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                  const std::vector<std::uint64_t>& pages, bool read, bool write) {
    IommuDomain* const domain = find(gpasid);
    return domain == nullptr ? Errno::Enoent : domain->map(ctx, iova, pages, {read, write});
}

Errno VmIova::unmap(ExecContext& ctx, Spid gpasid, std::uint64_t iova, std::uint64_t bytes) {
    IommuDomain* const domain = find(gpasid);
    return domain == nullptr ? Errno::Enoent : domain->unmap(ctx, iova, bytes);
}

void VmIova::collect() {
    for (auto it = spaces_.begin(); it != spaces_.end();) {
        if (kernel_.sva().leads_through(it->second->table(), true)) {
            ++it;
            continue;
        }
        it->second->forget();
        it->second->destroy();
        it = spaces_.erase(it);
    }
}

}  // namespace ioasim::os
