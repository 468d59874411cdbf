// Kernel code around shared virtual addressing: other users of a group's PASID array, holders of
// attach handles and of mm_structs, drivers that take their device off the fault queue.
#include <algorithm>
#include <array>

#include "core/trace/ioasid_events.hpp"
#include "models/linux/function_reset.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {
namespace {

using K = CallKind;
using A = CallArg;

os::DomainType domain_type(const CoreCall& call) {
    const std::string name = call.name_of(A::Domain, "any");
    for (const os::DomainType type :
         {os::DomainType::Sva, os::DomainType::Nested, os::DomainType::Unmanaged}) {
        if (name == os::name_of(type)) {
            return type;
        }
    }
    return os::DomainType::Any;
}

StepOutcome attach_domain(ExecContext& ctx, os::Kernel& kernel, os::IommuGroup& group,
                          const CoreCall& call, Pasid pasid) {
    const os::DomainType type = domain_type(call);
    const std::string owner = call.name_of(A::Process);
    os::Process* const process = owner.empty() ? nullptr : kernel.find_process(owner);
    const bool sva = type == os::DomainType::Sva;
    if (type == os::DomainType::Any || type == os::DomainType::Nested ||
        (sva && (process == nullptr || !process->mm.alive()))) {
        return outcome(Errno::Einval);
    }
    auto domain = std::make_unique<os::PasidDomain>(
        type, kernel.intern(sva ? owner : kernel.name() + "/unmanaged"));
    domain->process = sva ? process : nullptr;
    return outcome(group.attach(ctx, pasid, std::move(domain), call.number_of(A::Bare) == 0));
}

// A handle that was detached is freed memory: real code reads what happens to be there.
StepOutcome use_handle(ExecContext& ctx, KernelObjects& objects, const std::string& name) {
    const os::AttachHandle* const handle = objects.handle(name);
    if (handle == nullptr) {
        return outcome(Errno::Enoent);
    }
    if (!handle->attached) {
        trace::Recorder& recorder = objects.recorder();
        recorder.emit(
            ctx.source(),
            trace::IoasidHazard{recorder.name(objects.kernel().name()),
                                trace::IoasidHazardKind::FreedObject, recorder.name(ctx.name()),
                                recorder.name(name), recorder.name("handle_use")});
    }
    return {Errno::Ok, handle->users};
}

StepOutcome get_handle(ExecContext& ctx, KernelObjects& objects, os::IommuGroup& group,
                       const CoreCall& call, Pasid pasid) {
    const auto handle = group.handle_get(ctx, pasid, domain_type(call));
    if (!handle) {
        return outcome(handle.error());
    }
    if (call.has(A::As)) {
        objects.name_handle(call.name_of(A::As), *handle);
    }
    return {Errno::Ok, (*handle)->serial};
}

StepOutcome of_mm(ExecContext& ctx, os::Kernel& kernel, const CoreCall& call) {
    os::Process* const process = kernel.find_process(call.subject);
    if (process == nullptr) {
        return outcome(Errno::Esrch);
    }
    return outcome(call.kind == K::MmGrab ? kernel.mm_grab(ctx, *process)
                                          : kernel.mm_ungrab(ctx, *process));
}

StepOutcome remove_from_faults(ExecContext& ctx, os::Device* device) {
    os::PageRequestService* const service =
        device == nullptr ? nullptr : device->iommu().page_requests();
    if (service == nullptr) {
        return outcome(Errno::Enodev);
    }
    return {Errno::Ok, service->faults().remove_device(ctx, *device)};
}

}  // namespace

StepOutcome perform_sva_call(ExecContext& ctx, KernelObjects& objects, const CoreCall& call,
                             Pasid pasid) {
    os::Kernel& kernel = objects.kernel();
    switch (call.kind) {
        case K::HandleUse:
            return use_handle(ctx, objects, call.subject);
        case K::MmGrab:
        case K::MmDrop:
            return of_mm(ctx, kernel, call);
        case K::IopfRemove:
            return remove_from_faults(ctx, kernel.find_device(call.subject));
        case K::FunctionReset: {
            os::Device* const function = kernel.find_device(call.subject);
            return outcome(function == nullptr ? Errno::Enodev
                                               : os::reset_function(ctx, kernel, *function));
        }
        default:
            break;
    }
    os::Device* const device = kernel.find_device(call.name_of(A::Device));
    if (device == nullptr || device->group() == nullptr) {
        return outcome(Errno::Enodev);
    }
    switch (call.kind) {
        case K::AttachDomain:
            return attach_domain(ctx, kernel, *device->group(), call, pasid);
        case K::DetachDomain:
            return outcome(device->group()->detach(ctx, pasid));
        default:
            return get_handle(ctx, objects, *device->group(), call, pasid);
    }
}

}  // namespace ioasim::platform
