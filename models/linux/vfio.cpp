#include "models/linux/vfio.hpp"

#include <algorithm>

#include "core/trace/fault_queue_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_probes.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

void tell_registers(ExecContext& ctx, Kernel& kernel, const Device& device,
                    const std::string& process, bool mapped) {
    kernel.emit(ctx,
                trace::VfioRegisters{kernel.intern(device.name()), kernel.intern(process), mapped});
}

}  // namespace

// --- containers ---------------------------------------------------------------------------------

VfioContainer* Vfio::container(const Process& process, const std::string& name) {
    const auto found = std::find_if(containers_.begin(), containers_.end(), [&](const auto& c) {
        return &c->process() == &process && c->name() == process.name + "/" + name;
    });
    return found == containers_.end() ? nullptr : found->get();
}

Errno Vfio::open(ExecContext& ctx, Process& process, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    if (container(process, name) != nullptr) {
        return Errno::Eexist;
    }
    containers_.push_back(
        std::make_unique<VfioContainer>(kernel_, process, process.name + "/" + name));
    return Errno::Ok;
}

Errno Vfio::close(ExecContext& ctx, Process& process, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    VfioContainer* const found = container(process, name);
    if (found == nullptr) {
        return Errno::Ebadf;
    }
    release(ctx, *found);
    return Errno::Ok;
}

void Vfio::release(ExecContext& ctx, VfioContainer& container) {
    const auto of_container = [&](const DeviceFile& file) {
        return container.holds(kernel_.device_groups().group_of(*file.device));
    };
    for (const DeviceFile& file : devices_) {
        if (of_container(file)) {
            close_file(ctx, file);
        }
    }
    devices_.erase(std::remove_if(devices_.begin(), devices_.end(), of_container), devices_.end());
    container.release(ctx);
    groups_.erase(std::remove_if(groups_.begin(), groups_.end(),
                                 [&](const GroupFile& f) { return f.container == &container; }),
                  groups_.end());
    containers_.erase(std::find_if(containers_.begin(), containers_.end(),
                                   [&](const auto& c) { return c.get() == &container; }));
}

void Vfio::close_all(ExecContext& ctx, Process& process) {
    while (true) {
        const auto found = std::find_if(containers_.begin(), containers_.end(),
                                        [&](const auto& c) { return &c->process() == &process; });
        if (found == containers_.end()) {
            return;
        }
        release(ctx, **found);
    }
}

// --- groups -------------------------------------------------------------------------------------

Vfio::GroupFile* Vfio::file_of(const DeviceGroup& group) {
    const auto found = std::find_if(groups_.begin(), groups_.end(),
                                    [&group](const GroupFile& f) { return f.group == &group; });
    return found == groups_.end() ? nullptr : &*found;
}

bool Vfio::device_open(const DeviceGroup& group) const {
    return std::any_of(devices_.begin(), devices_.end(), [&](const DeviceFile& file) {
        return &kernel_.device_groups().group_of(*file.device) == &group;
    });
}

Errno Vfio::join(ExecContext& ctx, Process& process, const std::string& name, DeviceGroup& group) {
    ctx.spend(kernel_.params().syscall + kernel_.params().syscall);  // open and ioctl
    VfioContainer* const target = container(process, name);
    if (target == nullptr) {
        return Errno::Ebadf;
    }
    if (!group.has(DriverKind::Vfio)) {
        return Errno::Enodev;
    }
    const GroupFile* const file = file_of(group);
    if (file != nullptr) {
        return file->process == &process ? Errno::Einval : Errno::Ebusy;
    }
    const Errno error = target->add(ctx, group);
    if (error == Errno::Ok) {
        groups_.push_back({&group, &process, target});
    }
    return error;
}

Errno Vfio::leave(ExecContext& ctx, Process& process, DeviceGroup& group) {
    ctx.spend(kernel_.params().syscall + kernel_.params().syscall);
    const GroupFile* const file = file_of(group);
    if (file == nullptr || file->process != &process) {
        return Errno::Ebadf;
    }
    if (device_open(group)) {
        return Errno::Ebusy;
    }
    file->container->remove(ctx, group);
    groups_.erase(groups_.begin() + (file - groups_.data()));
    return Errno::Ok;
}

VfioContainer* Vfio::container_of(const DeviceGroup& group) {
    const GroupFile* const file = file_of(group);
    return file == nullptr ? nullptr : file->container;
}

