// The virtual device composition module for one assigned shared workqueue device of one VM: on UNBIND
// the device is drained of the PASID, in ordered work since a drain waits for the device. A shared
// workqueue holds no PASID, so no reference is taken.
// Leaves out: dedicated workqueues, the trapped registers of the virtual device, migration.
#pragma once

#include <memory>
#include <string>

#include "core/ioasid/ioasid.hpp"

namespace ioasim::os {

class Device;
class Kernel;

class Vdcm final : public NotifierBlock {
public:
    Vdcm(Kernel& kernel, Device& device, const std::string& vm);
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;
    Device& device() const { return device_; }

private:
    class Drain;
    Kernel& kernel_;
    Device& device_;
    trace::Name vm_;
    trace::Name device_name_;
};

}  // namespace ioasim::os
