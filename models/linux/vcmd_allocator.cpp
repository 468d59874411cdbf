#include "models/linux/vcmd_allocator.hpp"

#include "models/linux/kernel.hpp"

namespace ioasim::os {

VcmdAllocator::VcmdAllocator(Kernel& kernel, IommuDriver& iommu)
    : AllocatorOps("vcmd/" + iommu.name()), kernel_(kernel), iommu_(iommu) {}

const void* VcmdAllocator::functions() const {
    static const int identity = 0;
    return &identity;
}

Result<std::uint64_t> VcmdAllocator::run(ExecContext& ctx, std::uint64_t command) {
    const std::uint64_t base = iommu_.registers();
    ctx.mmio_write(base + vtd::reg::kVcmd, command, 8);
    const TimePs deadline = ctx.now() + kernel_.params().iommu_timeout;
    while (true) {
        const std::uint64_t response = ctx.mmio_read(base + vtd::reg::kVcrsp, 8);
        if (vtd::vcmd::kInProgress.get(response) == 0) {
            return response;
        }
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        ctx.spend(kernel_.params().iommu_poll);
    }
}

Ioasid VcmdAllocator::alloc(ExecContext& ctx, Ioasid min, Ioasid max) {
    Frame frame{ctx, "vcmd_alloc"};
    const auto response = run(ctx, vtd::vcmd::kCommand.make(vtd::vcmd::kAllocate));
    if (!response || vtd::vcmd::kStatus.get(*response) != vtd::vcmd::kStatusSuccess) {
        return kNoIoasid;
    }
    const Ioasid id{static_cast<std::uint32_t>(vtd::vcmd::kResultPasid.get(*response))};
    if (id < min || id > max) {
        free(ctx, id);
        return kNoIoasid;
    }
    return id;
}

void VcmdAllocator::free(ExecContext& ctx, Ioasid id) {
    Frame frame{ctx, "vcmd_free"};
    // A refusal has no effect here, as in Linux: the number was not ours any more.
    static_cast<void>(run(ctx, vtd::vcmd::kCommand.make(vtd::vcmd::kFree) |
                                   vtd::vcmd::kOperandPasid.make(id.value())));
}

}  // namespace ioasim::os
