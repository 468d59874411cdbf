#include "models/linux/device_vector.hpp"

#include <string>

#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

DeviceVector::DeviceVector(Kernel& kernel, Device& device, std::uint32_t vector,
                           std::uint32_t processor)
    : device_(device),
      vector_(vector),
      line_(kernel.interrupts().request_on(
          processor, kernel.name() + "/irq/" + device.name() + "-" + std::to_string(vector))) {}

Errno DeviceVector::request(ExecContext& ctx, std::optional<Pasid> pasid) {
    device_.write_vector(ctx, vector_, line_.address(), line_.vector(), pasid);
    dsa::CommandError status = dsa::CommandError::None;
    std::uint32_t handle = 0;
    const Errno error =
        device_.run(ctx, dsa::Command::RequestInterruptHandle, vector_, status, handle);
    if (error != Errno::Ok) {
        device_.mask_vector(ctx, vector_);
        return error;
    }
    handle_ = static_cast<std::uint16_t>(handle);
    return Errno::Ok;
}

void DeviceVector::release(ExecContext& ctx) {
    static_cast<void>(device_.command(ctx, dsa::Command::ReleaseInterruptHandle, handle_));
    device_.mask_vector(ctx, vector_);
}

}  // namespace ioasim::os
