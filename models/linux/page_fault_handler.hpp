// Who takes page requests of address spaces that user space fills: what the fault core calls with
// whole groups (iommu_domain.iopf_handler; before that iommu_register_device_fault_handler). VFIO's
// handler for VMs is guest_faults.hpp, that of page tables of /dev/iommu fault_queue.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Device;

struct FaultGroup {
    const Device* device = nullptr;
    std::uint64_t serial = 0;               // no two of a unit are equal
    std::vector<vtd::PageRequest> pages{};  // oldest first; the last one ends the group
    const vtd::PageRequest& last() const { return pages.back(); }
};

class PageFaultHandler {
public:
    virtual ~PageFaultHandler() = default;
    // -ENOSPC: no room; -ENOENT: no guest number stands for the PASID any more.
    virtual Errno report(ExecContext& ctx, const FaultGroup& group) = 0;
    // The kernel answers it: what the user has not read of it never reaches it.
    virtual void forget(std::uint64_t serial) = 0;
};

}  // namespace ioasim::os
