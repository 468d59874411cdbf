// A virtual device as the VMM uses it (the file of a mediated device): trapped accesses of the
// guest come in here, the portal's mapping goes out through PortalWindow. models/linux implements
// VirtualDeviceIf (virtual_device.hpp), models/vm PortalWindow.
//
// Saving and restoring: pause() - from then on submissions are trapped and kept -, drain(),
// save(); elsewhere restore(), then resume(), which enables the queues again under new host
// PASIDs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/linux/virtual_device_state_if.hpp"

namespace ioasim::os {

// The guest's mapping of the portal pages of one virtual device.
class PortalWindow {
public:
    virtual ~PortalWindow() = default;
    virtual void map(std::uint32_t queue, dsa::Portal page, Hpa target) = 0;
    // Accesses trap from now on; vCPUs that run may still use the mapping.
    virtual void unmap(std::uint32_t queue) = 0;
};

// Whose address space the calling task has: a vCPU's thread has its VMM's. 0: none, as a worker of
// the kernel, or a task whose address space is gone.
struct CallingTask {
    std::uint64_t mm = 0;
};

class VirtualDeviceIf {
public:
    virtual ~VirtualDeviceIf() = default;
    virtual const std::string& name() const = 0;
    virtual void set_window(PortalWindow& window) = 0;
    // Who raises messages of the device in the guest.
    virtual void set_interrupt(
        std::function<void(ExecContext&, std::uint64_t address, std::uint32_t data)> raise) = 0;
    // A vector of it is backed by the parent: where it is, the machine stays.
    virtual bool has_vectors() const = 0;

    // --- trapped accesses; offsets within BAR0 and the configuration space ----------------------
    virtual std::uint64_t read_register(std::uint64_t offset, unsigned size) const = 0;
    virtual void write_register(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                                std::uint64_t value, unsigned size) = 0;
    virtual std::uint64_t read_config(std::uint32_t offset, unsigned size) const = 0;
    virtual void write_config(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                              unsigned size) = 0;
    // The guest touched a portal page that is not mapped: true when it is mapped now and the access
    // can be repeated.
    virtual bool portal_fault(ExecContext& ctx, std::uint32_t queue, dsa::Portal page) = 0;
    // A write to a portal that stays trapped. Paused: kept, up to the queue's size. -EINVAL nothing
    // is bound under the guest PASID, or the queue is not enabled: dropped; -ENOSPC: too many.
    virtual Errno trapped_submission(ExecContext& ctx, const TrappedDescriptor& descriptor) = 0;

    // --- what a VMM asks ------------------------------------------------------------------------
    // Submissions are trapped and kept from the return on; what is in the hardware goes on.
    virtual Errno pause(ExecContext& ctx) = 0;
    // Every accepted descriptor of the device's queues is done.
    virtual Errno drain(ExecContext& ctx) = 0;
    virtual const VirtualDeviceState& state() const = 0;
    // The state with what was kept, which is the caller's from here on: this device has it no more.
    virtual VirtualDeviceState save(ExecContext& ctx) = 0;
    // Into a device that was opened and not used. -EINVAL: other queues.
    virtual Errno restore(ExecContext& ctx, const VirtualDeviceState& state) = 0;
    // Enables the queues that were enabled (-ENXIO: a guest PASID is not bound yet; the queue stays
    // off), submits what was kept, but for what is unbound meanwhile. -EAGAIN: a shared queue has
    // no room for all of it in time; the rest stays kept and the device paused.
    virtual Errno resume(ExecContext& ctx, CallingTask task) = 0;
    // The device goes (sysfs remove, or its parent's driver): its user is asked to close it, again
    // and again, and the call waits for that. Nobody opens it any more.
    virtual Errno remove(ExecContext& ctx) = 0;
    virtual bool close_requested() const = 0;
    // VFIO_DEVICE_RESET: queues off, references dropped, registers as after reset.
    virtual Errno reset(ExecContext& ctx) = 0;
};

}  // namespace ioasim::os
