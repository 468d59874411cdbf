#include "models/linux/iommufd.hpp"

#include <algorithm>

#include "core/trace/coherency_events.hpp"
#include "core/trace/fault_queue_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

bool IommuFile::enforces_coherency() const {
    return std::all_of(spaces_.begin(), spaces_.end(),
                       [](const auto& space) { return space->enforces_coherency(); });
}

// --- /dev/iommu ---------------------------------------------------------------------------------

IommuFile* Iommufd::file(const std::string& name) {
    const auto found = std::find_if(files_.begin(), files_.end(), [&](const auto& each) {
        return each->open_ && each->name_ == name;
    });
    return found == files_.end() ? nullptr : found->get();
}

IommuSpace* Iommufd::space(const std::string& name) {
    for (const auto& file : files_) {
        for (const auto& space : file->spaces_) {
            if (file->open_ && space->file_name() == name) {
                return space.get();
            }
        }
    }
    return nullptr;
}

Errno Iommufd::open(ExecContext& ctx, const std::string& owner, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    if (file(name) != nullptr) {
        return Errno::Eexist;
    }
    files_.push_back(std::make_unique<IommuFile>(owner, name));
    return Errno::Ok;
}

Errno Iommufd::close(ExecContext& ctx, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    IommuFile* const found = file(name);
    if (found == nullptr) {
        return Errno::Ebadf;
    }
    found->open_ = false;
    if (kernel_.probes().has(kCloseTakesObjects)) {
        for (DeviceFile& device : devices_) {
            if (device.file == found) {
                leave(ctx, device);
            }
        }
    }
    release(ctx, *found);
    return Errno::Ok;
}

bool IommuFile::held() const {
    return open_ || devices_ != 0 || kvm_ != nullptr ||
           std::any_of(spaces_.begin(), spaces_.end(),
                       [](const auto& space) { return space->held(); }) ||
           std::any_of(faults_.begin(), faults_.end(),
                       [](const auto& faults) { return faults->is_open(); });
}

void Iommufd::release(ExecContext& ctx, IommuFile& file) {
    if (file.held()) {
        return;
    }
    for (const auto& space : file.spaces_) {
        space->release(ctx);
    }
    files_.erase(std::find_if(files_.begin(), files_.end(),
                              [&](const auto& each) { return each.get() == &file; }));
}

Errno Iommufd::alloc_space(ExecContext& ctx, const std::string& file_name, const std::string& name,
                           SnoopWish wish, bool for_pasids) {
    ctx.spend(kernel_.params().syscall);
    IommuFile* const in = file(file_name);
    if (in == nullptr) {
        return Errno::Ebadf;
    }
    if (page_table(name)) {
        return Errno::Eexist;
    }
    ++in->last_id_;
    in->spaces_.push_back(std::make_unique<IommuSpace>(kernel_, *in, name, wish, for_pasids));
    return Errno::Ok;
}

Errno Iommufd::destroy_space(ExecContext& ctx, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    IommuSpace* const found = space(name);
    if (found == nullptr) {
        return Errno::Enoent;
    }
    if (found->used()) {
        return Errno::Ebusy;
    }
    found->release(ctx);
    auto& spaces = found->file().spaces_;
    spaces.erase(std::find_if(spaces.begin(), spaces.end(),
                              [&](const auto& each) { return each.get() == found; }));
    return Errno::Ok;
}

// --- files of devices ---------------------------------------------------------------------------

Iommufd::DeviceFile* Iommufd::device_file(const Device& device) {
    const auto found = std::find_if(devices_.begin(), devices_.end(),
                                    [&](const DeviceFile& f) { return f.device == &device; });
    return found == devices_.end() ? nullptr : &*found;
}

void Iommufd::tell(ExecContext& ctx, const DeviceFile& file, const char* state) {
    const KvmVfio* const kvm = file.table ? file.table.space->kvm() : nullptr;
    kernel_.emit(ctx, trace::VfioDevice{kernel_.intern(file.device->name()), kernel_.intern(state),
                                        kernel_.intern(kvm == nullptr ? "" : kvm->vm())});
}

Errno Iommufd::open_device(ExecContext& ctx, const std::string& owner, Device& device) {
    ctx.spend(kernel_.params().syscall);
    if (kernel_.device_groups().group_of(device).find(device)->driver != DriverKind::Vfio) {
        return Errno::Enodev;
    }
    if (device_file(device) != nullptr) {
        return Errno::Ebusy;
    }
    devices_.push_back({&device, owner});
    tell(ctx, devices_.back(), "file_open");
    if (kernel_.probes().has(kOpenCallsDriver)) {
        open_in_driver(ctx, devices_.back());
    }
    return Errno::Ok;
}

Errno Iommufd::close_device(ExecContext& ctx, const std::string& owner, Device& device) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const found = device_file(device);
    if (found == nullptr || found->owner != owner) {
        return Errno::Ebadf;
    }
    while (!found->pasids.empty()) {
        leave_pasid(ctx, *found, Pasid{found->pasids.begin()->first});
    }
    leave(ctx, *found);
    unbind(ctx, *found);
    tell(ctx, *found, "file_closed");
    devices_.erase(devices_.begin() + (found - devices_.data()));
    return Errno::Ok;
}

