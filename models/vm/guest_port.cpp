#include "models/vm/guest_port.hpp"

#include <algorithm>
#include <cstring>

#include "core/trace/migration_events.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

constexpr std::uint32_t kPasidMask = 0xFFFFF;
constexpr std::uint32_t kPrivileged = 1U << 31U;  // ENQCMDS

std::uint32_t first_dword(const cpu::Descriptor64& descriptor) {
    std::uint32_t first = 0;
    std::memcpy(&first, descriptor.data(), sizeof(first));
    return first;
}

// Of ENQCMD: what IA32_PASID holds; without the valid bit a number that nothing is bound to.
std::uint32_t submitted_pasid(std::uint64_t ia32_pasid) {
    return (ia32_pasid & cpu::kIa32PasidValid) != 0
               ? static_cast<std::uint32_t>(ia32_pasid & kPasidMask)
               : kInvalidIoasid;
}

}  // namespace

Vcpu& GuestMachine::vcpu_of(const ExecContext& ctx) const {
    const auto found = std::find_if(vcpus.begin(), vcpus.end(),
                                    [&ctx](const auto& vcpu) { return vcpu->runs(ctx); });
    SIM_CHECK(found != vcpus.end(), "{} uses the guest's machine outside of a vCPU", ctx.name());
    return **found;
}

void GuestMachine::violation(ExecContext& ctx) const {
    vcpu_of(ctx).exit_to_host(ctx, "ept_violation", params.kernel_exit, [](ExecContext&) {});
}

// --- memory -------------------------------------------------------------------------------------

std::uint64_t GuestPort::load(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    const GpaTarget target = machine_.memory.find(Gpa{pa});
    if (target.kind != GpaKind::Ram) {
        machine_.violation(ctx);
        return ~std::uint64_t{0} >> (64 - 8 * size);
    }
    return host_.load(ctx, target.hpa.value(), size);
}

void GuestPort::store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) {
    const GpaTarget target = machine_.memory.find(Gpa{pa});
    if (target.kind != GpaKind::Ram) {
        machine_.violation(ctx);
        return;
    }
    host_.store(ctx, target.hpa.value(), value, size);
}

void GuestPort::read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) {
    auto* to = static_cast<std::uint8_t*>(out);
    while (size > 0) {
        const GpaTarget target = machine_.memory.find(Gpa{pa});
        const std::size_t chunk = std::min<std::size_t>(size, kPageSize - pa % kPageSize);
        if (target.kind == GpaKind::Ram) {
            host_.read_bytes(ctx, target.hpa.value(), to, chunk);
        } else {
            machine_.violation(ctx);
            std::memset(to, 0xFF, chunk);
        }
        to += chunk;
        pa += chunk;
        size -= chunk;
    }
}

void GuestPort::write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(in);
    while (size > 0) {
        const GpaTarget target = machine_.memory.find(Gpa{pa});
        const std::size_t chunk = std::min<std::size_t>(size, kPageSize - pa % kPageSize);
        if (target.kind == GpaKind::Ram) {
            host_.write_bytes(ctx, target.hpa.value(), from, chunk);
        } else {
            machine_.violation(ctx);
        }
        from += chunk;
        pa += chunk;
        size -= chunk;
    }
}

namespace {

bool traps(const GpaTarget& target) {
    return target.kind == GpaKind::VirtualIommu || target.kind == GpaKind::Registers ||
           target.kind == GpaKind::Configuration;
}

}  // namespace

std::uint64_t GuestPort::trapped_read(const GpaTarget& target, std::uint64_t pa, unsigned size) {
    if (target.kind == GpaKind::VirtualIommu) {
        return machine_.viommu.read(static_cast<std::uint32_t>(pa % kPageSize), size);
    }
    const os::VirtualDeviceIf& device = *machine_.virtual_devices.at(target.device);
    return target.kind == GpaKind::Registers
               ? device.read_register(target.offset, size)
               : device.read_config(static_cast<std::uint32_t>(target.offset), size);
}

void GuestPort::trapped_write(ExecContext& host, const GpaTarget& target, std::uint64_t pa,
                              std::uint64_t value, unsigned size) {
    if (target.kind == GpaKind::VirtualIommu) {
        machine_.viommu.write(host, static_cast<std::uint32_t>(pa % kPageSize), value, size);
        return;
    }
    os::VirtualDeviceIf& device = *machine_.virtual_devices.at(target.device);
    if (target.kind == GpaKind::Registers) {
        device.write_register(host, os::CallingTask{machine_.host->mm()}, target.offset, value,
                              size);
    } else {
        device.write_config(host, static_cast<std::uint32_t>(target.offset), value, size);
    }
}

std::uint64_t GuestPort::mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    std::uint64_t value = ~std::uint64_t{0} >> (64 - 8 * size);
    const GpaTarget target = machine_.memory.find(Gpa{pa});
    if (!traps(target)) {
        machine_.violation(ctx);
        return value;
    }
    machine_.vcpu_of(ctx).exit_to_host(ctx, "mmio", machine_.params.user_exit, [&](ExecContext&) {
        if (machine_.alive) {
            value = trapped_read(target, pa, size);
        }
    });
    return value;
}

