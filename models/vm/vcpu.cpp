#include "models/vm/vcpu.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

// "vm1/vcpu0" outside of the guest is the VMM's thread "host/vm1-vcpu0".
Persona host_persona(const std::string& host, std::string name, trace::Recorder& recorder,
                     MachinePort& port) {
    std::replace(name.begin(), name.end(), '/', '-');
    name.insert(0, host + "/");
    const SourceId source = recorder.source(name);
    return Persona{std::move(name), source, &port, nullptr};
}

}  // namespace

Vcpu::Vcpu(const std::string& name, const VmParams& params, trace::Recorder& recorder,
           os::TaskScheduler& scheduler, cpu::Instructions& processors, cpu::LocalApics& apics,
           MachinePort& host_port, MachinePort& guest_port, RunControl& control, Probes& probes)
    : name_(name),
      params_(params),
      recorder_(recorder),
      scheduler_(scheduler),
      processors_(processors),
      apics_(apics),
      host_port_(host_port),
      guest_port_(guest_port),
      trace_name_(recorder.name(name)),
      source_(recorder.source(name)),
      host_(host_persona("host", name, recorder, host_port)),
      lock_(SimLock::Kind::Mutex, name, "vcpu"),
      control_(control),
      probes_(probes) {}

bool Vcpu::in_guest_since(TimePs since) const {
    // A task without a CPU is between two instructions: the next one reads the tables anew.
    return in_guest_ && entered_ <= since && scheduler_.cpu_of(*ctx_) >= 0 &&
           scheduler_.on_cpu_since(*ctx_) <= since;
}

void Vcpu::kick(ExecContext& by) {
    const int cpu = ctx_ == nullptr ? -1 : scheduler_.cpu_of(*ctx_);
    if (cpu >= 0) {
        apics_.send_ipi(by, static_cast<std::size_t>(cpu));
    }
}

void Vcpu::enter(ExecContext& ctx) {
    host_pasid_msr_ = processors_.pasid_msr(ctx);
    processors_.set_pasid_msr(ctx, guest_pasid_msr_);
    in_guest_ = true;
    entered_ = ctx.now();
    recorder_.emit(ctx.source(), trace::VmEntry{trace_name_});
    if (const int cpu = scheduler_.cpu_of(ctx); cpu >= 0) {
        scheduled(static_cast<std::size_t>(cpu));
    }
}

std::optional<Hpa> Vcpu::cached_portal(Gpa address) const {
    const auto found = portals_.find(address.page().value());
    if (found == portals_.end() || scheduler_.on_cpu_since(*ctx_) > found->second.since) {
        return std::nullopt;
    }
    return found->second.target + address.page_offset();
}

bool Vcpu::scheduled(std::size_t cpu) {
    if (in_guest_ && on_load_) {
        on_load_(cpu);
    }
    const bool killed = control_.ended && !probes_.has(kKillUnseen);
    const bool stopped = control_.stopped && !probes_.has(kKickedOnce);
    return in_guest_ && (killed || stopped);
}

void Vcpu::move(ExecContext& ctx, std::size_t cpu) {
    exit_to_host(ctx, "preempted", TimePs{},
                 [this, cpu](ExecContext& host) { scheduler_.move(host, cpu); });
}

void Vcpu::leave(ExecContext& ctx, const char* reason) {
    in_guest_ = false;
    portals_.clear();
    guest_pasid_msr_ = processors_.pasid_msr(ctx);
    processors_.set_pasid_msr(ctx, host_pasid_msr_);
    recorder_.emit(ctx.source(), trace::VmExit{trace_name_, recorder_.name(reason)});
}

void Vcpu::run_guest(ExecContext& ctx, const std::string& program,
                     const std::function<void(ExecContext&)>& body) {
    SIM_CHECK(ctx_ == nullptr, "{} runs already", name_);
    struct Running {  // also on the way of an exception
        Vcpu& vcpu;
        ~Running() {
            vcpu.ctx_ = nullptr;
            vcpu.in_guest_ = false;
        }
    };
    ctx_ = &ctx;
    const Running running{*this};
    const PersonaChange thread{ctx, host_};
    try {
        wait_for_entry(ctx);
        {
            const bool own = program.empty();
            const PersonaChange guest{
                ctx, Persona{own ? name_ : program, own ? source_ : recorder_.source(program),
                             &guest_port_, this}};
            enter(ctx);
            body(ctx);
            if (in_guest_) {  // a program that met a fatal signal has left already
                leave(ctx, "halt");
            }
        }
        ctx.spend(params_.exit);
    } catch (const GuestEnded&) {
        probes_.hit(kGuestUnwound);
    }
}

void Vcpu::exit_to_host(ExecContext& ctx, const char* reason, TimePs handling,
                        const std::function<void(ExecContext&)>& handler) {
    SIM_CHECK(runs(ctx) && in_guest_, "{} exits to the host without being in the guest", name_);
    leave(ctx, reason);
    {
        const PersonaChange host{ctx, host_};
        ctx.spend(params_.exit + handling);
        if (probes_.fails(kStolen, std::string_view(name_).substr(0, name_.find('/')))) {
            ctx.spend(TimePs{probes_.extent()});
        }
        if (control_.hung) {
            wait_for_run(ctx);
        }
        end_if_killed();
        handler(ctx);
        wait_for_entry(ctx);
    }
    enter(ctx);
}

void Vcpu::on_interrupt(ExecContext& ctx) {
    if (in_guest_) {
        exit_to_host(ctx, "external_interrupt", params_.kernel_exit, [this](ExecContext& host) {
            if (control_.stopped) {
                wait_for_run(host);
            }
        });
    }
}

// --- stopping the virtual machine ---------------------------------------------------------------

void Vcpu::park(ExecContext& ctx) {
    exit_to_host(ctx, "stopped", params_.kernel_exit,
                 [this](ExecContext& host) { wait_for_run(host); });
}

// A kick finds nobody in the guest while its exit is handled: who enters looks last of all whether
// somebody wants it outside (vcpu_enter_guest: kvm_vcpu_exit_request).
void Vcpu::wait_for_entry(ExecContext& host) {
    end_if_killed();
    host.spend(params_.entry);
    while (control_.stopped && !control_.ended && !probes_.has(kStopUnseen)) {
        wait_for_run(host);
        host.spend(params_.entry);
    }
    end_if_killed();
}

void Vcpu::end_if_killed() const {
    if (control_.ended && !probes_.has(kKillUnseen)) {
        throw GuestEnded{};
    }
}

void Vcpu::wait_for_run(ExecContext& host) {
    parked_ = true;
    while (control_.stopped && !control_.ended) {
        host.wait(control_.resumed);
    }
    parked_ = false;
}

bool Vcpu::at_rest() const {
    return ctx_ == nullptr || parked_ || (in_guest_ && !busy_ && scheduler_.cpu_of(*ctx_) < 0);
}

void Vcpu::move_to(const std::string& host_name) {
    host_ = host_persona(host_name, name_, recorder_, host_port_);
}

}  // namespace ioasim::vm
