#include "models/linux/function_reset.hpp"

#include <algorithm>
#include <array>

#include "core/trace/vdev_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/hot_plug_probes.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/vdcm_probes.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

namespace config = pcie::config;

struct Saved {
    std::uint32_t offset;
    unsigned size;
    std::uint64_t value = 0;
};

// What pci_save_state keeps of such a function, in the order in which it is written back: addresses
// before the decoders, PASIDs before ATS, which locks their control.
std::array<Saved, 9> saved_registers() {
    return {{{config::kBar0, 4},
             {config::kBar0 + 4, 4},
             {config::kBar2, 4},
             {config::kBar2 + 4, 4},
             {config::kCommand, 2},
             {config::kPasidCtl, 2},
             {config::kPriAllocation, 4},
             {config::kPriCtl, 2},
             {config::kAtsCtl, 2}}};
}

// Until the function answers again: what PCI Express grants every function, then pauses that double
// (Linux pcie_flr, pci_dev_wait). One that was pulled out meanwhile never will.
Errno wait_until_ready(ExecContext& ctx, Kernel& kernel, const Device& device) {
    const KernelParams& params = kernel.params();
    if (kernel.probes().has(kResetNotAwaited)) {
        return Errno::Ok;
    }
    const TimePs deadline = ctx.now() + params.pci_flr_wait + params.pci_reset_timeout;
    WaitQueue nobody(kernel.name() + "/reset");
    ctx.wait_until(nobody, ctx.now() + params.pci_flr_wait);
    TimePs pause = params.pci_reset_poll;
    while (!device.present(ctx)) {
        const bool gone = device.disconnected() && !kernel.probes().has(kRemovedAwaited);
        if (gone || ctx.now() >= deadline) {
            return Errno::Enotty;
        }
        ctx.wait_until(nobody, std::min(ctx.now() + pause, deadline));
        pause = pause * 2;
    }
    return Errno::Ok;
}

Errno function_level_reset(ExecContext& ctx, Kernel& kernel, const Device& device) {
    const std::uint64_t base = device.setup().configuration;
    std::array<Saved, 9> saved = saved_registers();
    for (Saved& one : saved) {
        one.value = ctx.mmio_read(base + one.offset, one.size);
    }
    ctx.mmio_write(base + config::kDevCtl, config::kInitiateReset, 2);
    if (const Errno error = wait_until_ready(ctx, kernel, device); error != Errno::Ok) {
        return error;
    }
    for (const Saved& one : saved) {
        ctx.mmio_write(base + one.offset, one.value, one.size);
    }
    return Errno::Ok;
}

}  // namespace

Errno reset_function(ExecContext& ctx, Kernel& kernel, Device& device) {
    Frame frame{ctx, "pci_reset_function"};
    ctx.spend(kernel.params().syscall);
    IommuGroup* const group = device.group();
    if (group == nullptr || device.setup().configuration == 0) {
        return Errno::Enodev;
    }
    if (device.any_claimed() || !group->begin_reset()) {
        return Errno::Ebusy;
    }
    const auto tell = [&](const char* phase, std::uint32_t pasids) {
        kernel.emit(ctx,
                    trace::IommuReset{kernel.intern(device.name()), kernel.intern(phase), pasids});
    };
    std::uint32_t pasids = 0;
    tell("begin", pasids);
    Errno error = group->block(ctx, pasids);
    tell("prepare", pasids);
    if (error == Errno::Ok) {
        error = function_level_reset(ctx, kernel, device);
    }
    if (error == Errno::Ok) {
        kernel.unfinished().emptied(ctx, device);  // whatever becomes of the rest
    }
    PageRequestService* const requests = device.iommu().page_requests();
    if (error == Errno::Ok && requests != nullptr) {
        requests->restart(ctx, device);
    }
    if (error == Errno::Ok) {
        error = device.bring_up(ctx);
    }
    if (error == Errno::Ok) {
        error = group->unblock(ctx, pasids);
    }
    group->end_reset();
    tell(error == Errno::Ok ? "done" : "blocked", pasids);
    return error;
}

}  // namespace ioasim::os
