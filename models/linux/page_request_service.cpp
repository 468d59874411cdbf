#include "models/linux/page_request_service.hpp"

#include <algorithm>

#include "core/trace/sva_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/linux_probes.hpp"

namespace ioasim::os {
namespace {

namespace reg = vtd::reg;

constexpr unsigned kCanonicalBits = 48;

bool canonical(std::uint64_t address) {
    const std::uint64_t high = address >> (kCanonicalBits - 1);
    return high == 0 || high == bit_mask(63 - (kCanonicalBits - 1), 0);
}

}  // namespace

PageRequestService::PageRequestService(Kernel& kernel, IommuDriver& unit)
    : kernel_(kernel),
      unit_(unit),
      faults_(kernel, unit),
      line_(kernel.interrupts().request(kernel.name() + "/prq-" + unit.name())),
      handled_(kernel.name() + "/prq-" + unit.name() + " handled"),
      errors_(kernel.name() + "/prq-" + unit.name() + " errors") {}

std::uint64_t PageRequestService::read(ExecContext& ctx, std::uint32_t offset,
                                       unsigned size) const {
    return ctx.mmio_read(unit_.registers() + offset, size);
}

void PageRequestService::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                               unsigned size) const {
    ctx.mmio_write(unit_.registers() + offset, value, size);
}

Errno PageRequestService::start(ExecContext& ctx) {
    const std::uint64_t code = kernel_.params().prq_size_code;
    const auto ring = kernel_.alloc_pages(ctx, std::uint64_t{1} << code);
    if (!ring) {
        return ring.error();
    }
    ring_ = *ring;
    bytes_ = kPageSize << code;
    write(ctx, reg::kPqh, 0, 8);
    write(ctx, reg::kPqt, 0, 8);
    write(ctx, reg::kPqa, ring_ | code, 8);
    write(ctx, reg::kPedata, line_.vector(), 4);
    write(ctx, reg::kPeaddr, kernel_.interrupts().message_address(), 4);
    write(ctx, reg::kPeuaddr, 0, 4);
    write(ctx, reg::kPectl, 0, 4);
    const std::string name = kernel_.name() + "/irq/prq-" + unit_.name();
    kernel_.scheduler().spawn_service(name, kernel_.task_port(), [this](ExecContext& task) {
        while (line_.wait(task)) {
            task.spend(kernel_.params().interrupt);
            handle(task);
            // Without workers the thread does their part.
            while (!kernel_.has_worker_task() && !kernel_.powered_off() && faults_.run_one(task)) {
            }
        }
    });
    if (kernel_.has_worker_task()) {
        faults_.start_workers();
    }
    return Errno::Ok;
}

std::uint64_t PageRequestService::next(std::uint64_t offset) const {
    const std::uint64_t next = (offset + vtd::kDescriptorBytes) % bytes_;
    return next == 0 && kernel_.probes().has(kWrapSkipsFirst) ? vtd::kDescriptorBytes : next;
}

vtd::PageRequest PageRequestService::at(ExecContext& ctx, std::uint64_t offset) const {
    vtd::Descriptor descriptor{};
    ctx.read_bytes(ring_ + offset, descriptor.data(), vtd::kDescriptorBytes);
    return vtd::decode_page_request(descriptor);
}

// --- the thread ---------------------------------------------------------------------------------

void PageRequestService::handle(ExecContext& ctx) {
    Frame frame{ctx, "prq_event_thread"};
    if (!kernel_.probes().has(kPendingClearedLate)) {
        write(ctx, reg::kPrs, vtd::pq::kPpr, 4);
    }
    const std::uint64_t tail = read(ctx, reg::kPqt, 8);
    for (std::uint64_t head = read(ctx, reg::kPqh, 8); head != tail && !kernel_.powered_off();
         head = next(head)) {
        judge(ctx, at(ctx, head));
    }
    const bool anew = kernel_.probes().has(kHeadToNewTail);
    write(ctx, reg::kPqh, anew ? read(ctx, reg::kPqt, 8) : tail, 8);
    if (kernel_.probes().has(kPendingClearedLate)) {
        write(ctx, reg::kPrs, vtd::pq::kPpr, 4);
    }
    after_overflow(ctx);
    ctx.wake_all(handled_);
}

