// What a guest writes to the portal of a virtual device: mapped, submitted on its behalf, or kept
// while the device is paused.
#include <algorithm>
#include <utility>
#include <vector>

#include "core/trace/vdev_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kept_command.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/kvm.hpp"
#include "models/linux/vdcm_probes.hpp"
#include "models/linux/virtual_device.hpp"

namespace ioasim::os {

void VirtualDevice::tell_trapped(ExecContext& ctx, const char* outcome) {
    kernel_.emit(ctx, trace::VdevTrapped{vm_, trace_name_, kernel_.intern(outcome),
                                         static_cast<std::uint32_t>(state_.trapped.size())});
}

// Of one guest PASID, or all: what it stood for when the guest wrote them it stands for no more.
void VirtualDevice::drop_kept(ExecContext& ctx, std::optional<std::uint32_t> gpasid) {
    if (kernel_.probes().has(kVdcmKeptOutlivesQueue)) {
        return;
    }
    std::vector<TrappedDescriptor>& kept = state_.trapped;
    for (auto at = kept.begin(); at != kept.end();) {
        if (gpasid && at->gpasid != *gpasid) {
            ++at;
            continue;
        }
        at = kept.erase(at);
        tell_trapped(ctx, "dropped");
    }
}

// --- portals ------------------------------------------------------------------------------------

// What the guest has for handles are entries of storage, where the parent has it: its MSI-X pages
// are the parent's other ones.
dsa::Portal VirtualDevice::real_portal(dsa::Portal page) const {
    const bool few = dsa::limited(page);
    if (vectors_.offered()) {
        return few ? dsa::Portal::LimitedIms : dsa::Portal::UnlimitedIms;
    }
    return few ? dsa::Portal::LimitedMsix : dsa::Portal::UnlimitedMsix;
}

bool VirtualDevice::portal_fault(ExecContext& ctx, std::uint32_t queue, dsa::Portal page) {
    LockGuard guard{ctx, lock_};
    // An unlimited portal of a shared queue takes what others have no room for: not for guests.
    const bool offered = queue == 0 && (!shared() || dsa::limited(page));
    const bool may = open_ && !state_.paused && offered && state_.queues.front().enabled &&
                     window_ != nullptr && (!shared() || kvm_.vmcs().enable_pasid_translation);
    if (!may) {
        return false;
    }
    window_->map(queue, page, Hpa{setup_.parent->portal(setup_.queue, real_portal(page))});
    mapped_ = true;
    kernel_.emit(ctx, trace::VdevPortal{vm_, trace_name_, true});
    return true;
}

Errno VirtualDevice::trapped_submission(ExecContext& ctx, const TrappedDescriptor& descriptor) {
    LockGuard guard{ctx, lock_};
    // An ENQCMD that is not taken ends with Retry; a posted write is lost.
    const char* const not_taken = shared() ? "refused" : "dropped";
    if (!open_ || descriptor.queue != 0 || !state_.queues.front().enabled ||
        (shared() && bound_.count(descriptor.gpasid) == 0)) {
        tell_trapped(ctx, not_taken);
        return Errno::Einval;
    }
    if (state_.paused) {
        if (state_.trapped.size() >= state_.queues.front().config.size) {
            tell_trapped(ctx, not_taken);
            return Errno::Enospc;
        }
        state_.trapped.push_back(descriptor);
        tell_trapped(ctx, "kept");
        return Errno::Ok;
    }
    const Errno error = submit(ctx, descriptor);
    tell_trapped(ctx, error == Errno::Ok ? "submitted" : not_taken);
    return error;
}

// On the guest's behalf, by a processor in the host: under the host PASID, as MOVDIR64B or ENQCMDS.
Errno VirtualDevice::submit(ExecContext& ctx, const TrappedDescriptor& descriptor) {
    Device& parent = *setup_.parent;
    const Hpa portal{parent.portal(setup_.queue, real_portal(dsa::Portal::LimitedMsix))};
    if (!shared()) {
        kernel_.instructions().movdir64b(ctx, portal, descriptor.bytes);
        return Errno::Ok;
    }
    const auto bound = bound_.find(descriptor.gpasid);
    if (bound == bound_.end()) {
        return Errno::Einval;
    }
    const Ioasid id = bound->second;
    in_hand_ = descriptor.gpasid;
    TimePs backoff = kernel_.params().backoff_first;
    for (std::uint64_t attempt = 0; attempt <= kernel_.params().enqcmd_retries; ++attempt) {
        // UNBIND waits for no lock of ours: behind it the guest's number, and the host's, may stand
        // for another address space.
        if (!in_hand_ && !kernel_.probes().has(kVdcmResumesStale)) {
            return Errno::Einval;
        }
        if (submit_once(ctx, portal, id, descriptor)) {
            return Errno::Ok;
        }
        ctx.spend(backoff);
        backoff = std::min(backoff * 2, kernel_.params().backoff_limit);
    }
    return Errno::Eagain;
}

// Work of an UNBIND that comes between look-up and answer waits for the answer.
bool VirtualDevice::submit_once(ExecContext& ctx, Hpa portal, Ioasid id,
                                const TrappedDescriptor& descriptor) {
    const cpu::Descriptor64 bytes = kept_command(kernel_.probes(), id, descriptor.bytes);
    cpu::CpuState kernel;
    kernel.supervisor = true;
    submitting_ = id;
    const cpu::EnqResult result = kernel_.instructions().enqcmds(ctx, kernel, portal, bytes);
    submitting_ = kNoIoasid;
    ctx.wake_all(submitted_);
    return result.outcome == cpu::EnqOutcome::Accepted;
}

// --- pause and what follows ---------------------------------------------------------------------

Errno VirtualDevice::pause(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (!open_ || state_.paused) {
        return open_ ? Errno::Ebusy : Errno::Enodev;
    }
    state_.paused = true;
    unmap_portal(ctx);
    if (!kernel_.probes().has(kVdcmNoFlushingRead)) {
        static_cast<void>(setup_.parent->bar0(ctx, dsa::reg::kGensts, 4));
    }
    tell_state(ctx, "paused");
    return Errno::Ok;
}

Errno VirtualDevice::drain(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (!open_) {
        return Errno::Enodev;
    }
    if (shared()) {
        return drain_bound(ctx) == dsa::CommandError::None ? Errno::Ok : Errno::Eio;
    }
    if (!programmed_) {
        return Errno::Ok;
    }
    return run(ctx, dsa::Command::DrainWq) == dsa::CommandError::None ? Errno::Ok : Errno::Eio;
}

// Whoever takes them hands them on: nothing that happens to this device concerns them any more.
VirtualDeviceState VirtualDevice::save(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    VirtualDeviceState saved = state_;
    while (!state_.trapped.empty() && !kernel_.probes().has(kVdcmSavedStays)) {
        state_.trapped.erase(state_.trapped.begin());
        tell_trapped(ctx, "moved");
    }
    return saved;
}

Errno VirtualDevice::restore(ExecContext& ctx, const VirtualDeviceState& state) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (!open_) {
        return Errno::Enodev;
    }
    if (programmed_ || state.queues.size() != state_.queues.size() ||
        state.queues.front().shared != shared()) {
        return Errno::Einval;
    }
    drop_kept(ctx, std::nullopt);
    state_ = state;
    state_.paused = true;  // until resume
    if (!state_.trapped.empty()) {
        tell_trapped(ctx, "restored");
    }
    tell_state(ctx, "restored");
    return Errno::Ok;
}

