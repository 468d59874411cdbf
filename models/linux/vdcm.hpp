// The virtual device composition module for one assigned shared workqueue device of one VM. On the
// UNBIND of an orderly unbind the device is drained of the PASID, in ordered work since a drain
// waits for the device. When the ID is freed in use nothing is drained (unless
// `vdcm.drain_on_free`): a shared workqueue holds no PASID, and the cleared PASID entry blocks what
// is left; the IOMMU driver drains behind that. For the same reason no reference is taken, but for
// good when a device does not finish; the core's switch `vdcm_puts_unheld` makes it
// the production kernel's handler, which on FREE drains and puts all the same. Leaves out:
// dedicated workqueues, the trapped registers of the virtual device, migration.
#pragma once

#include <memory>
#include <string>

#include "core/ioasid/ioasid.hpp"

namespace ioasim::os {

class Device;
class Kernel;

class Vdcm final : public NotifierBlock {
public:
    // `assigned_as`: what the VM calls it, the device's name or that of a mediated device.
    Vdcm(Kernel& kernel, Device& device, const std::string& vm, const std::string& assigned_as);
    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;
    Device& device() const { return device_; }
    const std::string& assigned_as() const { return assigned_as_; }

private:
    class Drain;
    bool freed_in_use(Ioasid id) const;
    void keep(ExecContext& ctx, IoasidSet* set, Ioasid id);
    void queue_drain(ExecContext& ctx, const NotifierPayload& payload, bool put);

    Kernel& kernel_;
    Device& device_;
    std::string assigned_as_;
    trace::Name vm_;
    trace::Name device_name_;
    trace::Name holder_;
};

}  // namespace ioasim::os
