// A vCPU: a host task that changes into the guest's persona and back. Knows whether guest
// instructions execute, and leaves guest mode when it is kicked: at the next instruction boundary,
// so an ENQCMD that is under way ends first.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/run_control.hpp"
#include "models/vm/vm_params.hpp"

namespace ioasim::vm {

class Vcpu final : public os::VcpuControl, public Interruptible {
public:
    Vcpu(const std::string& name, const VmParams& params, trace::Recorder& recorder,
         os::TaskScheduler& scheduler, cpu::Instructions& processors, cpu::LocalApics& apics,
         MachinePort& host_port, MachinePort& guest_port, RunControl& control, Probes& probes);

    // --- KVM's view -----------------------------------------------------------------------------
    const std::string& name() const override { return name_; }
    bool in_guest_since(TimePs since) const override;
    void kick(ExecContext& by) override;

    // --- running --------------------------------------------------------------------------------
    // One body at a time; the caller holds lock().
    void run_guest(ExecContext& ctx, const std::string& program,
                   const std::function<void(ExecContext&)>& body);
    // From guest code: leaves guest mode, runs the handler as the host, and enters again.
    void exit_to_host(ExecContext& ctx, const char* reason, TimePs handling,
                      const std::function<void(ExecContext&)>& handler);
    void on_interrupt(ExecContext& ctx) override;
    // Told each time the vCPU's thread begins to run on a processor in guest mode.
    void on_load(std::function<void(std::size_t cpu)> told) { on_load_ = std::move(told); }
    // The scheduler gave its thread a processor. True: a signal waits for the thread (its machine
    // was killed, or stopped while it slept or waited for the processor and no kick could reach
    // it), which leaves the guest before it executes anything there.
    bool scheduled(std::size_t cpu);
    ExecContext* thread_context() const { return ctx_; }
    // The VMM moves the thread to another processor.
    void move(ExecContext& ctx, std::size_t cpu);

    // --- stopping the virtual machine -----------------------------------------------------------
    // From guest code: waits outside of the guest until the machine goes on.
    void park(ExecContext& ctx);
    // An access was begun and has not ended.
    void begin_access() {
        busy_ = true;
        ++accesses_;
    }
    void end_access() { busy_ = false; }
    // The access that is under way: a number that never comes again; 0: none.
    std::uint64_t access() const { return busy_ ? accesses_ : 0; }
    // Executes no guest code now, and none before it has passed the gate.
    bool at_rest() const;
    // Who its task is outside of the guest.
    const Persona& thread() const { return host_; }
    // Its thread is one of this host's processes from now on.
    void move_to(const std::string& host_name);
    // Translations of portals that the host may take away, as the TLB keeps them: from the first
    // use until the vCPU leaves guest mode or its processor.
    std::optional<Hpa> cached_portal(Gpa address) const;
    void cache_portal(const ExecContext& ctx, Gpa address, Hpa target) {
        portals_[address.page().value()] = {target.page(), ctx.now()};
    }

    SimLock& lock() { return lock_; }
    bool running() const { return ctx_ != nullptr; }
    bool runs(const ExecContext& ctx) const { return ctx_ == &ctx; }

private:
    void wait_for_entry(ExecContext& host);
    void wait_for_run(ExecContext& host);
    // Throws GuestEnded.
    void end_if_killed() const;
    void enter(ExecContext& ctx);
    void leave(ExecContext& ctx, const char* reason);

    std::string name_;
    VmParams params_;
    trace::Recorder& recorder_;
    os::TaskScheduler& scheduler_;
    cpu::Instructions& processors_;
    cpu::LocalApics& apics_;
    MachinePort& host_port_;
    MachinePort& guest_port_;
    trace::Name trace_name_;
    SourceId source_;
    Persona host_;  // who the task is outside of the guest
    SimLock lock_;
    ExecContext* ctx_ = nullptr;
    bool in_guest_ = false;
    bool busy_ = false;
    std::uint64_t accesses_ = 0;
    bool parked_ = false;
    RunControl& control_;
    Probes& probes_;
    std::function<void(std::size_t)> on_load_;
    TimePs entered_;
    // IA32_PASID while the other one executes: no field of the VMCS holds it.
    std::uint64_t host_pasid_msr_ = 0;
    std::uint64_t guest_pasid_msr_ = 0;
    struct CachedPortal {
        Hpa target;
        TimePs since;
    };
    std::map<std::uint64_t, CachedPortal> portals_;
};

}  // namespace ioasim::vm
