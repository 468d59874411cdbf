#include "models/linux/hot_plug.hpp"

#include "core/trace/vdev_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/hot_plug_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/pcie/slot_layout.hpp"

namespace ioasim::os {

namespace slot = pcie::slot;

void HotPlug::tell(ExecContext& ctx, const Device& device, const char* phase) {
    kernel_.emit(ctx, trace::HotPlug{kernel_.intern(kernel_.name()), kernel_.intern(device.name()),
                                     kernel_.intern(phase)});
}

void HotPlug::start(ExecContext& ctx) {
    for (const auto& each : kernel_.devices()) {
        Device& device = *each;
        const std::uint64_t port = device.setup().root_port;
        if (port == 0) {
            continue;
        }
        Interrupts::Line& line =
            kernel_.interrupts().request(kernel_.name() + "/pciehp-" + device.name());
        ctx.mmio_write(port + slot::kMsiAddress, kernel_.interrupts().message_address(), 4);
        ctx.mmio_write(port + slot::kMsiData, line.vector(), 2);
        ctx.mmio_write(port + slot::kMsiControl, slot::kMsiEnable, 2);
        ctx.mmio_write(port + slot::kSlotStatus, slot::kPresenceChanged | slot::kLinkStateChanged,
                       2);
        ctx.mmio_write(port + slot::kSlotControl,
                       slot::kHotPlugInterruptEnable | slot::kPresenceChangedEnable |
                           slot::kLinkStateChangedEnable,
                       2);
        kernel_.scheduler().spawn_service(kernel_.name() + "/irq/pciehp-" + device.name(),
                                          kernel_.task_port(),
                                          [this, &line, &device](ExecContext& task) {
                                              check_link(task, device);
                                              while (line.wait(task)) {
                                                  task.spend(kernel_.params().interrupt);
                                                  handle(task, device);
                                              }
                                          });
    }
}

// A link that went down before anybody listened sends no interrupt any more (pciehp_probe:
// pciehp_check_presence).
void HotPlug::check_link(ExecContext& ctx, Device& device) {
    const std::uint64_t status = ctx.mmio_read(device.setup().root_port + slot::kLinkStatus, 2);
    if ((status & slot::kLinkActive) == 0 && !device.disconnected()) {
        tell(ctx, device, "link_down");
        remove(ctx, device);
    }
}

void HotPlug::handle(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "pciehp_ist"};
    const std::uint64_t port = device.setup().root_port;
    const std::uint64_t changes = ctx.mmio_read(port + slot::kSlotStatus, 2) &
                                  (slot::kPresenceChanged | slot::kLinkStateChanged);
    ctx.mmio_write(port + slot::kSlotStatus, changes, 2);
    const bool up = (ctx.mmio_read(port + slot::kLinkStatus, 2) & slot::kLinkActive) != 0;
    if (changes == 0 || up || device.disconnected()) {
        return;
    }
    tell(ctx, device, "link_down");
    remove(ctx, device);
}

void HotPlug::remove(ExecContext& ctx, Device& device) {
    if (!kernel_.probes().has(kNotMarkedDisconnected)) {
        device.disconnect();
        tell(ctx, device, "disconnected");
    }
    for (const auto& vm : kernel_.vms()) {
        if (!kernel_.probes().has(kUsersNotAsked)) {
            vm->parent_gone(ctx, device.name());
        }
    }
    tell(ctx, device, "users_gone");
    if (!kernel_.probes().has(kRequesterIdKept)) {
        static_cast<void>(device.iommu().release(ctx, device));
        device.forget();
    }
    if (!kernel_.probes().has(kRemovalKeepsNumbers)) {
        kernel_.unfinished().emptied(ctx, device);
    }
    tell(ctx, device, "removed");
}

}  // namespace ioasim::os
