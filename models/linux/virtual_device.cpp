#include "models/linux/virtual_device.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/linux/aux_domain_probes.hpp"
#include "models/linux/aux_domains.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/kvm.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/vdcm_probes.hpp"

namespace ioasim::os {

// W2 of a dedicated queue: what UNBIND asks for, outside of the allocator lock.
class VirtualDevice::Clear final : public WorkItem {
public:
    Clear(VirtualDevice& device, const NotifierPayload& about)
        : WorkItem(about.id), device_(device), spid_(about.spid) {}
    const std::string& name() const override {
        static const std::string kName = "vdcm.clear_queue";
        return kName;
    }
    void run(ExecContext& ctx) override {
        Frame frame{ctx, "vdcm_clear_queue"};
        while (device_.submitting_ == id()) {
            ctx.wait(device_.submitted_);
        }
        LockGuard guard{ctx, device_.lock_};
        bool quiet = true;
        if (device_.programmed_ && device_.programmed_->id == id()) {
            if (!device_.take_away(ctx)) {
                return;  // it did not stop
            }
        } else if (device_.shared()) {
            quiet = finish_pasid(ctx, device_.kernel_, device_.parent(), Pasid{id().value()});
        }
        if (quiet && device_.vectors_.holds(id())) {
            device_.vectors_.clear(ctx);
        }
        device_.kernel_.emit(ctx, trace::VdcmUnbind{device_.trace_name_, device_.vm_, spid_, id()});
    }
    void finished() override { delete this; }

private:
    VirtualDevice& device_;
    Spid spid_;
};

VirtualDevice::VirtualDevice(Kernel& kernel, Kvm& kvm, const Setup& setup)
    : NotifierBlock("vdcm/" + setup.vm + "/" + setup.name, kPriorityDevice),
      kernel_(kernel),
      kvm_(kvm),
      setup_(setup),
      vm_(kernel.intern(setup.vm)),
      trace_name_(kernel.intern(setup.name)),
      parent_name_(kernel.intern(setup.parent->name())),
      queue_name_(kernel.intern(setup.parent->setup().queues.at(setup.queue).name)),
      holder_(kernel.ioasid().holder("vdcm/" + setup.vm + "/" + setup.name)),
      lock_(SimLock::Kind::Mutex, setup.vm + "/" + setup.name + "/vdev_lock", "vdcm/vdev_lock"),
      closed_(setup.vm + "/" + setup.name + "/closed"),
      vectors_(kernel, *setup.parent, setup.vm, setup.name, holder_),
      submitted_(setup.vm + "/" + setup.name + "/submitted") {
    initial_state();
}

VirtualDevice::~VirtualDevice() = default;

void VirtualDevice::initial_state() {
    const QueueSetup& real = setup_.parent->setup().queues.at(setup_.queue);
    state_ = VirtualDeviceState{};
    VirtualQueueState queue;
    queue.shared = real.shared;
    queue.config.size = real.size;
    queue.config.threshold = real.shared ? (real.threshold != 0 ? real.threshold : real.size) : 0;
    queue.config.dedicated = !real.shared;
    queue.config.priority = real.priority;
    const dsa::GeneralCapabilities gencap = dsa::decode_gencap(gencap_);
    queue.config.max_transfer_shift = gencap.max_transfer_shift;
    queue.config.max_batch_shift = gencap.max_batch_shift;
    state_.queues = {queue};
}

void VirtualDevice::tell_state(ExecContext& ctx, const char* what) {
    kernel_.emit(ctx, trace::VdevState{vm_, trace_name_, kernel_.intern(what)});
}

void VirtualDevice::tell_queue(ExecContext& ctx, bool on, const Programmed& what) {
    kernel_.emit(ctx, trace::VdevQueue{vm_, trace_name_, queue_name_, on, what.spid, what.id});
}

// --- life ---------------------------------------------------------------------------------------

Errno VirtualDevice::open(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vdcm_open"};
    LockGuard guard{ctx, lock_};
    if (open_ || unregistered_) {
        return open_ ? Errno::Ebusy : Errno::Enodev;
    }
    Device& parent = *setup_.parent;
    if (parent_resets() || (!shared() && !parent.claim_queue(setup_.queue))) {
        return Errno::Ebusy;
    }
    gencap_ = parent.bar0(ctx, dsa::reg::kGencap, 8);
    if (parent_resets()) {  // since it was asked: what it said may be nothing
        if (!shared()) {
            parent.unclaim_queue(setup_.queue);
        }
        return Errno::Ebusy;
    }
    if (!shared()) {
        // The host's driver enabled it without a PASID; from here on the guest says when.
        static_cast<void>(run(ctx, dsa::Command::DisableWq));
    }
    initial_state();
    open_ = true;
    abandoned_ = false;
    tell_state(ctx, "opened");
    return Errno::Ok;
}

bool VirtualDevice::parent_resets() const {
    const IommuGroup* const group = setup_.parent->group();
    return group != nullptr && group->resetting() && !kernel_.probes().has(kVdcmOpenedInReset);
}

Errno VirtualDevice::attach_memory(ExecContext& ctx) {
    if (setup_.memory == nullptr || !open_) {
        return Errno::Ok;
    }
    const Errno error =
        kernel_.aux_domains().attach(ctx, *setup_.memory, setup_.vm, *setup_.parent);
    memory_attached_ = error == Errno::Ok;
    return error;
}

void VirtualDevice::detach_memory(ExecContext& ctx) {
    if (std::exchange(memory_attached_, false)) {
        kernel_.aux_domains().detach(ctx, *setup_.memory, *setup_.parent);
    }
}

// Of the VM's memory, where that is an auxiliary domain of the parent.
HostPasid VirtualDevice::default_pasid(ExecContext& ctx, bool get) {
    const Spid none{0};
    if (!memory_attached_) {
        return {kNoIoasid, none, false};
    }
    if (kernel_.probes().has(kAuxDefaultForeign) && !bound_.empty()) {
        return {bound_.begin()->second, none, false};
    }
    AuxDomains& domains = kernel_.aux_domains();
    const Ioasid id = domains.pasid(*setup_.memory, *setup_.parent);
    if (get && kernel_.ioasid().get(ctx, domains.set(), id, holder_) != Errno::Ok) {
        return {kNoIoasid, none, false};  // it is being freed
    }
    return {id, none, get};
}

void VirtualDevice::close(ExecContext& ctx, CallingTask task, const char* how) {
    if (!open_) {
        return;
    }
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vdcm_release"};
    LockGuard guard{ctx, lock_};
    open_ = false;  // no submission is let in any more
    if (kernel_.probes().has(kVdcmTrappedKept)) {
        for (const TrappedDescriptor& descriptor : state_.trapped) {
            static_cast<void>(submit(ctx, descriptor));
        }
    }
    const bool forgets = kernel_.probes().has(kVdcmReleaseByCurrentMm) &&
                         kernel_.ioasid().find_mm_set(ctx, task.mm) == nullptr;
    if (!state_.trapped.empty()) {
        state_.trapped.clear();
        tell_trapped(ctx, "freed");
    }
    if (kernel_.probes().has(kVectorClearedEarly)) {
        vectors_.clear(ctx);
    }
    if (shared()) {
        unmap_portal(ctx);
        for (const auto& [gpasid, id] : std::map<std::uint32_t, Ioasid>(bound_)) {
            stop_faults(ctx, *setup_.parent, Pasid{id.value()});
        }
        if (drain_bound(ctx) == dsa::CommandError::None) {
            vectors_.reset(ctx);
        }
    } else {
        const bool free = forgets || take_away(ctx);
        if (free) {
            vectors_.reset(ctx);
        }
        if (!forgets && free) {
            static_cast<void>(run(ctx, dsa::Command::EnableWq));  // the host driver's, as it was
        }
        if (free) {
            setup_.parent->unclaim_queue(setup_.queue);
        }
    }
    detach_memory(ctx);  // behind the queue, which may have worked under it
    initial_state();
    tell_state(ctx, how);
    ctx.wake_all(closed_);
}

Errno VirtualDevice::remove(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vfio_unregister_group_dev"};
    unregistered_ = true;
    while (open_ && !kernel_.probes().has(kVdcmRemoveDoesNotWait)) {
        requested_ = true;
        tell_state(ctx, "close_requested");
        const TimePs next = ctx.now() + kernel_.params().request_interval;
        while (open_ && ctx.now() < next) {
            ctx.wait_until(closed_, next);
        }
    }
    LockGuard guard{ctx, lock_};  // whoever closes it is through
    tell_state(ctx, "unregistered");
    return Errno::Ok;
}

Errno VirtualDevice::reset(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vdcm_reset"};
    LockGuard guard{ctx, lock_};
    if (!open_) {
        return Errno::Enodev;
    }
    drop_kept(ctx, std::nullopt);
    Errno error = Errno::Ok;
    if (shared()) {
        unmap_portal(ctx);
        for (const auto& [gpasid, id] : std::map<std::uint32_t, Ioasid>(bound_)) {
            stop_faults(ctx, *setup_.parent, Pasid{id.value()});
        }
        static_cast<void>(drain_bound(ctx));
    } else {
        if (programmed_) {
            static_cast<void>(run(ctx, dsa::Command::AbortWq));
        }
        error = take_away(ctx) ? Errno::Ok : Errno::Eio;
    }
    if (error == Errno::Ok) {
        vectors_.reset(ctx);
    }
    // What is bound stays bound: its address space serves faults again.
    for (const auto& [gpasid, id] : std::map<std::uint32_t, Ioasid>(bound_)) {
        allow_faults(*setup_.parent, Pasid{id.value()});
    }
    initial_state();
    tell_state(ctx, "reset");
    return error;
}

// --- notifications ------------------------------------------------------------------------------

NotifyResult VirtualDevice::handle(ExecContext& ctx, const NotifierPayload& payload) {
    switch (payload.event) {
        case IoasidNotification::Bind:
            bound_[payload.spid.value()] = payload.id;
            return NotifyResult::Ok;
        case IoasidNotification::Unbind:
            bound_.erase(payload.spid.value());
            if (in_hand_ == payload.spid.value()) {
                in_hand_.reset();
            }
            if (shared()) {
                drop_kept(ctx, payload.spid.value());
            }
            // A disabled queue has nothing to clear; what shared queues need is the drain's work.
            if (((programmed_ && programmed_->id == payload.id && !programmed_->stuck) ||
                 submitting_ == payload.id ||
                 (vectors_.holds(payload.id) && !kernel_.probes().has(kVectorUnreferenced))) &&
                !kernel_.probes().has(kVdcmUnbindIgnored)) {
                kernel_.ioasid().queue_work(ctx,
                                            *std::make_unique<Clear>(*this, payload).release());
            }
            return NotifyResult::Ok;
        default:
            return NotifyResult::Done;
    }
}

// --- the real queue -----------------------------------------------------------------------------

// With its reference, if it has one: what UNBIND goes by comes before the hardware, which takes its
// time. Work of an UNBIND that comes meanwhile waits for the lock and finds the queue set.
Errno VirtualDevice::program(ExecContext& ctx, const Programmed& what, dsa::CommandError& status) {
    Device& parent = *setup_.parent;
    const bool late = kernel_.probes().has(kVdcmProgrammedLate);
    if (!late) {
        programmed_ = what;
    }
    parent.set_queue_config_pasid(ctx, setup_.queue, Pasid{what.id.value()});
    const Errno error = parent.run(ctx, dsa::Command::EnableWq, setup_.queue, status);
    if (late) {
        programmed_ = what;
    }
    if (error != Errno::Ok) {
        clear_queue(ctx);
        return error;
    }
    tell_queue(ctx, true, what);
    return Errno::Ok;
}

// The queue is disabled: no PASID in its WQCFG, then no reference.
void VirtualDevice::clear_queue(ExecContext& ctx) {
    if (!programmed_) {
        return;
    }
    const Programmed what = *programmed_;
    setup_.parent->set_queue_config_pasid(ctx, setup_.queue, std::nullopt);
    // Register writes are posted: behind this answer the queue names the ID no more.
    static_cast<void>(setup_.parent->bar0(ctx, dsa::reg::kGensts, 4));
    tell_queue(ctx, false, what);
    put(ctx);
    programmed_.reset();
}

void VirtualDevice::put(ExecContext& ctx) {
    if (programmed_ && std::exchange(programmed_->held, false)) {
        kernel_.ioasid().put(ctx, nullptr, programmed_->id, holder_);
    }
}

// The host ends a dedicated queue's work for the VM. In this order: the disabled queue takes
// nothing, the guest cannot write to the portal, and what it wrote before has arrived. False: the
// queue did not stop, and nothing of it is given back.
bool VirtualDevice::take_away(ExecContext& ctx) {
    switch_off(ctx);
    if ((!programmed_ && !mapped_) || (programmed_ && programmed_->stuck)) {
        return !programmed_;
    }
    if (kernel_.probes().has(kVdcmPutBeforeClear)) {
        put(ctx);
    }
    // Work that waits for a page which nobody brings any more would hold up the disable.
    if (programmed_ && abandoned_ && setup_.parent->page_requests()) {
        if (!kernel_.probes().has(kVdcmReleaseOnlyDrains)) {
            static_cast<void>(run(ctx, dsa::Command::AbortWq));
        }
    } else if (programmed_) {
        stop_faults(ctx, *setup_.parent, Pasid{programmed_->id.value()});
    }
    const bool stopped = !programmed_ || stop_real_queue(ctx);
    unmap_portal(ctx);
    if (!kernel_.probes().has(kVdcmNoFlushingRead)) {
        static_cast<void>(setup_.parent->bar0(ctx, dsa::reg::kGensts, 4));
    }
    if (!stopped) {
        programmed_->stuck = true;
        return false;
    }
    kernel_.emit(ctx, trace::VdevQuiet{vm_, parent_name_, queue_name_});
    clear_queue(ctx);
    return true;
}

// Disabled, which drains it, or reset, which aborts what does not drain. A queue that was disabled
// before has nothing left.
bool VirtualDevice::stop_real_queue(ExecContext& ctx) {
    const auto ended = [](dsa::CommandError error) {
        return error == dsa::CommandError::None || error == dsa::CommandError::WqNotEnabled;
    };
    if (ended(run(ctx, dsa::Command::DisableWq)) || ended(run(ctx, dsa::Command::ResetWq)) ||
        device_halted(ctx, *setup_.parent)) {
        return true;
    }
    tell_drain_failed(ctx, kernel_, *setup_.parent);
    return kernel_.probes().has(kFailedDrainIgnored);
}

// The guest's queue is off, and what was kept for it goes the way of posted writes to a queue that
// is disabled: who enables it next does so under another PASID.
void VirtualDevice::switch_off(ExecContext& ctx) {
    state_.queues.front().enabled = false;
    drop_kept(ctx, std::nullopt);
}

void VirtualDevice::unmap_portal(ExecContext& ctx) {
    if (!mapped_ || window_ == nullptr || kernel_.probes().has(kVdcmPortalLeftMapped)) {
        return;
    }
    mapped_ = false;
    window_->unmap(0);
    if (!kernel_.probes().has(kVdcmNoKick)) {
        kvm_.kick_all(ctx);
    }
    kernel_.emit(ctx, trace::VdevPortal{vm_, trace_name_, false});
}

}  // namespace ioasim::os