KvmFile* Vfio::kvm_file(DeviceGroup& group) {
    if (file_of(group) == nullptr) {
        return nullptr;
    }
    auto& link = links_[&group];
    if (link == nullptr) {
        link = std::make_unique<VfioGroupLink>(*this, group);
    }
    return link.get();
}

bool VfioGroupLink::enforces_coherency() const {
    if (vfio_.kernel().probes().has(kGroupLinkIgnored)) {
        return group_.domain == nullptr || group_.domain->enforces_coherency();
    }
    const VfioContainer* const container = vfio_.container_of(group_);
    return container == nullptr || container->enforces_coherency();
}

// --- devices ------------------------------------------------------------------------------------

Errno Vfio::may_open(const Process& process, Device& device) {
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    const GroupFile* const file = file_of(group);
    if (file == nullptr || file->process != &process) {
        return Errno::Ebadf;
    }
    if (file->container->backend() == VfioContainer::Backend::None ||
        !kernel_.device_groups().viable(group)) {
        return Errno::Einval;
    }
    const auto member = std::find_if(group.members.begin(), group.members.end(),
                                     [&](const auto& m) { return m.device == &device; });
    if (member->driver != DriverKind::Vfio) {
        return Errno::Enodev;
    }
    const bool open = std::any_of(devices_.begin(), devices_.end(),
                                  [&](const DeviceFile& f) { return f.device == &device; });
    if (open) {
        return Errno::Ebusy;
    }
    const auto link = links_.find(&group);
    const bool known = link != links_.end() && link->second->kvm() != nullptr;
    return member->needs_kvm && !known && !kernel_.probes().has(kOpenWithoutKvm) ? Errno::Esrch
                                                                                 : Errno::Ok;
}

Errno Vfio::open_device(ExecContext& ctx, Process& process, Device& device) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vfio_group_get_device_fd"};
    const Errno error = may_open(process, device);
    if (error != Errno::Ok) {
        return error;
    }
    const auto registers =
        process.mm.map_device(ctx, device.setup().bar0, device.setup().bar0_bytes);
    if (!registers) {
        return registers.error();
    }
    tell_registers(ctx, kernel_, device, process.name, true);
    set_bus_master(ctx, device, true);
    devices_.push_back({&device, &process, *registers, process.mm.token()});
    return Errno::Ok;
}

Errno Vfio::close_device(ExecContext& ctx, Process& process, Device& device) {
    ctx.spend(kernel_.params().syscall);
    const auto found = std::find_if(devices_.begin(), devices_.end(), [&](const DeviceFile& f) {
        return f.device == &device && f.process == &process;
    });
    if (found == devices_.end()) {
        return Errno::Ebadf;
    }
    close_file(ctx, *found);
    devices_.erase(found);
    return Errno::Ok;
}

// The device stops before its registers go: whoever still told it something would do so unseen.
void Vfio::close_file(ExecContext& ctx, const DeviceFile& file) {
    const auto zap = [&] {
        Mm& mm = file.process->mm;
        const bool any = kernel_.probes().has(kRegistersOfAnyImage) && mm.alive() &&
                         mm.mapping(file.registers) != nullptr;
        if (mm.alive() && (mm.token() == file.mm || any)) {
            mm.unmap_device(ctx, file.registers);
            tell_registers(ctx, kernel_, *file.device, file.process->name, false);
        }
    };
    const bool zap_first = kernel_.probes().has(kZapBeforeBlock);
    if (zap_first) {
        zap();
    }
    if (!kernel_.probes().has(kCloseKeepsBusMaster)) {
        set_bus_master(ctx, *file.device, false);
    }
    if (!zap_first) {
        zap();
    }
}

void Vfio::set_bus_master(ExecContext& ctx, const Device& device, bool on) {
    const std::uint64_t command = device.setup().configuration + pcie::config::kCommand;
    const std::uint64_t now = ctx.mmio_read(command, 2);
    ctx.mmio_write(command, on ? now | pcie::config::kBusMaster : now & ~pcie::config::kBusMaster,
                   2);
    static_cast<void>(ctx.mmio_read(command, 2));  // it has arrived when this is answered
}

Result<std::uint64_t> Vfio::registers(const Process& process, const Device& device) const {
    const auto found = std::find_if(devices_.begin(), devices_.end(), [&](const DeviceFile& f) {
        return f.device == &device && f.process == &process;
    });
    if (found == devices_.end()) {
        return Errno::Ebadf;
    }
    if (found->mm != process.mm.token()) {
        return Errno::Efault;  // mapped into the program that this one has replaced
    }
    return found->registers;
}

}  // namespace ioasim::os
