// Events of drivers, KVM, VDCM, processes and virtual machines.
#pragma once

#include <iterator>

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct KvmBind {
    static constexpr EventName kName{"kvm.bind", Category::Software,
                                     "KVM acts on BIND: the guest PASID now translates to the ID."};
    Name vm;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(vm, spid, ioasid)
};
struct KvmUnbind {
    static constexpr EventName kName{"kvm.unbind", Category::Software,
                                     "KVM finished UNBIND: translation cleared, vCPUs out, put."};
    Name vm;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(vm, spid, ioasid)
};
struct KvmFree {
    static constexpr EventName kName{
        "kvm.free", Category::Software,
        "KVM was called for FREE; it acts on the UNBIND that follows."};
    Name vm;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(vm, spid, ioasid)
};
struct KvmTableWrite {
    static constexpr EventName kName{"kvm.pasid_table_write", Category::Software,
                                     "An entry of a VM's PASID translation table was written."};
    Name vm;
    Hpa address;
    std::uint32_t guest_pasid = 0;
    Hex value;  // bit 31 valid, [19:0] host PASID
    IOASIM_FIELDS(vm, address, guest_pasid, value)
};
struct KvmKick {
    static constexpr EventName kName{"kvm.kick", Category::Vm,
                                     "A vCPU is asked to leave guest mode."};
    Name vm;
    Name vcpu;
    IOASIM_FIELDS(vm, vcpu)
};
struct VmEntry {
    static constexpr EventName kName{"vm.entry", Category::Vm, "A vCPU enters guest mode."};
    Name vcpu;
    IOASIM_FIELDS(vcpu)
};
struct VmExit {
    static constexpr EventName kName{"vm.exit", Category::Vm, "A vCPU left guest mode; why."};
    Name vcpu;
    Name reason;
    IOASIM_FIELDS(vcpu, reason)
};
struct VmCreate {
    static constexpr EventName kName{"vm.create", Category::Vm, "A virtual machine came to life."};
    Name vm;
    std::uint64_t memory_bytes = 0;
    IOASIM_FIELDS(vm, memory_bytes)
};
struct VmEnding {
    static constexpr EventName kName{
        "vm.ending", Category::Vm,
        "A virtual machine is told to end: its processors stop, then all that it has is closed."};
    Name vm;
    Name cause;
    IOASIM_FIELDS(vm, cause)
};
struct VmDestroy {
    static constexpr EventName kName{"vm.destroy", Category::Vm, "A virtual machine is gone; how."};
    Name vm;
    Name cause;
    IOASIM_FIELDS(vm, cause)
};
struct VmDeviceRemoved {
    static constexpr EventName kName{"vm.device_removed", Category::Vm,
                                     "An assigned device was taken away from a virtual machine."};
    Name vm;
    Name device;
    IOASIM_FIELDS(vm, device)
};
struct VirtualCommand {
    static constexpr EventName kName{"vm.virtual_command", Category::Vm,
                                     "A guest's virtual command register: command and its answer."};
    Name vm;
    Name command;  // "alloc_pasid", "free_pasid"
    Pasid pasid;
    std::uint32_t status = 0;  // 0 success; VT-d 10.4.45
    IOASIM_FIELDS(vm, command, pasid, status)
};
struct GuestPasidEntry {
    static constexpr EventName kName{
        "vm.guest_pasid_entry", Category::Vm,
        "A guest's driver changed an entry of its own PASID table; the "
        "VMM sees it at the PASID-cache invalidation that follows."};
    Name kernel;
    Rid rid;      // in the guest
    Pasid pasid;  // in the guest
    bool present = false;
    IOASIM_FIELDS(kernel, rid, pasid, present)
};
struct VdcmBind {
    static constexpr EventName kName{"vdcm.bind", Category::Software,
                                     "The VDCM acts on BIND (takes a reference only if it programs "
                                     "the PASID into a device)."};
    Name device;
    Name vm;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(device, vm, spid, ioasid)
};
struct VdcmUnbind {
    static constexpr EventName kName{"vdcm.unbind", Category::Software,
                                     "The VDCM finished UNBIND: drained or disabled what it used."};
    Name device;
    Name vm;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(device, vm, spid, ioasid)
};
struct VdcmFree {
    static constexpr EventName kName{"vdcm.free", Category::Software,
                                     "The VDCM was called for FREE; it acts on the UNBIND."};
    Name device;
    Name vm;
    Ioasid ioasid;
    IOASIM_FIELDS(device, vm, ioasid)
};
struct SvaBind {
    static constexpr EventName kName{"sva.bind", Category::Software,
                                     "A process or guest process was bound to a device."};
    Name process;
    Name device;
    Pasid pasid;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(process, device, pasid, result)
};
struct SvaUnbind {
    static constexpr EventName kName{"sva.unbind", Category::Software,
                                     "A process was unbound from a device; teardown is complete."};
    Name process;
    Name device;
    Pasid pasid;
    IOASIM_FIELDS(process, device, pasid)
};
struct ProcessStart {
    static constexpr EventName kName{"process.start", Category::Software, "A process started."};
    Name process;
    IOASIM_FIELDS(process)
};
struct ProcessExit {
    static constexpr EventName kName{"process.exit", Category::Software, "A process ended; why."};
    Name process;
    Name cause;
    IOASIM_FIELDS(process, cause)
};
struct CpuPasid {
    static constexpr EventName kName{"cpu.pasid", Category::Cpu,
                                     "IA32_PASID of a processor (or vCPU) changed."};
    Name cpu;
    Pasid pasid;
    bool valid = false;
    IOASIM_FIELDS(cpu, pasid, valid)
};
enum class EnqcmdOutcome : std::uint8_t { Accepted, Retry, Gp, Exit72, Exit73 };
inline constexpr const char* kEnqcmdOutcomeLabels[] = {"accepted", "retry", "gp", "exit72",
                                                       "exit73"};
constexpr Labels labels_of(EnqcmdOutcome) {
    return {kEnqcmdOutcomeLabels, std::size(kEnqcmdOutcomeLabels)};
}
struct CpuMachineCheck {
    static constexpr EventName kName{"cpu.machine_check", Category::Cpu,
                                     "A processor read a poisoned line: it takes a machine check, "
                                     "and what it read is all ones."};
    Name task;
    Hpa address;
    std::uint64_t bytes = 0;
    IOASIM_FIELDS(task, address, bytes)
};
struct CpuInterrupt {
    static constexpr EventName kName{"cpu.interrupt", Category::Cpu,
                                     "The handler of a message-signalled interrupt begins."};
    Rid rid;  // of the function that sent it; a remapping unit has 0
    std::uint32_t vector = 0;
    Hpa address;  // of the message
    IOASIM_FIELDS(rid, vector, address)
};
struct CpuEnqcmd {
    static constexpr EventName kName{"cpu.enqcmd", Category::Cpu,
                                     "ENQCMD or ENQCMDS finished: PASID in the MSR, PASID sent."};
    Name cpu;
    Hpa portal;
    Pasid guest_pasid;
    Pasid pasid;
    EnqcmdOutcome outcome = EnqcmdOutcome::Accepted;
    TimePs took;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(cpu, portal, guest_pasid, pasid, outcome, took, descriptor)
};

}  // namespace ioasim::trace