Errno VirtualDevice::resume(ExecContext& ctx, CallingTask task) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (!open_ || !state_.paused) {
        return open_ ? Errno::Einval : Errno::Enodev;
    }
    VirtualQueueState& queue = state_.queues.front();
    if (queue.enabled && !queue.shared && !programmed_ &&
        enable_dedicated(ctx, task) != dsa::CommandError::None) {
        switch_off(ctx);
        return Errno::Enxio;
    }
    const Errno left = hand_on(ctx);
    if (left == Errno::Ok) {
        state_.paused = false;
        tell_state(ctx, "resumed");
    }
    return left;
}

// Oldest first. What waits for its turn stays where an UNBIND that comes meanwhile finds it.
Errno VirtualDevice::hand_on(ExecContext& ctx) {
    std::vector<TrappedDescriptor>& kept = state_.trapped;
    while (!kept.empty()) {
        const TrappedDescriptor descriptor = kept.front();
        kept.erase(kept.begin());
        const Errno error = submit(ctx, descriptor);
        if (error == Errno::Eagain && !kernel_.probes().has(kVdcmResumeLoses)) {
            kept.insert(kept.begin(), descriptor);
            return error;
        }
        tell_trapped(ctx, error == Errno::Ok ? "submitted" : "dropped");
    }
    return Errno::Ok;
}

}  // namespace ioasim::os
