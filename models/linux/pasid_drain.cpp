#include "models/linux/pasid_drain.hpp"

#include <memory>
#include <utility>

#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

bool device_halted(ExecContext& ctx, Device& device) {
    const auto status = static_cast<std::uint32_t>(device.bar0(ctx, dsa::reg::kGensts, 4));
    return dsa::state_of_gensts(status) == dsa::DeviceState::Halt;
}

void tell_drain_failed(ExecContext& ctx, Kernel& kernel, const Device& device) {
    kernel.emit(
        ctx, trace::IoasidHazard{kernel.intern(kernel.name()), trace::IoasidHazardKind::DrainFailed,
                                 kernel.intern(ctx.name()), kernel.intern(device.name()),
                                 kernel.intern(ctx.call_chain())});
}

void keep_number(const std::vector<Device*>& devices, const KeptNumber& kept) {
    const auto shared = std::make_shared<KeptNumber>(kept);
    shared->devices = devices.size();
    for (Device* device : devices) {
        device->kept_numbers().push_back(shared);
    }
}

void give_back_numbers(ExecContext& ctx, Kernel& kernel, Device& device) {
    if (kernel.probes().has(kResetKeepsNumbers)) {
        return;
    }
    for (const auto& kept : std::exchange(device.kept_numbers(), {})) {
        if (--kept->devices == 0) {
            kernel.ioasid().put(ctx, nullptr, kept->id, kept->holder);
        }
    }
}

bool finish_pasid(ExecContext& ctx, Kernel& kernel, Device& device, Pasid pasid) {
    if (!device.configured_here()) {
        return true;  // whoever configures it drains it
    }
    const Errno error = device.drain_pasid(ctx, pasid);
    if (error == Errno::Ok || device_halted(ctx, device)) {
        return true;
    }
    tell_drain_failed(ctx, kernel, device);
    return error == Errno::Eio &&
           device.command(ctx, dsa::Command::AbortPasid, pasid.value()) == Errno::Ok;
}

}  // namespace ioasim::os