void PageRequestService::judge(ExecContext& ctx, const vtd::PageRequest& request) {
    ctx.spend(kernel_.params().iopf_report);
    Device* device = kernel_.find_device(unit_, request.rid);
    const bool access = request.read || request.write;
    if (!canonical(request.address) || (request.privileged && access) ||
        (request.execute && request.read)) {
        reject(ctx, device, request, "malformed");
        return;
    }
    if (request.last && !access && !kernel_.probes().has(kStopMarkerAnswered)) {
        kernel_.emit(
            ctx, trace::IopfDropped{kernel_.intern(device == nullptr ? "unknown" : device->name()),
                                    1, kernel_.intern("stop_marker")});
        return;
    }
    if (device == nullptr) {
        reject(ctx, device, request, "unknown_device");
        return;
    }
    if (floods(ctx, *device)) {
        stop(ctx, *device);
    }
    if (stopped(*device)) {
        reject(ctx, device, request, "stopped");
        return;
    }
    static_cast<void>(faults_.report(ctx, *device, request));
}

void PageRequestService::reject(ExecContext& ctx, Device* device, const vtd::PageRequest& request,
                                const char* why) {
    const std::string name = device == nullptr ? "unknown" : device->name();
    if (request.last) {
        faults_.answer(ctx, name, request, IopfCode::Invalid, why);
    } else {
        kernel_.emit(ctx, trace::IopfDropped{kernel_.intern(name), 1, kernel_.intern(why)});
    }
}

// While requests are left in the queue the next run looks again.
void PageRequestService::after_overflow(ExecContext& ctx) {
    if ((read(ctx, reg::kPrs, 4) & vtd::pq::kPro) == 0 ||
        read(ctx, reg::kPqh, 8) != read(ctx, reg::kPqt, 8)) {
        return;
    }
    if (!kernel_.probes().has(kPartialsSurviveOverflow)) {
        faults_.discard_partials(ctx);
    }
    kernel_.probes().hit(kOverflowCleared);
    write(ctx, reg::kPrs, vtd::pq::kPro, 4);
}

// --- drain --------------------------------------------------------------------------------------

bool PageRequestService::queued(ExecContext& ctx, Rid rid, Pasid pasid) {
    const std::uint64_t tail = read(ctx, reg::kPqt, 8);
    for (std::uint64_t head = read(ctx, reg::kPqh, 8); head != tail && !kernel_.powered_off();
         head = next(head)) {
        const vtd::PageRequest request = at(ctx, head);
        if (request.rid == rid && (request.has_pasid ? request.pasid : Pasid{}) == pasid) {
            return true;
        }
    }
    return false;
}

Errno PageRequestService::drain(ExecContext& ctx, const Device& device, Pasid pasid) {
    Frame frame{ctx, "drain_pasid_prq"};
    const TimePs deadline = ctx.now() + kernel_.params().flush_timeout;
    const TimePs turn = kernel_.params().flush_poll;
    if (kernel_.probes().has(kNoPageRequestDrain)) {
        return unit_.queue().submit(ctx, {vtd::wait_barrier()});
    }
    while (queued(ctx, device.rid(), pasid)) {
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        kernel_.probes().hit(kQueueDrained);
        ctx.wait_until(handled_, std::min(deadline, ctx.now() + turn));
    }
    faults_.detach(ctx, device, pasid);
    Errno error = faults_.flush(ctx, deadline);
    const bool drains = vtd::ecap::kPds.get(unit_.ecap()) != 0;
    std::vector<vtd::Descriptor> descriptors{
        vtd::wait_barrier(), vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid,
                                                         IommuDriver::kFirstStageDid, pasid)};
    if (!device.disconnected()) {
        descriptors.push_back(
            vtd::pasid_device_tlb_invalidate(device.rid(), pasid, vtd::kWholeAddressSpace, true));
    }
    while (error == Errno::Ok) {
        error = unit_.queue().submit(ctx, descriptors, drains);
        if (error != Errno::Ok || (read(ctx, reg::kPrs, 4) & vtd::pq::kPro) == 0) {
            break;
        }
        ctx.wait_until(handled_, std::min(deadline, ctx.now() + turn));
        error = ctx.now() >= deadline ? Errno::Etimedout : Errno::Ok;
    }
    kernel_.emit(ctx, trace::IopfDrain{kernel_.intern(device.name()), pasid});
    return error;
}

}  // namespace ioasim::os