void GuestPort::mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) {
    const GpaTarget target = machine_.memory.find(Gpa{pa});
    if (!traps(target)) {
        machine_.violation(ctx);
        return;
    }
    machine_.vcpu_of(ctx).exit_to_host(ctx, "mmio", machine_.params.user_exit,
                                       [&](ExecContext& host) {
                                           if (machine_.alive) {
                                               trapped_write(host, target, pa, value, size);
                                           }
                                       });
}

// --- instructions -------------------------------------------------------------------------------

GpaTarget GuestInstructions::portal_target(ExecContext& ctx, Gpa address) {
    Vcpu& vcpu = machine_.vcpu_of(ctx);
    if (const auto cached = vcpu.cached_portal(address)) {
        return {GpaKind::Portal, *cached, 0, 0, true};
    }
    GpaTarget target = machine_.memory.find(address);
    if (target.kind == GpaKind::TrappedPortal) {
        const auto portal = dsa::decode_portal(target.offset / 64 * 64);
        vcpu.exit_to_host(ctx, "ept_violation", machine_.params.kernel_exit,
                          [&](ExecContext& host) {
                              if (machine_.alive) {
                                  machine_.virtual_devices.at(target.device)
                                      ->portal_fault(host, portal->wq, portal->portal);
                              }
                          });
        target = machine_.memory.find(address);
    }
    if (target.kind == GpaKind::Portal && target.revocable) {
        vcpu.cache_portal(ctx, address, target.hpa);
    }
    return target;
}

bool GuestInstructions::trapped_submission(ExecContext& ctx, const GpaTarget& target,
                                           std::uint32_t gpasid,
                                           const cpu::Descriptor64& descriptor) {
    const auto portal = dsa::decode_portal(target.offset);
    if (!portal) {
        return false;
    }
    bool taken = false;
    machine_.vcpu_of(ctx).exit_to_host(
        ctx, "mmio", machine_.params.user_exit, [&](ExecContext& host) {
            if (machine_.alive) {
                os::VirtualDeviceIf& device = *machine_.virtual_devices.at(target.device);
                taken =
                    device.trapped_submission(host, {portal->wq, gpasid, descriptor}) == Errno::Ok;
            }
        });
    return taken;
}

cpu::EnqResult GuestInstructions::enqueue(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                                          std::uint32_t gpasid, const cpu::Descriptor64& descriptor,
                                          const Execute& execute) {
    cpu::EnqResult result{cpu::EnqOutcome::Retry, Pasid{}};
    GpaTarget target = portal_target(ctx, Gpa{portal.value()});
    while (target.kind == GpaKind::KeptPortal) {
        if (kept(ctx, Gpa{portal.value()}, gpasid, descriptor, result)) {
            return result;
        }
        target = portal_target(ctx, Gpa{portal.value()});
    }
    if (target.kind == GpaKind::TrappedPortal) {
        result.outcome = trapped_submission(ctx, target, gpasid, descriptor)
                             ? cpu::EnqOutcome::Accepted
                             : cpu::EnqOutcome::Retry;
        return result;
    }
    if (target.kind != GpaKind::Portal && target.kind != GpaKind::Ram) {
        machine_.violation(ctx);
        return result;  // no enqueue register there
    }
    cpu::CpuState guest = state;
    guest.vmcs = &machine_.host->vmcs();
    while (true) {
        {
            const OneInstruction whole{ctx};  // translated: see movdir64b
            result = execute(guest, target.hpa);
        }
        const bool enqcmd = result.outcome == cpu::EnqOutcome::ExitEnqcmd;
        if (!enqcmd && result.outcome != cpu::EnqOutcome::ExitEnqcmds) {
            return result;
        }
        if (!installed_behind_exit(ctx, enqcmd ? "enqcmd_pasid" : "enqcmds_pasid", gpasid)) {
            // KVM injects #GP: the guest's number stands for nothing.
            result.outcome = cpu::EnqOutcome::GeneralProtection;
            return result;
        }
        // It begins again: behind the exit the portal may be another one, or none, and the VMCS
        // that of another host.
        target = portal_target(ctx, Gpa{portal.value()});
        if (target.kind != GpaKind::Portal) {
            return enqueue(ctx, state, portal, gpasid, descriptor, execute);
        }
        if (!machine_.probes.has(kVmcsLeftBehind)) {
            guest.vmcs = &machine_.host->vmcs();
        }
    }
}

bool GuestInstructions::installed_behind_exit(ExecContext& ctx, const char* reason,
                                              std::uint32_t gpasid) {
    bool installed = false;
    machine_.vcpu_of(ctx).exit_to_host(
        ctx, reason, machine_.params.kernel_exit, [&](ExecContext& host) {
            installed = machine_.alive && machine_.host->resolve_pasid_miss(host, Spid{gpasid});
        });
    return installed;
}

