// A virtual machine: guest memory, vCPUs, the virtual IOMMU, and the VMM process that emulates it
// on top of the host kernel (os::VmHost). The guest's kernel is an os::Kernel that the platform
// makes over guest_port() and guest_instructions().
//
// The platform makes both, calls on_death([&] { guest.power_off(); }), then in host tasks, one for
// each program on a vCPU:
//   vm.create(ctx);   // the first call works, all get its result
//   vm.run(ctx, 0, [&](ExecContext& g) { guest.boot(g); ...the program... });
// A vCPU runs one body at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/trace/recorder.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/vm_params.hpp"
#include "models/vm/vm_site.hpp"

namespace ioasim::vm {

struct AssignedDevice {
    std::string name;  // "dsa0"
    std::uint32_t queues = 1;
    bool mediated = false;  // a virtual device, with registers that trap
};

struct VmConfig {
    std::string name;
    std::uint32_t vcpus = 1;
    std::uint64_t memory_bytes = std::uint64_t{4} << 20U;
    std::uint32_t gpasid_min = 1;  // guest PASIDs that the VMM hands out
    std::uint32_t gpasid_max = 0xFFFFF;
    std::uint32_t pasid_min = 1;  // host IDs that the VMM asks for
    std::uint32_t pasid_max = 0xFFFFF;
    std::vector<AssignedDevice> devices;
    std::string host = "host";  // where it starts, and what the devices are called there
    std::vector<std::string> host_devices{};
};

struct VmDeps {
    trace::Recorder& recorder;
    Probes& probes;
    os::VmHost& host;
    cpu::Instructions& instructions;
    cpu::LocalApics& apics;
    os::TaskScheduler& scheduler;
    MachinePort& host_port;
};

// How the guest sees an assigned device.
struct GuestDevice {
    Rid rid;
    Gpa portals;        // queue n's limited portal at + n * 4000h + 1000h, as in the device's BAR2
    Gpa registers;      // BAR0 and configuration space of a virtual device; else 0
    Gpa configuration;  //
};

class VirtualMachine {
public:
    VirtualMachine(const VmDeps& deps, const VmConfig& config, const VmParams& params);
    ~VirtualMachine();
    VirtualMachine(const VirtualMachine&) = delete;
    VirtualMachine& operator=(const VirtualMachine&) = delete;

    // --- construction of the guest kernel -------------------------------------------------------
    MachinePort& guest_port();
    cpu::Instructions& guest_instructions();
    std::uint64_t kernel_memory_base() const { return kGuestKernelBase; }
    std::uint64_t kernel_memory_bytes() const { return config_.memory_bytes - kGuestKernelBase; }
    std::uint64_t viommu_base() const { return kVirtualIommuBase.value(); }
    GuestDevice guest_device(const std::string& name) const;
    // The vCPU of the kernel's own threads and interrupts: one behind those of programs.
    std::uint32_t kernel_vcpu() const { return config_.vcpus; }
    // Whose interrupts the virtual unit raises.
    void set_interrupt_sink(cpu::InterruptSink& sink);

    // --- operation, in host tasks ---------------------------------------------------------------
    Errno create(ExecContext& ctx);
    // Runs guest code on a vCPU: takes the vCPU, enters guest mode, runs, leaves. The body sees
    // guest_port() as its machine. Returns at once when the VM is dead.
    // `program` becomes the context's name inside ("vm1/vcpu0/app"); empty: the vCPU's.
    void run(ExecContext& ctx, std::uint32_t vcpu, const std::string& program,
             const std::function<void(ExecContext&)>& body);
    void run(ExecContext& ctx, std::uint32_t vcpu, const std::function<void(ExecContext&)>& body) {
        run(ctx, vcpu, std::string{}, body);
    }
    // Who a task that carries the vCPU is outside of the guest: a thread of the VMM on this host.
    const Persona& vcpu_thread(std::uint32_t vcpu) const;
    // Called when the VM ends, before its vCPUs are waited for: the guest kernel's power_off().
    void on_death(std::function<void()> callback);
    // Who sleeps here is woken by the end of the VM.
    WaitQueue& deaths();
    // The VMM process is killed: vCPUs leave, devices and IDs are released. Repeated calls: -ESRCH.
    Errno kill(ExecContext& ctx);
    // The VMM process stops where it is (SIGSTOP, a deadlock): vCPUs leave the guest at the next
    // instruction, none of its threads does anything. Only a kill ends it. -EBUSY: it moves.
    Errno hang(ExecContext& ctx);
    // In front of whatever a thread of the VMM does.
    void wait_while_hung(ExecContext& ctx);
    // Orderly end, after the guest's programs: the same release with cause "shutdown".
    Errno shutdown(ExecContext& ctx);

