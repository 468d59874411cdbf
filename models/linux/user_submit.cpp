#include "models/linux/user_submit.hpp"

#include <algorithm>
#include <array>

#include "models/dsa/dsa_layout.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/submit_probes.hpp"

namespace ioasim::os {
namespace {

constexpr std::uint64_t kDescriptorBytes = 64;

bool has_buffers(std::uint8_t opcode) {
    return opcode != static_cast<std::uint8_t>(dsa::Opcode::Noop) &&
           opcode != static_cast<std::uint8_t>(dsa::Opcode::Drain);
}

// What interrupts the user, and what the kernel reads then, is no access of the user's.
std::uint8_t user_load(ExecContext& ctx, std::uint64_t address) {
    const OneInstruction whole(ctx);
    const UserAccess own(ctx);
    return static_cast<std::uint8_t>(ctx.load(address, 1));
}

}  // namespace

Errno UserQueue::submit(ExecContext& ctx, const SubmitRequest& request, SubmitReport& report) {
    SIM_CHECK(request.device != nullptr, "{} submits to no device", process_.name);
    const TimePs timeout =
        request.timeout != TimePs{} ? request.timeout : kernel_.params().completion_timeout;
    const auto target = portal(ctx, request);
    Errno error = target.error();
    if (error == Errno::Ok) {
        error = make_rings(ctx);
    }
    if (error == Errno::Ok && has_buffers(request.opcode)) {
        error = make_buffers(ctx, request, report);
    }
    if (error == Errno::Ok && !dedicated(request)) {
        error = select_pasid(ctx, request);
    }
    for (std::uint64_t i = 0; i < request.count && error == Errno::Ok; ++i) {
        if (process_.killed) {
            return Errno::Eintr;
        }
        error = submit_one(ctx, request, *target, timeout, report);
    }
    if (error == Errno::Ok && request.wait && request.credits) {
        error = wait_all(ctx, timeout, report);
    }
    return error;
}

Result<std::uint64_t> UserQueue::portal(ExecContext& ctx, const SubmitRequest& request) {
    if (request.queue >= request.device->setup().queues.size()) {
        return Errno::Enodev;
    }
    if (dedicated(request) &&
        !kernel_.workqueue_files().opened_by(process_, *request.device, request.queue)) {
        return Errno::Eperm;  // nothing to map
    }
    const std::string key = request.device->name() + "/" + std::to_string(request.queue);
    const auto known = process_.portals.find(key);
    if (known != process_.portals.end()) {
        return known->second;
    }
    ctx.spend(kernel_.params().syscall);  // mmap
    const auto address =
        process_.mm.map_device(ctx, request.device->portal(request.queue), kPageSize);
    if (address) {
        process_.portals[key] = *address;
    }
    return address;
}

Errno UserQueue::make_rings(ExecContext& ctx) {
    if (slots_ != 0) {
        return Errno::Ok;
    }
    const std::uint64_t slots = kernel_.params().submit_window;
    const auto records = process_.mm.map_anonymous(ctx, slots * dsa::kRecordBytes);
    if (!records) {
        return records.error();
    }
    const auto descriptors = process_.mm.map_anonymous(ctx, slots * kDescriptorBytes);
    if (!descriptors) {
        return descriptors.error();
    }
    records_ = *records;
    descriptors_ = *descriptors;
    slots_ = slots;
    next_slot_ = 0;
    return Errno::Ok;
}

Errno UserQueue::make_buffers(ExecContext& ctx, const SubmitRequest& request,
                              SubmitReport& report) {
    const std::uint64_t bytes = std::max<std::uint64_t>(1, request.size);
    const auto buffer = [&](std::uint64_t given) {
        return given != 0 ? Result<std::uint64_t>(given) : process_.mm.map_anonymous(ctx, bytes);
    };
    const auto source = buffer(request.source_buffer);
    if (!source) {
        return source.error();
    }
    const auto destination = buffer(request.destination_buffer);
    if (!destination) {
        return destination.error();
    }
    report.source = *source;
    report.destination = *destination;
    // A mapping holds what it holds.
    return request.source_buffer != 0 ? Errno::Ok : fill_source(ctx, request, *source);
}

Errno UserQueue::fill_source(ExecContext& ctx, const SubmitRequest& request,
                             std::uint64_t address) {
    std::array<std::uint8_t, kPageSize> page{};
    for (std::uint64_t done = 0; done < request.size; done += kPageSize) {
        const std::uint64_t chunk = std::min<std::uint64_t>(kPageSize, request.size - done);
        for (std::uint64_t i = 0; i < chunk; ++i) {
            page.at(i) = source_byte(request.pattern, done + i);
        }
        const Errno error = process_.mm.write(ctx, address + done, page.data(), chunk);
        if (error != Errno::Ok) {
            return error;
        }
    }
    return Errno::Ok;
}

Errno UserQueue::select_pasid(ExecContext& ctx, const SubmitRequest& request) {
    if (!request.pasid ||
        kernel_.instructions().pasid_msr(ctx) == (cpu::kIa32PasidValid | request.pasid->value())) {
        return Errno::Ok;
    }
    if (request.pasid == process_.pasid && !activated()) {
        return Errno::Ok;  // the first ENQCMD faults, and the kernel loads it then
    }
    if (process_.forked && !process_.pasid) {
        return Errno::Ok;  // it knows a number of its parent's: the instruction tells it the truth
    }
    // A guest kernel owns its MSR and may load anything; what is not its own must be stopped by
    // the translation in the VMCS.
    if (!kernel_.is_guest() && !kernel_.sva().is_bound(process_, Ioasid{request.pasid->value()})) {
        return Errno::Eperm;
    }
    ctx.spend(kernel_.params().syscall);
    activate(ctx, *request.pasid);
    return Errno::Ok;
}

Errno UserQueue::submit_one(ExecContext& ctx, const SubmitRequest& request, std::uint64_t portal,
                            TimePs timeout, SubmitReport& report) {
    // The queue's entries are credits: what does not fit is lost, and nobody says so.
    const std::uint64_t room =
        dedicated(request) && !kernel_.probes().has(kCreditsIgnored)
            ? std::min<std::uint64_t>(slots_, request.device->setup().queues[request.queue].size)
            : slots_;
    while (request.credits && outstanding_.size() >= room) {
        kernel_.probes().hit(kWindowFull);
        const Errno error = poll_oldest(ctx, ctx.now() + timeout, report);
        if (error != Errno::Ok) {
            return error;
        }
    }
    const std::uint64_t slot = next_slot_;
    const std::uint64_t record = records_ + slot * dsa::kRecordBytes;
    const std::uint64_t place = descriptors_ + slot * kDescriptorBytes;
    dsa::Descriptor descriptor;
    descriptor.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
    if (request.block_on_fault) {
        descriptor.flags |= dsa::flag::kBlockOnFault;
    }
    descriptor.opcode = request.opcode;
    descriptor.record = record;
    if (has_buffers(request.opcode)) {
        descriptor.source = report.source;
        descriptor.destination = report.destination;
        descriptor.size = static_cast<std::uint32_t>(request.size);
    }
    if (request.opcode == static_cast<std::uint8_t>(dsa::Opcode::Fill)) {
        descriptor.source = (request.pattern & 0xFFU) * 0x0101'0101'0101'0101ULL;
    }
    ctx.spend(kernel_.params().descriptor_build);
    const std::uint64_t pending = 0;
    Errno error = kernel_.probes().has(kRecordNotCleared)
                      ? Errno::Ok
                      : process_.mm.write(ctx, record, &pending, sizeof(pending));
    if (error == Errno::Ok) {
        const dsa::DescriptorBytes bytes = dsa::encode(descriptor);
        error = process_.mm.write(ctx, place, bytes.data(), bytes.size());
    }
    if (error == Errno::Ok) {
        error =
            dedicated(request) ? store(ctx, portal, place) : enqueue(ctx, portal, place, report);
    }
    if (request.credits && (error == Errno::Ok || kernel_.probes().has(kListedFirst))) {
        outstanding_.push_back(slot);
    }
    if (error != Errno::Ok) {
        return error;
    }
    next_slot_ = (slot + 1) % slots_;
    ++report.submitted;
    return Errno::Ok;
}

Errno UserQueue::enqueue(ExecContext& ctx, std::uint64_t portal, std::uint64_t descriptor,
                         SubmitReport& report) {
    cpu::Descriptor64 bytes{};
    const Errno fault = process_.mm.read(ctx, descriptor, bytes.data(), bytes.size());
    if (fault != Errno::Ok) {
        return fault;
    }
    TimePs backoff = kernel_.params().backoff_first;
    std::uint64_t attempts = 0;
    while (!process_.killed) {
        const auto address = process_.mm.translate(ctx, portal, true);
        if (!address) {
            return address.error();
        }
        const cpu::EnqResult result =
            kernel_.instructions().enqcmd(ctx, cpu::CpuState{}, Hpa{*address}, bytes);
        if (result.outcome == cpu::EnqOutcome::Accepted) {
            return Errno::Ok;
        }
        if (result.outcome != cpu::EnqOutcome::Retry) {
            const Errno error = handle_gp(ctx);
            if (error != Errno::Ok) {
                return error;
            }
            continue;
        }
        if (attempts++ == kernel_.params().enqcmd_retries) {
            return Errno::Eagain;
        }
        kernel_.probes().hit(kSubmissionRetried);
        ++report.retries;
        ctx.spend(backoff);
        backoff = std::min(backoff * 2, kernel_.params().backoff_limit);
    }
    return Errno::Eintr;
}

Errno UserQueue::store(ExecContext& ctx, std::uint64_t portal, std::uint64_t descriptor) {
    cpu::Descriptor64 bytes{};
    const Errno fault = process_.mm.read(ctx, descriptor, bytes.data(), bytes.size());
    if (fault != Errno::Ok) {
        return fault;
    }
    const auto address = process_.mm.translate(ctx, portal, true);
    if (!address) {
        return address.error();
    }
    return kernel_.instructions().movdir64b(ctx, Hpa{*address}, bytes) ? Errno::Ok : Errno::Efault;
}

Result<bool> UserQueue::execute(ExecContext& ctx, const UserInstruction& instruction) {
    SubmitRequest request;
    request.device = instruction.device;
    request.queue = instruction.queue;
    const auto page = portal(ctx, request);
    if (!page) {
        return page.error();
    }
    while (!process_.killed) {
        const auto target = process_.mm.translate(ctx, *page + instruction.offset, true);
        if (!target) {
            return target.error();
        }
        const cpu::EnqOutcome outcome =
            cpu::submit_once(kernel_.instructions(), ctx, instruction.by, cpu::CpuState{},
                             Hpa{*target}, instruction.source);
        if (outcome == cpu::EnqOutcome::Accepted || outcome == cpu::EnqOutcome::Retry) {
            return outcome == cpu::EnqOutcome::Accepted;
        }
        // The handler does not look at the instruction: whatever faulted runs again.
        const Errno error = handle_gp(ctx);
        if (error != Errno::Ok) {
            return error;
        }
    }
    return Errno::Eintr;
}

bool UserQueue::dedicated(const SubmitRequest& request) {
    return !request.device->setup().queues.at(request.queue).shared;
}

// #GP of a user program: the first one of a thread loads IA32_PASID when the mm has a PASID; any
// other ends in a signal (Linux: fixup_pasid_exception).
Errno UserQueue::handle_gp(ExecContext& ctx) {
    Frame frame{ctx, "fixup_pasid_exception"};
    ctx.spend(kernel_.params().exception);
    if (activated() || !process_.pasid) {
        return Errno::Efault;
    }
    activate(ctx, *process_.pasid);
    return Errno::Ok;
}

bool UserQueue::activated() const {
    return kernel_.probes().has(kActivationOfMm) ? process_.pasid_activated : activated_;
}

void UserQueue::activate(ExecContext& ctx, Pasid pasid) {
    kernel_.load_pasid(ctx, pasid, true);
    activated_ = !kernel_.probes().has(kActivationForgotten);
    process_.pasid_activated = true;
}

Errno UserQueue::wait_all(ExecContext& ctx, TimePs timeout, SubmitReport& report) {
    const TimePs deadline =
        ctx.now() + (timeout != TimePs{} ? timeout : kernel_.params().completion_timeout);
    while (!outstanding_.empty()) {
        const Errno error = poll_oldest(ctx, deadline, report);
        if (error != Errno::Ok) {
            return error;
        }
    }
    return report.failed == 0 ? Errno::Ok : Errno::Eio;
}

Errno UserQueue::poll_oldest(ExecContext& ctx, TimePs deadline, SubmitReport& report) {
    const std::uint64_t record = records_ + outstanding_.front() * dsa::kRecordBytes;
    while (true) {
        const auto address = process_.mm.translate(ctx, record, false);
        if (!address) {
            return address.error();
        }
        const auto status = user_load(ctx, *address) & dsa::kStatusMask;
        if (kernel_.probes().has(kCreditsByTime)) {
            ctx.spend(kernel_.params().completion_poll);
            outstanding_.pop_front();
            ++report.completed;
            return Errno::Ok;
        }
        if (status != static_cast<std::uint8_t>(dsa::Status::Pending)) {
            outstanding_.pop_front();
            ++report.completed;
            if (status != static_cast<std::uint8_t>(dsa::Status::Success)) {
                report.first_failure =
                    report.failed == 0 ? static_cast<std::uint8_t>(status) : report.first_failure;
                ++report.failed;
            }
            return Errno::Ok;
        }
        if (process_.killed) {
            return Errno::Eintr;
        }
        if (ctx.now() >= deadline) {
            abandon();
            return Errno::Etimedout;
        }
        ctx.spend(kernel_.params().completion_poll);
    }
}

void UserQueue::abandon() {
    outstanding_.clear();
    slots_ = 0;
}

}  // namespace ioasim::os
