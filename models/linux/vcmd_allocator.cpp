#include "models/linux/vcmd_allocator.hpp"

#include "models/linux/kernel.hpp"

namespace ioasim::os {

VcmdAllocator::VcmdAllocator(Kernel& kernel, IommuDriver& iommu)
    : AllocatorOps("vcmd/" + iommu.name()),
      kernel_(kernel),
      iommu_(iommu),
      layout_(vtd::virtual_commands(kernel.params().early_virtual_commands)) {}

const void* VcmdAllocator::functions() const {
    static const int identity = 0;
    return &identity;
}

Result<std::uint64_t> VcmdAllocator::run(ExecContext& ctx, std::uint64_t command) {
    const std::uint64_t base = iommu_.registers();
    ctx.mmio_write(base + layout_.command, command, 8);
    const TimePs deadline = ctx.now() + kernel_.params().iommu_timeout;
    while (true) {
        const std::uint64_t response = ctx.mmio_read(base + layout_.response, 8);
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
    if (!response || layout_.status.get(*response) != vtd::vcmd::kStatusSuccess) {
        return kNoIoasid;
    }
    const Ioasid id{static_cast<std::uint32_t>(layout_.result_pasid.get(*response))};
    if (id < min || id > max) {
        free(ctx, id);
        return kNoIoasid;
    }
    return id;
}

void VcmdAllocator::free(ExecContext& ctx, Ioasid id) {
    Frame frame{ctx, "vcmd_free"};
    // A refusal has no effect here, as in Linux: the number was not ours any more.
    static_cast<void>(run(
        ctx, vtd::vcmd::kCommand.make(vtd::vcmd::kFree) | layout_.operand_pasid.make(id.value())));
}

}  // namespace ioasim::os