IommuFile* Iommufd::owner_of(const DeviceGroup& group) {
    for (const DeviceFile& file : devices_) {
        if (file.file != nullptr && &kernel_.device_groups().group_of(*file.device) == &group) {
            return file.file;
        }
    }
    return nullptr;
}

// Of a group's devices, how many are attached.
std::size_t Iommufd::attached(const DeviceGroup& group) const {
    return static_cast<std::size_t>(std::count_if(
        devices_.begin(), devices_.end(),
        [&](const DeviceFile& file) { return file.table && group.contains(*file.device); }));
}

// software.md 6.5, in this order.
Errno Iommufd::claim(const DeviceGroup& group, const IommuFile& file) {
    const IommuFile* const owner = owner_of(group);
    if ((owner != nullptr && owner != &file) || (owner == nullptr && group.domain != nullptr)) {
        return Errno::Eperm;
    }
    const bool pasids = std::any_of(
        group.members.begin(), group.members.end(), [](const DeviceGroup::Member& member) {
            return member.device->group() != nullptr && member.device->group()->size() != 0;
        });
    if (!kernel_.device_groups().viable(group) || (owner == nullptr && pasids)) {
        return Errno::Ebusy;
    }
    const bool isolated = group.unit().remaps_interrupts() || kernel_.params().unsafe_interrupts;
    return isolated || kernel_.probes().has(kUnsafeInterrupts) ? Errno::Ok : Errno::Eperm;
}

Errno Iommufd::bind(ExecContext& ctx, Device& device, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    IommuFile* const to = file(name);
    if (opened == nullptr || to == nullptr || opened->owner != to->owner()) {
        return Errno::Ebadf;
    }
    if (opened->file != nullptr) {
        return Errno::Einval;
    }
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    const Errno error = claim(group, *to);
    if (error != Errno::Ok) {
        return error;
    }
    opened->file = to;
    opened->id = ++to->last_id_;
    ++to->devices_;
    ++group.bound;
    tell(ctx, *opened, "bound");
    return Errno::Ok;
}

Errno Iommufd::check_attach(const DeviceFile& device, const PageTableRef& to) {
    if (!to) {
        return Errno::Enoent;
    }
    if (device.file == nullptr || device.file != &to.space->file()) {
        return Errno::Einval;
    }
    if (device.table) {
        return Errno::Ebusy;
    }
    const DeviceGroup& group = kernel_.device_groups().group_of(*device.device);
    for (const DeviceFile& other : devices_) {
        if (other.table && other.table != to && group.contains(*other.device)) {
            return Errno::Einval;  // one page table for all of a group
        }
        if (!other.pasids.empty() && !to.for_pasids() && group.contains(*other.device) &&
            !kernel_.probes().has(kRidTablesUnchecked)) {
            return Errno::Einval;
        }
    }
    const bool needs =
        group.find(*device.device)->needs_kvm && !kernel_.probes().has(kOpenWithoutKvm);
    return needs && to.space->kvm() == nullptr ? Errno::Esrch : Errno::Ok;
}

Errno Iommufd::attach(ExecContext& ctx, Device& device, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    const PageTableRef to = page_table(name);
    Errno error = check_attach(*opened, to);
    if (error != Errno::Ok) {
        return error;
    }
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    const bool each = kernel_.params().devices_one_by_one;
    if (attached(group) == 0) {
        error = to.space->attach(ctx, group, to.hwpt, each ? &device : nullptr);
    } else if (each) {
        error = to.space->join(ctx, group, device);
    }
    if (error == Errno::Ok) {
        opened->table = to;
        // KVM knows by now: no DMA comes before the answer that it makes necessary.
        if (opened->pasids.empty()) {
            open_in_driver(ctx, *opened);
        }
    }
    return error;
}

Errno Iommufd::check_pasid(const DeviceFile& device, const PageTableRef& to, Pasid pasid) {
    if (!to) {
        return Errno::Enoent;
    }
    if (device.file == nullptr || device.file != &to.space->file()) {
        return Errno::Einval;
    }
    if (!to.for_pasids() && !kernel_.probes().has(kPasidTablesUnchecked)) {
        return Errno::Einval;
    }
    const DeviceGroup& group = kernel_.device_groups().group_of(*device.device);
    for (const DeviceFile& other : devices_) {
        if (other.table && !other.table.for_pasids() && group.contains(*other.device) &&
            !kernel_.probes().has(kRidTablesUnchecked)) {
            return Errno::Einval;
        }
        const auto same = other.pasids.find(pasid.value());
        if (same != other.pasids.end() && same->second != to && group.contains(*other.device)) {
            return Errno::Einval;  // one page table behind a PASID of a group
        }
    }
    const auto there = device.pasids.find(pasid.value());
    if (there != device.pasids.end()) {
        return there->second == to ? Errno::Ebusy : Errno::Einval;
    }
    const bool needs =
        group.find(*device.device)->needs_kvm && !kernel_.probes().has(kOpenWithoutKvm);
    return needs && to.space->kvm() == nullptr ? Errno::Esrch : Errno::Ok;
}

