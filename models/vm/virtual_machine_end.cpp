// How a virtual machine ends, stops for good, or starts anew.
#include <algorithm>

#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/vm/virtual_machine_impl.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {

// The signal is the sender's, the exit the VMM's own: it goes on when nobody waits for it any more.
Errno VirtualMachine::kill(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive || m.ended) {
        return Errno::Esrch;
    }
    if (m.deps.probes.has(kExitOfAnother)) {
        return end(ctx, "killed");
    }
    Frame frame{ctx, "vm_kill"};
    begin_end(ctx, "killed");
    m.deps.scheduler.spawn(m.site.host + "/" + config_.name + "-exit", &m.deps.host_port,
                           [this](ExecContext& own) {
                               Impl& vmm = *impl_;
                               static_cast<void>(wait_for_vcpus(own, TimePs::max()));
                               vmm.exit_result = close_all(own, "killed");
                               vmm.exited = true;
                               own.wake_all(vmm.exiting);
                           });
    const TimePs deadline = ctx.now() + m.params.kill_timeout;
    while (!m.exited) {
        if (!ctx.wait_until(m.exiting, deadline) && ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
    }
    return m.exit_result;
}

Errno VirtualMachine::shutdown(ExecContext& ctx) {
    return end(ctx, "shutdown");
}

Errno VirtualMachine::end(ExecContext& ctx, const char* cause) {
    Impl& m = *impl_;
    if (!m.alive || m.ended) {
        return Errno::Esrch;
    }
    Frame frame{ctx, "vm_end"};
    begin_end(ctx, cause);
    const Errno stopped = wait_for_vcpus(ctx, ctx.now() + m.params.kill_timeout);
    return stopped == Errno::Ok ? close_all(ctx, cause) : stopped;
}

void VirtualMachine::begin_end(ExecContext& ctx, const char* cause) {
    trace::Recorder& recorder = impl_->deps.recorder;
    recorder.emit(ctx.source(), trace::VmEnding{recorder.name(config_.name), recorder.name(cause)});
    impl_->ended = true;
    impl_->alive = false;
    stop_guest(ctx);
}

Errno VirtualMachine::close_all(ExecContext& ctx, const char* cause) {
    Impl& m = *impl_;
    const Errno error = m.host->release(ctx);
    m.memory.clear();
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(),
                  trace::VmDestroy{recorder.name(config_.name), recorder.name(cause)});
    return error;
}

// vCPUs leave the guest at the next instruction, once what the host does for them has ended.
void VirtualMachine::stop_guest(ExecContext& ctx) {
    Impl& m = *impl_;
    for (const auto& callback : m.on_death) {
        callback();
    }
    m.control.ended = true;
    m.control.stopped = false;
    ctx.wake_all(m.control.resumed);
    ctx.wake_all(m.deaths);
    kick_vcpus(ctx);
}

void VirtualMachine::kick_vcpus(ExecContext& ctx) {
    for (const auto& vcpu : impl_->vcpus) {
        vcpu->kick(ctx);
    }
}

Errno VirtualMachine::wait_for_vcpus(ExecContext& ctx, TimePs deadline) {
    Impl& m = *impl_;
    while (m.migrating || m.resetting ||
           std::any_of(m.vcpus.begin(), m.vcpus.end(),
                       [](const auto& vcpu) { return vcpu->running(); })) {
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        ctx.wait_until(m.stopped, std::min(deadline, ctx.now() + m.params.kill_poll));
        // Who slept or waited for a processor at the first kick may be in the guest by now.
        for (const auto& vcpu : m.vcpus) {
            if (vcpu->in_guest_since(ctx.now())) {
                vcpu->kick(ctx);
            }
        }
    }
    return Errno::Ok;
}

// vCPUs end the access that they are at, and no other one begins: who is in the guest is kicked,
// who comes back on a processor behind that leaves the guest then (SIGSTOP reaches every thread).
Errno VirtualMachine::hang(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    if (m.migrating) {
        return Errno::Ebusy;
    }
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(), trace::VmHang{recorder.name(config_.name)});
    m.control.armed = true;
    m.control.stopped = true;
    m.control.hung = true;
    kick_vcpus(ctx);
    return Errno::Ok;
}

void VirtualMachine::wait_while_hung(ExecContext& ctx) {
    // A thread that was killed where it hung does nothing any more; its program ends.
    while (impl_->control.hung && impl_->alive) {
        ctx.wait(impl_->control.resumed);
    }
}

Errno VirtualMachine::vmm_reset(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    if (m.resetting) {
        return Errno::Ebusy;
    }
    Frame frame{ctx, "vm_reset"};
    stop_guest(ctx);
    const Errno stopped = wait_for_vcpus(ctx, ctx.now() + m.params.kill_timeout);
    if (stopped != Errno::Ok) {
        return stopped;
    }
    if (!m.alive) {
        return Errno::Eintr;  // it ended meanwhile: so does the thread that waited for its vCPUs
    }
    if (m.resetting) {
        return Errno::Ebusy;  // another one was first
    }
    m.resetting = true;  // who ends the machine waits for it: the set is in use
    const auto reset_devices = [&] {
        for (os::VirtualDeviceIf* device : m.virtual_devices) {
            if (device != nullptr) {
                static_cast<void>(device->reset(ctx));
            }
        }
    };
    const bool devices_last = m.deps.probes.has(kMemoryBeforeDevices);
    if (!devices_last) {
        reset_devices();
    }
    const Errno error = m.host->reset(ctx);
    m.viommu.reset();
    m.shadow.reset();
    m.pool.reset();
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(), trace::VmReset{recorder.name(config_.name)});
    if (devices_last) {
        reset_devices();
    }
    m.resetting = false;
    m.control.ended = false;  // whoever boots next finds processors that run
    ctx.wake_all(m.stopped);
    return error;
}

}  // namespace ioasim::vm
