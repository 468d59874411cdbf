// Page tables that users of /dev/iommu allocate, the fault objects that take their page requests,
// and attachments that go over from one page table to another (Linux iommufd: hw_pagetable.c,
// eventq.c, device.c).
#include <algorithm>
#include <utility>

#include "models/linux/device.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

bool PageTableRef::for_pasids() const {
    return hwpt != nullptr ? hwpt->for_pasids : space->for_pasids();
}

// --- address spaces -----------------------------------------------------------------------------

bool IommuSpace::allocated(const IommuDomain& domain) const {
    return std::any_of(hwpts_.begin(), hwpts_.end(),
                       [&](const auto& hwpt) { return hwpt->domain == &domain; });
}

bool IommuSpace::held() const {
    return kvm_ != nullptr || std::any_of(domains_.begin(), domains_.end(),
                                          [](const Domain& domain) { return !domain->idle(); });
}

void IommuSpace::drop_if_idle(const IommuDomain& domain) {
    if (domain.idle() && !allocated(domain)) {
        remove_domain(&domain);
    }
}

IommuHwpt* IommuSpace::hwpt(const std::string& name) {
    const auto found = std::find_if(hwpts_.begin(), hwpts_.end(),
                                    [&](const auto& hwpt) { return hwpt->name == name; });
    return found == hwpts_.end() ? nullptr : found->get();
}

Errno IommuSpace::alloc_hwpt(ExecContext& ctx, const DeviceGroup& group, std::string name,
                             FaultQueue* faults, bool for_pasids) {
    Frame frame{ctx, "iommufd_hwpt_alloc"};
    if (kernel_.params().coherency_one_for_all) {
        return Errno::Eopnotsupp;
    }
    const auto fresh = new_domain(ctx, group);
    if (!fresh) {
        return fresh.error();
    }
    if (faults != nullptr) {
        (*fresh)->set_fault_handler(faults);
        faults->add_user();
    }
    hwpts_.push_back(
        std::make_unique<IommuHwpt>(IommuHwpt{std::move(name), *fresh, faults, for_pasids}));
    return Errno::Ok;
}

Errno IommuSpace::destroy_hwpt(const std::string& name) {
    const auto found = std::find_if(hwpts_.begin(), hwpts_.end(),
                                    [&](const auto& hwpt) { return hwpt->name == name; });
    if (!(*found)->domain->idle()) {
        return Errno::Ebusy;
    }
    if ((*found)->faults != nullptr) {
        (*found)->faults->drop_user();
    }
    remove_domain((*found)->domain);
    hwpts_.erase(found);
    return Errno::Ok;
}

void IommuSpace::release(ExecContext& ctx) {
    while (!hwpts_.empty()) {
        const Errno error = destroy_hwpt(hwpts_.back()->name);
        SIM_CHECK(error == Errno::Ok, "{} goes while something is attached", name_);
    }
    for (const auto& [iova, pages] : std::exchange(mappings_, {})) {
        unpin(ctx, pages);
    }
}

// --- replacement --------------------------------------------------------------------------------

// All members that are attached, or none: those that went over go back.
Errno IommuSpace::take_over_members(ExecContext& ctx, IommuDomain& to, IommuDomain& old,
                                    const DeviceGroup& group, Pasid pasid) {
    std::vector<Device*> moved;
    for (const DeviceGroup::Member& member : group.members) {
        if (!old.has(*member.device, pasid)) {
            continue;
        }
        const Errno error = to.take_over(ctx, old, *member.device, pasid);
        if (error != Errno::Ok) {
            for (Device* device : moved) {
                static_cast<void>(old.take_over(ctx, to, *device, pasid));
            }
            return error;
        }
        moved.push_back(member.device);
    }
    return Errno::Ok;
}

IommuDomain& IommuSpace::domain_of(const DeviceGroup& group, Pasid pasid) {
    if (pasid.value() != 0) {
        return *pasids_.at({&group, pasid.value()});
    }
    const auto in = std::find_if(domains_.begin(), domains_.end(),
                                 [&](const Domain& each) { return each.get() == group.domain; });
    SIM_CHECK(in != domains_.end(), "group {} is in no domain of {}", group.name, name_);
    return **in;
}

Errno IommuSpace::replace(ExecContext& ctx, IommuSpace& from, DeviceGroup& group, Pasid pasid,
                          const IommuHwpt* hwpt) {
    Frame frame{ctx, "iommufd_replace"};
    if (const Errno refused = refusal(group); refused != Errno::Ok) {
        return refused;
    }
    const auto domain = domain_for(ctx, group, hwpt);
    if (!domain) {
        return domain.error();
    }
    IommuDomain& old = from.domain_of(group, pasid);
    const Errno error = take_over_members(ctx, **domain, old, group, pasid);
    if (error != Errno::Ok) {
        drop_if_idle(**domain);
        return error;
    }
    if (pasid.value() != 0) {
        from.pasids_.erase({&group, pasid.value()});
        pasids_[{&group, pasid.value()}] = *domain;
    } else {
        from.groups_.erase(std::find(from.groups_.begin(), from.groups_.end(), &group));
        groups_.push_back(&group);
        group.domain = *domain;
    }
    from.drop_if_idle(old);
    from.changed(ctx);
    changed(ctx);
    return Errno::Ok;
}

Errno Iommufd::check_replace(const DeviceFile& device, const PageTableRef& to) {
    if (!to) {
        return Errno::Enoent;
    }
    if (device.file == nullptr || device.file != &to.space->file()) {
        return Errno::Einval;
    }
    return Errno::Ok;
}

