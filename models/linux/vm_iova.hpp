// Address spaces of a VM's PASIDs that the VMM fills by itself: each has a second stage of its own,
// beside the one of the VM's memory, and a domain id of its own. A VMM shadows there what the
// kernel of its guest maps (models/vm/iova_shadow.hpp). Pages are the VM's own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/linux/iommu_domain.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class VmIova {
public:
    VmIova(Kernel& kernel, std::string vm) : kernel_(kernel), vm_(std::move(vm)) {}

    // The PASID leads to an empty space; on a further device to the same. Errors of a guest's bind
    // (Sva::bind_gpasid), -ENOMEM.
    Errno bind(ExecContext& ctx, IoasidSet* set, Device& device, Ioasid id, Spid gpasid);
    // `pages` are host physical. -ENOENT: no such space; -EFAULT: beyond the aperture.
    Errno map(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
              const std::vector<std::uint64_t>& pages, bool read, bool write);
    Errno unmap(ExecContext& ctx, Spid gpasid, std::uint64_t iova, std::uint64_t bytes);
    // Spaces whose PASID entries are gone give their tables back.
    void collect();

private:
    IommuDomain* find(Spid gpasid);

    Kernel& kernel_;
    std::string vm_;
    std::multimap<std::uint32_t, std::unique_ptr<IommuDomain>>
        spaces_;  // by guest PASID; old ones may still drain
};

}  // namespace ioasim::os
