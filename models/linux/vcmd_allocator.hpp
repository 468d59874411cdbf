// A guest's PASID allocator: the virtual command registers of its virtual IOMMU (VT-d 11.4.45). The
// IOASID core calls it with its spinlock held; it polls VCRSP until the VMM answered.
#pragma once

#include "core/ioasid/ioasid.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/vtd/vtd_virtual_command_layout.hpp"

namespace ioasim::os {

class VcmdAllocator final : public AllocatorOps {
public:
    VcmdAllocator(Kernel& kernel, IommuDriver& iommu);

    // All virtual IOMMUs of a guest share these two functions.
    const void* functions() const override;
    Ioasid alloc(ExecContext& ctx, Ioasid min, Ioasid max) override;
    void free(ExecContext& ctx, Ioasid id) override;

private:
    // Writes a command and returns VCRSP; -ETIMEDOUT when it stays in progress.
    Result<std::uint64_t> run(ExecContext& ctx, std::uint64_t command);

    Kernel& kernel_;
    IommuDriver& iommu_;
    const vtd::VirtualCommandLayout& layout_;  // what this kernel was compiled with
};

}  // namespace ioasim::os
