// What SVA does for an mm_struct: its PASID, the mmu notifiers, its end.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/trace/sva_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/sva.hpp"
#include "models/linux/sva_binding.hpp"

namespace ioasim::os {

using Binding = SvaBinding;

Errno Sva::reserve_system_set(ExecContext& ctx) {
    if (!kernel_.params().sva_system_set || !core_.switches().managed_sets) {
        return Errno::Ok;
    }
    const auto quota = static_cast<std::uint32_t>(kernel_.params().sva_system_quota);
    const auto set =
        core_.set_alloc(ctx, kernel_.next_token(), quota, SetType::None, kernel_.name() + "/sva");
    if (!set) {
        return set.error();
    }
    system_set_ = *set;
    return Errno::Ok;
}

Result<Ioasid> Sva::mm_pasid(ExecContext& ctx, Process& process, const Device& device,
                             std::uint32_t min, std::uint32_t max) {
    if (device.group() == nullptr) {
        return Errno::Enodev;
    }
    if (kernel_.params().pasid_users == PasidUsers::Private &&
        !kernel_.probes().has(kPasidUsersIgnored)) {
        return Errno::Eopnotsupp;
    }
    const std::uint32_t limit = device.max_pasids();
    if (process.pasid) {
        if (process.pasid->value() >= limit && !kernel_.probes().has(kNoWidthTest)) {
            return Errno::Eoverflow;
        }
        return Ioasid{process.pasid->value()};
    }
    if (kernel_.probes().fails(kIommuMmAllocation)) {
        return Errno::Enomem;
    }
    if (limit == 0) {
        return Errno::Enospc;
    }
    const auto id = alloc(ctx, process, std::max(min, 1U), std::min(max, limit - 1));
    if (id) {
        process.pasid = Pasid{(*id).value()};
    }
    return id;
}

std::vector<std::shared_ptr<SvaBinding>> Sva::bindings_of_process(const Process& process) const {
    std::vector<std::shared_ptr<Binding>> mine;
    for (const auto& [id, binding] : bindings_) {
        if (binding->process == &process) {
            mine.push_back(binding);
        }
    }
    return mine;
}

// Whoever attached them: the PASID arrays know.
std::vector<std::pair<Device*, Pasid>> Sva::attachments_of(ExecContext& ctx,
                                                           const Process& process) const {
    std::vector<std::pair<Device*, Pasid>> found;
    for (const auto& device : kernel_.devices()) {
        if (device->group() != nullptr) {
            for (const Pasid pasid : device->group()->pasids_of(ctx, process)) {
                found.emplace_back(device.get(), pasid);
            }
        }
    }
    return found;
}

// mmu_notifier release of exit_mmap: from here on no translation leads into the address space, what
// the devices still ask for fails in silence (FPD), and the domain stays for the unbind that comes.
void Sva::mm_release(ExecContext& ctx, Process& process) {
    Frame frame{ctx, "mmu_notifier_release"};
    std::uint32_t entries = 0;
    for (const auto& device : kernel_.devices()) {
        if (device->group() != nullptr && !kernel_.probes().has(kNoReleaseNotifier)) {
            entries += device->group()->release(ctx, process);
        }
    }
    kernel_.emit(ctx, trace::MmRelease{kernel_.intern(process.name), entries});
}

// Called with the mmap_lock held, which workers wait for whom a detach drains: it waits for neither
// binds nor unbinds (Linux holds iommu_sva_lock in none of its notifiers). What is attached later
// has nothing cached of the mappings that went; what is detached meanwhile is flushed by that.
void Sva::mm_invalidate(ExecContext& ctx, Process& process, std::uint64_t address,
                        std::uint64_t bytes) {
    Frame frame{ctx, "mmu_notifier_invalidate"};
    std::uint32_t devices = 0;
    std::optional<LockGuard> guard;
    if (kernel_.probes().has(kInvalidateUnderMutex)) {
        guard.emplace(ctx, lock_);
    }
    for (const auto& [device, pasid] : attachments_of(ctx, process)) {
        const bool forgotten = kernel_.probes().has(kNoSecondaryInvalidation) ||
                               (devices != 0 && kernel_.probes().has(kOneDeviceInvalidated));
        if (!forgotten) {
            static_cast<void>(device->iommu().flush_range(ctx, *device, pasid, address, bytes));
            ++devices;
        }
    }
    kernel_.emit(ctx,
                 trace::MmInvalidate{kernel_.intern(process.name), Iova{address}, bytes, devices});
}

void Sva::unbind_process(ExecContext& ctx, Process& process) {
    for (const auto& binding : bindings_of_process(process)) {
        unbind_every_device(ctx, *binding);
    }
}

void Sva::mm_gone(ExecContext& ctx, Process& process, bool may_wait) {
    process.pasid.reset();
    const std::vector<Ioasid> ids = std::exchange(process.ids, {});
    if (process.set != nullptr) {
        return_ids(ctx, *std::exchange(process.set, nullptr), ids, may_wait);
    }
}

void Sva::return_ids(ExecContext& ctx, IoasidSet& set, const std::vector<Ioasid>& ids,
                     bool may_wait) {
    if (!core_.switches().managed_sets && kernel_.probes().has(kBareIdsKept)) {
        return;
    }
    // Of a set that others have IDs in, and without sets: each by itself.
    if (&set == system_set_ || !core_.switches().managed_sets) {
        for (const Ioasid id : ids) {
            core_.free(ctx, &set, id);
        }
        return;
    }
    if (may_wait) {
        free_set(ctx, set);
        return;
    }
    core_.free_all_in_set(ctx, &set);
    if (set.registered()) {
        core_.set_free(ctx, &set);
    }
}

// Bindings whose end is late are the only ones that still hold it.
void Sva::leave_mm(Process& process) {
    const auto left = std::make_shared<LeftMm>();
    left->count = std::exchange(process.mm_count, 0);
    left->set = std::exchange(process.set, nullptr);
    left->ids = std::exchange(process.ids, {});
    process.pasid.reset();
    for (const auto& binding : bindings_of_process(process)) {
        if (binding->left_mm == nullptr) {
            binding->left_mm = left;
        }
    }
}

void Sva::drop_mm(ExecContext& ctx, Binding& binding) {
    if (binding.left_mm == nullptr) {
        if (binding.process != nullptr) {
            kernel_.mm_drop(ctx, *binding.process, false);
        }
        return;
    }
    LeftMm& left = *binding.left_mm;
    if (--left.count == 0) {
        if (left.set != nullptr) {
            return_ids(ctx, *left.set, left.ids, false);
        }
        kernel_.emit(ctx, trace::MmDrop{kernel_.intern(binding.process->name)});
    }
}

}  // namespace ioasim::os
