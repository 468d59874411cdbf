// The files of VFIO that processes have open: containers, groups, devices. A group is open once and
// in one container; closing the last file of a container releases it. A process's device file gives
// it the function's registers and the right to bus mastering, both only as long as it is open.
// Leaves out: interrupts of the device, its configuration space for users, reset at open and close.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/kvm_vfio.hpp"
#include "models/linux/vfio_container.hpp"

namespace ioasim::os {

class Vfio;

// What KVM sees of an open group: the answer of all of its container.
class VfioGroupLink final : public KvmFile {
public:
    VfioGroupLink(Vfio& vfio, DeviceGroup& group) : vfio_(vfio), group_(group) {}
    const std::string& file_name() const override { return group_.name; }
    bool enforces_coherency() const override;
    void set_kvm(KvmVfio* kvm) override { kvm_ = kvm; }
    KvmVfio* kvm() const { return kvm_; }

private:
    Vfio& vfio_;
    DeviceGroup& group_;
    KvmVfio* kvm_ = nullptr;
};

class Vfio {
public:
    explicit Vfio(Kernel& kernel) : kernel_(kernel) {}
    Kernel& kernel() { return kernel_; }

    // -EEXIST: the process calls another container so.
    Errno open(ExecContext& ctx, Process& process, const std::string& name);
    // Closes the container's devices and groups, then its own file. -EBADF.
    Errno close(ExecContext& ctx, Process& process, const std::string& name);
    VfioContainer* container(const Process& process, const std::string& name);

    // Opens the group and puts it into the container. In this order: -EBADF no such container,
    // -ENODEV no device of the group belongs to vfio, -EBUSY another process has it open, -EINVAL
    // it is in a container; what attach says.
    Errno join(ExecContext& ctx, Process& process, const std::string& container,
               DeviceGroup& group);
    // -EBADF the process does not have it open, -EBUSY a device of it is open.
    Errno leave(ExecContext& ctx, Process& process, DeviceGroup& group);

    // -EBADF the process does not have the group open; -EINVAL the group is in no container with a
    // backend, or is not viable; -ENODEV the device does not belong to vfio; -EBUSY it is open;
    // -ESRCH its driver needs a VM, and KVM was not told of the group.
    Errno open_device(ExecContext& ctx, Process& process, Device& device);
    Errno close_device(ExecContext& ctx, Process& process, Device& device);
    // Where the process has the registers; -EBADF; -EFAULT: exec has unmapped them.
    Result<std::uint64_t> registers(const Process& process, const Device& device) const;

    // The container that an open group is in; null.
    VfioContainer* container_of(const DeviceGroup& group);
    // Null: the group is not open.
    KvmFile* kvm_file(DeviceGroup& group);
    void set_bus_master(ExecContext& ctx, const Device& device, bool on);

    // The process ends; its address space is gone already.
    void close_all(ExecContext& ctx, Process& process);

private:
    // In order of opening.
    struct GroupFile {
        DeviceGroup* group = nullptr;
        Process* process = nullptr;
        VfioContainer* container = nullptr;
    };
    struct DeviceFile {
        Device* device = nullptr;
        Process* process = nullptr;
        std::uint64_t registers = 0;  // virtual
        std::uint64_t mm = 0;         // the address space that has them; exec makes another
    };
    GroupFile* file_of(const DeviceGroup& group);
    bool device_open(const DeviceGroup& group) const;
    Errno may_open(const Process& process, Device& device);
    void close_file(ExecContext& ctx, const DeviceFile& file);
    void release(ExecContext& ctx, VfioContainer& container);

    Kernel& kernel_;
    std::vector<std::unique_ptr<VfioContainer>> containers_;
    std::vector<GroupFile> groups_;
    std::vector<DeviceFile> devices_;
    // Made when KVM is told of a group for the first time; it may outlive the group's file.
    std::map<const DeviceGroup*, std::unique_ptr<VfioGroupLink>> links_;
};

}  // namespace ioasim::os
