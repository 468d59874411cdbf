// A vector of a function with which a driver waits for its descriptors (idxd: idxd_wq_request_irq,
// Request Interrupt Handle): the vector's message in the function's MSI-X table, the PASID whose
// descriptors may ask for it in MSIX_PERM, and the handle that they name it by.
#pragma once

#include <memory>
#include <optional>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/linux/interrupts.hpp"

namespace ioasim::os {

class Device;
class Kernel;

class DeviceVector {
public:
    // `processor`: where its interrupts go. Only then is the function told.
    DeviceVector(Kernel& kernel, Device& device, std::uint32_t vector, std::uint32_t processor);

    // -EIO: the device gives no handle; the vector is masked again.
    Errno request(ExecContext& ctx, std::optional<Pasid> pasid);
    void release(ExecContext& ctx);
    std::uint16_t handle() const { return handle_; }
    Device& device() const { return device_; }
    // False: none came in time. One that came before anybody waited counts once.
    bool wait(ExecContext& ctx, TimePs deadline) { return line_.wait_until(ctx, deadline); }

private:
    Device& device_;
    std::uint32_t vector_;
    Interrupts::Line& line_;
    std::uint16_t handle_ = 0;
};

}  // namespace ioasim::os