Errno Iommufd::replace(ExecContext& ctx, Device& device, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    const PageTableRef to = page_table(name);
    Errno error = opened->table ? check_replace(*opened, to) : Errno::Einval;
    if (error != Errno::Ok || opened->table == to) {
        return error;
    }
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    const bool pasids = std::any_of(devices_.begin(), devices_.end(), [&](const DeviceFile& other) {
        return !other.pasids.empty() && group.contains(*other.device);
    });
    if (pasids && !to.for_pasids()) {
        return Errno::Einval;
    }
    const PageTableRef old = opened->table;
    error = to.space->replace(ctx, *old.space, group, Pasid{}, to.hwpt);
    if (error != Errno::Ok) {
        return error;
    }
    for (DeviceFile& other : devices_) {
        if (other.table && group.contains(*other.device)) {
            other.table = to;
        }
    }
    return Errno::Ok;
}

Errno Iommufd::replace_pasid(ExecContext& ctx, Device& device, const std::string& name,
                             Pasid pasid) {
    ctx.spend(kernel_.params().syscall);
    DeviceFile* const opened = device_file(device);
    if (opened == nullptr) {
        return Errno::Ebadf;
    }
    const auto there = opened->pasids.find(pasid.value());
    const PageTableRef to = page_table(name);
    Errno error = there != opened->pasids.end() ? check_replace(*opened, to) : Errno::Einval;
    if (error == Errno::Ok && !to.for_pasids()) {
        error = Errno::Einval;
    }
    if (error != Errno::Ok || there->second == to) {
        return error;
    }
    DeviceGroup& group = kernel_.device_groups().group_of(device);
    error = to.space->replace(ctx, *there->second.space, group, pasid, to.hwpt);
    if (error != Errno::Ok) {
        return error;
    }
    for (DeviceFile& other : devices_) {
        const auto same = other.pasids.find(pasid.value());
        if (same != other.pasids.end() && group.contains(*other.device)) {
            same->second = to;
        }
    }
    return Errno::Ok;
}

// --- objects ------------------------------------------------------------------------------------

PageTableRef Iommufd::page_table(const std::string& name) {
    if (IommuSpace* const named = space(name); named != nullptr) {
        return {named, nullptr};
    }
    for (const auto& file : files_) {
        for (const auto& space : file->spaces_) {
            IommuHwpt* const hwpt = space->hwpt(name);
            if (file->open_ && hwpt != nullptr) {
                return {space.get(), hwpt};
            }
        }
    }
    return {};
}

Errno Iommufd::alloc_hwpt(ExecContext& ctx, const std::string& space_name, const std::string& name,
                          const Device& device, const std::string& queue, bool for_pasids) {
    ctx.spend(kernel_.params().syscall);
    IommuSpace* const in = space(space_name);
    const DeviceFile* const opened = device_file(device);
    if (in == nullptr) {
        return Errno::Enoent;
    }
    if (opened == nullptr || opened->file != &in->file()) {
        return Errno::Einval;
    }
    if (page_table(name)) {
        return Errno::Eexist;
    }
    FaultQueue* const to = queue.empty() ? nullptr : faults(queue);
    if (!queue.empty() && (to == nullptr || &to->file() != &in->file())) {
        return Errno::Enoent;
    }
    ++in->file().last_id_;
    return in->alloc_hwpt(ctx, kernel_.device_groups().group_of(device), name, to, for_pasids);
}

Errno Iommufd::destroy_hwpt(ExecContext& ctx, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    const PageTableRef found = page_table(name);
    return found.hwpt == nullptr ? Errno::Enoent : found.space->destroy_hwpt(name);
}

FaultQueue* Iommufd::faults(const std::string& name) {
    for (const auto& file : files_) {
        for (const auto& queue : file->faults_) {
            if (queue->name() == name) {
                return queue.get();
            }
        }
    }
    return nullptr;
}

Errno Iommufd::alloc_faults(ExecContext& ctx, const std::string& file_name, const std::string& name,
                            std::uint64_t flags) {
    ctx.spend(kernel_.params().syscall);
    IommuFile* const in = file(file_name);
    if (in == nullptr) {
        return Errno::Ebadf;
    }
    if (flags != 0) {
        return Errno::Eopnotsupp;
    }
    if (faults(name) != nullptr) {
        return Errno::Eexist;
    }
    ++in->last_id_;
    in->faults_.push_back(std::make_unique<FaultQueue>(kernel_, *in, name));
    return Errno::Ok;
}

Errno Iommufd::close_faults(ExecContext& ctx, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    FaultQueue* const found = faults(name);
    if (found == nullptr || !found->is_open()) {
        return Errno::Ebadf;
    }
    found->close();
    release(ctx, found->file());
    return Errno::Ok;
}

Errno Iommufd::destroy_faults(ExecContext& ctx, const std::string& name) {
    ctx.spend(kernel_.params().syscall);
    FaultQueue* const found = faults(name);
    if (found == nullptr) {
        return Errno::Enoent;
    }
    if (found->is_open() || found->used()) {
        return Errno::Ebusy;
    }
    auto& all = found->file().faults_;
    all.erase(std::find_if(all.begin(), all.end(),
                           [&](const auto& each) { return each.get() == found; }));
    return Errno::Ok;
}

std::uint32_t Iommufd::device_id(const Device& device) const {
    const auto found = std::find_if(devices_.begin(), devices_.end(), [&](const DeviceFile& f) {
        return f.device == &device && f.file != nullptr;
    });
    return found == devices_.end() ? 0 : found->id;
}

}  // namespace ioasim::os