bool GuestInstructions::kept(ExecContext& ctx, Gpa portal, std::uint32_t gpasid,
                             const cpu::Descriptor64& descriptor, cpu::EnqResult& result) {
    bool done = true;
    result = {cpu::EnqOutcome::GeneralProtection, Pasid{}};
    machine_.vcpu_of(ctx).exit_to_host(
        ctx, "portal_trap", machine_.params.user_exit, [&](ExecContext& host) {
            const GpaTarget now = machine_.memory.find(portal);
            if (!machine_.alive || now.kind != GpaKind::KeptPortal) {
                done = !machine_.alive;
                return;
            }
            const bool bound =
                gpasid != kInvalidIoasid &&
                machine_.host->find_spid(host, Spid{gpasid}).value() != kInvalidIoasid;
            if (!bound || machine_.kept.ended(static_cast<std::uint32_t>(now.device), gpasid)) {
                return;
            }
            if (machine_.kept.full()) {
                result.outcome = cpu::EnqOutcome::Retry;
                return;
            }
            const KeptSubmission& kept =
                machine_.kept.add({0, static_cast<std::uint32_t>(now.device),
                                   static_cast<std::uint32_t>(now.offset), gpasid, descriptor});
            machine_.recorder.emit(host.source(),
                                   trace::VdevSubmissionQueued{
                                       machine_.recorder.name(machine_.host->name()),
                                       machine_.recorder.name(machine_.devices.at(kept.device)),
                                       kept.queue, kept.number, Pasid{gpasid}});
            result.outcome = cpu::EnqOutcome::Accepted;
        });
    return done;
}

// IA32_PASID, the privilege, the source's reserved bits and the alignment, which is one of the
// linear address, come before the destination's translation: no trap sees what they refuse.
bool GuestInstructions::refused(const cpu::CpuState& state, Hpa portal, const Execute& execute,
                                cpu::EnqResult& result) const {
    if (machine_.probes.has(kDestinationFirst)) {
        return false;
    }
    cpu::CpuState guest = state;
    guest.vmcs = &machine_.host->vmcs();
    result = execute(guest, portal);
    return result.outcome == cpu::EnqOutcome::GeneralProtection;
}

bool GuestInstructions::passes_alignment(Hpa destination) const {
    return destination.value() % sizeof(cpu::Descriptor64) == 0 ||
           machine_.probes.has(kMisalignedTraps);
}

cpu::EnqResult GuestInstructions::enqcmd(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                                         const cpu::Descriptor64& descriptor) {
    const Execute execute = [&](const cpu::CpuState& guest, Hpa target) {
        return host_.enqcmd(ctx, guest, target, descriptor);
    };
    const std::uint32_t gpasid = submitted_pasid(pasid_msr(ctx));
    cpu::EnqResult result{cpu::EnqOutcome::Retry, Pasid{}};
    const bool legal =
        gpasid != kInvalidIoasid && first_dword(descriptor) == 0 && passes_alignment(portal);
    return !legal && refused(state, portal, execute, result)
               ? result
               : enqueue(ctx, state, portal, gpasid, descriptor, execute);
}

cpu::EnqResult GuestInstructions::enqcmds(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                                          const cpu::Descriptor64& descriptor) {
    const Execute execute = [&](const cpu::CpuState& guest, Hpa target) {
        return host_.enqcmds(ctx, guest, target, descriptor);
    };
    const std::uint32_t first = first_dword(descriptor);
    cpu::EnqResult result{cpu::EnqOutcome::Retry, Pasid{}};
    const bool legal =
        state.supervisor && (first & ~(kPasidMask | kPrivileged)) == 0 && passes_alignment(portal);
    return !legal && refused(state, portal, execute, result)
               ? result
               : enqueue(ctx, state, portal, first & kPasidMask, descriptor, execute);
}

bool GuestInstructions::movdir64b(ExecContext& ctx, Hpa destination,
                                  const cpu::Descriptor64& data) {
    if (!passes_alignment(destination)) {
        return false;
    }
    const GpaTarget target = portal_target(ctx, Gpa{destination.value()});
    if (target.kind == GpaKind::TrappedPortal) {
        static_cast<void>(trapped_submission(ctx, target, 0, data));
        return true;
    }
    if (target.kind != GpaKind::Portal && target.kind != GpaKind::Ram) {
        machine_.violation(ctx);
        return true;
    }
    // Translated: it ends before an interruption, or would begin again behind it.
    const OneInstruction whole{ctx};
    return host_.movdir64b(ctx, target.hpa, data);
}

void GuestInstructions::clflushopt(ExecContext& ctx, Hpa address) {
    const GpaTarget target = machine_.memory.find(Gpa{address.value()});
    if (target.kind != GpaKind::Ram) {
        machine_.violation(ctx);
        return;
    }
    host_.clflushopt(ctx, target.hpa);
}

void GuestInstructions::wbinvd(ExecContext& ctx) {
    if (!machine_.host->wbinvd_exits()) {
        host_.wbinvd(ctx);
        return;
    }
    Vcpu& vcpu = machine_.vcpu_of(ctx);
    vcpu.exit_to_host(ctx, "wbinvd", machine_.params.kernel_exit,
                      [&](ExecContext& host) { machine_.host->guest_wbinvd(host, vcpu); });
}

}  // namespace ioasim::vm