    // --- what the VMM process does for its scenario program ("vm1/vmm") -------------------------
    Result<Ioasid> vmm_alloc(ExecContext& ctx, std::uint32_t min, std::uint32_t max);
    Errno vmm_free(ExecContext& ctx, Ioasid id);
    // Takes an assigned device away: its portals go, then the host unbinds it. The guest is not
    // asked. -EBUSY: the VMM moves the machine.
    Errno vmm_unplug(ExecContext& ctx, const std::string& device);

    // --- live migration -------------------------------------------------------------------------
    // Another host that can take the machine; its devices stand in the order of assignment.
    void add_target(const VmSite& site);
    // -ENXIO: no such host. -EOPNOTSUPP: a machine with page requests, second stages or vectors of
    // devices, or one of whose devices was unplugged. -EBUSY: under way already. Otherwise as
    // Migration::run.
    Errno migrate(ExecContext& ctx, const std::string& host, std::uint32_t pasid_min,
                  std::uint32_t pasid_max);
    // The host that it is on.
    const std::string& host() const;
    // What the VMM does with a virtual device: VFIO_DEVICE_RESET, the steps of a migration, waiting
    // for the request to close it; and what an administrator of the host does: removing it.
    // -ENODEV: the VM does not have it; -EBUSY: the VMM moves the machine.
    enum class DeviceRequest : std::uint8_t { Reset, Pause, Drain, Resume, AwaitRequest, Remove };
    Errno vmm_device(ExecContext& ctx, const std::string& device, DeviceRequest request);

    // System reset, asked for by the guest or after its kernel stopped: vCPUs stop, devices are
    // reset before memory is used again, every PASID is unbound and freed, the virtual IOMMU is as
    // after power-on. No program runs in the guest afterwards.
    Errno vmm_reset(ExecContext& ctx);

    // The scheduler gave a task a processor; it may be a vCPU's. Who is to be interrupted at once:
    // the thread of a vCPU that was killed or stopped; null: nobody.
    ExecContext* scheduled(std::size_t cpu, const ExecContext& task);
    // From guest code: its vCPU's thread goes on on another processor.
    void move_vcpu(ExecContext& ctx, std::size_t cpu);

    const std::string& name() const { return config_.name; }
    bool alive() const;
    // For looking at guest memory after a run.
    GpaTarget translate(Gpa address) const;

private:
    Errno create_locked(ExecContext& ctx);
    // A message of the virtual unit.
    void deliver_message(ExecContext& ctx, std::uint64_t address, std::uint32_t data);
    Errno end(ExecContext& ctx, const char* cause);
    // Guest code ends at its next instruction.
    void begin_end(ExecContext& ctx, const char* cause);
    void stop_guest(ExecContext& ctx);
    void kick_vcpus(ExecContext& ctx);
    // Until none of them is in the guest or does something for it. -ETIMEDOUT.
    Errno wait_for_vcpus(ExecContext& ctx, TimePs deadline);
    // The VMM's files and memory go back to the host.
    Errno close_all(ExecContext& ctx, const char* cause);

    struct Impl;
    VmConfig config_;
    std::vector<VmSite> targets_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ioasim::vm
