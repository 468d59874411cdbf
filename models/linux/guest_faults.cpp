#include "models/linux/guest_faults.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/guest_fault_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/guest_fault_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"

namespace ioasim::os {

GuestFaults::GuestFaults(Kernel& kernel, const std::string& vm)
    : kernel_(kernel), vm_(vm), eventfd_(kernel.name() + "/" + vm + " page requests") {}

void GuestFaults::close(ExecContext& ctx) {
    set_ = nullptr;
    listened_ = false;
    ring_.clear();
    ctx.wake_all(eventfd_);
}

Errno GuestFaults::report(ExecContext& ctx, const FaultGroup& group) {
    const vtd::PageRequest& last = group.last();
    GuestFault fault{group.device->name(), last.pasid, kNoSpid, group.pages, group.serial};
    const bool own = set_ != nullptr && set_->is_private();
    const auto view = kernel_.ioasid().view(Ioasid{fault.pasid.value()}, own ? set_ : nullptr);
    Errno error = set_ != nullptr && view && view->spid != kNoSpid ? Errno::Ok : Errno::Enoent;
    if (error == Errno::Ok && !listened_ && !kernel_.probes().has(kGroupsForNobody)) {
        error = Errno::Enodev;
    }
    if (error == Errno::Ok && ring_.size() >= kernel_.params().fault_ring) {
        error = Errno::Enospc;
    }
    if (error == Errno::Ok) {
        fault.gpasid = view->spid;
        ctx.spend(kernel_.params().vfio_fault);
    }
    kernel_.emit(ctx, trace::IopfForward{kernel_.intern(vm_), kernel_.intern(fault.device),
                                         fault.pasid, Pasid{fault.gpasid.value()}, last.group,
                                         static_cast<std::uint32_t>(fault.pages.size()), error});
    if (error == Errno::Ok) {
        ring_.push_back(std::move(fault));
        ctx.wake_all(eventfd_);
    }
    while (kernel_.probes().has(kWaitsForVmm) && !ring_.empty()) {
        ctx.wait_until(eventfd_, ctx.now() + kernel_.params().flush_poll);
    }
    return error;
}

void GuestFaults::forget(std::uint64_t serial) {
    ring_.erase(
        std::remove_if(ring_.begin(), ring_.end(),
                       [serial](const GuestFault& fault) { return fault.serial == serial; }),
        ring_.end());
}

bool GuestFaults::wait(ExecContext& ctx) {
    while (set_ != nullptr && ring_.empty()) {
        ctx.wait(eventfd_);
    }
    return set_ != nullptr;
}

std::optional<GuestFault> GuestFaults::read(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    if (ring_.empty()) {
        return std::nullopt;
    }
    GuestFault fault = std::move(ring_.front());
    ring_.pop_front();
    const auto called = names_.find(fault.device);
    fault.device = called == names_.end() ? fault.device : called->second;
    return fault;
}

Errno GuestFaults::respond(ExecContext& ctx, const std::string& device, Ioasid id,
                           std::uint16_t group, std::uint32_t code) {
    ctx.spend(kernel_.params().syscall);
    const auto called = std::find_if(names_.begin(), names_.end(),
                                     [&device](const auto& name) { return name.second == device; });
    Device* const function = kernel_.find_device(called == names_.end() ? device : called->first);
    PageRequestService* const service =
        function == nullptr ? nullptr : function->iommu().page_requests();
    Errno error = Errno::Einval;
    if (service != nullptr && code <= static_cast<std::uint32_t>(IopfCode::Invalid)) {
        error = service->faults().respond_from(ctx, *this, *function, Pasid{id.value()}, group,
                                               static_cast<IopfCode>(code));
    }
    kernel_.emit(ctx, trace::IopfUserResponse{kernel_.intern(vm_), kernel_.intern(device),
                                              Pasid{id.value()}, group, code, error});
    return error;
}

}  // namespace ioasim::os