Errno Iommufd::attach_pasid(ExecContext& ctx, Device& device, const std::string& name,
                            Pasid pasid) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    const PageTableRef to = page_table(name);
    Errno error = check_pasid(*opened, to, pasid);
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    if (error == Errno::Ok && attached(group, pasid) == 0) {
        error = to.space->attach_pasid(ctx, group, pasid, to.hwpt);
    }
    if (error != Errno::Ok) {
        return error;
    }
    const bool first = !opened->table && opened->pasids.empty();
    opened->pasids[pasid.value()] = to;
    if (first) {
        open_in_driver(ctx, *opened);
    }
    return Errno::Ok;
}

Errno Iommufd::detach_pasid(ExecContext& ctx, Device& device, Pasid pasid) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    if (opened->pasids.count(pasid.value()) == 0) {
        return Errno::Einval;
    }
    leave_pasid(ctx, *opened, pasid);
    return Errno::Ok;
}

Errno Iommufd::detach(ExecContext& ctx, Device& device) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    if (!opened->table) {
        return Errno::Einval;
    }
    leave(ctx, *opened);
    return Errno::Ok;
}

// The user's process has the registers from here on, and the function may be a bus master.
void Iommufd::open_in_driver(ExecContext& ctx, DeviceFile& device) {
    const DeviceSetup& setup = device.device->setup();
    Process* const process = kernel_.find_process(device.owner);
    if (process != nullptr && device.registers == 0) {
        const auto mapped = process->mm.map_device(ctx, setup.bar0, setup.bar0_bytes);
        device.registers = mapped ? *mapped : 0;
        kernel_.emit(ctx, trace::VfioRegisters{kernel_.intern(device.device->name()),
                                               kernel_.intern(device.owner), true});
        device.mm = process->mm.token();
    }
    kernel_.vfio().set_bus_master(ctx, *device.device, true);
    tell(ctx, device, "driver_open");
}

void Iommufd::close_in_driver(ExecContext& ctx, DeviceFile& device) {
    kernel_.vfio().set_bus_master(ctx, *device.device, false);
    Process* const process = kernel_.find_process(device.owner);
    if (process != nullptr && process->mm.alive() && process->mm.token() == device.mm &&
        device.registers != 0) {
        process->mm.unmap_device(ctx, device.registers);
        kernel_.emit(ctx, trace::VfioRegisters{kernel_.intern(device.device->name()),
                                               kernel_.intern(device.owner), false});
    }
    device.registers = 0;
    tell(ctx, device, "driver_closed");
}

Result<std::uint64_t> Iommufd::registers(const std::string& owner, const Device& device) const {
    for (const DeviceFile& file : devices_) {
        if (file.device == &device && file.owner == owner && file.registers != 0) {
            return file.registers;
        }
    }
    return Errno::Ebadf;
}

void Iommufd::leave(ExecContext& ctx, DeviceFile& device) {
    if (!device.table) {
        return;
    }
    if (device.pasids.empty()) {
        close_in_driver(ctx, device);
    }
    IommuSpace* const space = device.table.space;
    device.table = {};
    DeviceGroup& group = kernel_.device_groups().group_of(*device.device);
    if (attached(group) == 0) {
        space->detach(ctx, group);
    } else if (kernel_.params().devices_one_by_one) {
        space->part(ctx, group, *device.device);
    }
}

void Iommufd::leave_pasid(ExecContext& ctx, DeviceFile& device, Pasid pasid) {
    if (!device.table && device.pasids.size() == 1) {
        close_in_driver(ctx, device);
    }
    const auto found = device.pasids.find(pasid.value());
    IommuSpace* const space = found->second.space;
    device.pasids.erase(found);
    DeviceGroup& group = kernel_.device_groups().group_of(*device.device);
    if (attached(group, pasid) == 0) {
        space->detach_pasid(ctx, group, pasid);
    }
}

void Iommufd::unbind(ExecContext& ctx, DeviceFile& device) {
    IommuFile* const from = device.file;
    device.file = nullptr;
    if (from != nullptr) {
        --kernel_.device_groups().group_of(*device.device).bound;
        --from->devices_;
        release(ctx, *from);
    }
}

void Iommufd::close_all(ExecContext& ctx, const std::string& owner) {
    for (const auto& file : files_) {
        if (file->owner() == owner) {
            file->open_ = false;
            for (const auto& faults : file->faults_) {
                faults->close();
            }
        }
    }
    for (std::size_t i = devices_.size(); i-- > 0;) {
        if (devices_[i].owner == owner) {
            static_cast<void>(close_device(ctx, owner, *devices_[i].device));
        }
    }
    for (std::size_t i = files_.size(); i-- > 0;) {
        release(ctx, *files_[i]);
    }
}

}  // namespace ioasim::os
