// Commands of a guest to its virtual device. A dedicated queue's go to the real queue; a shared
// queue serves others, too: enabling it changes the virtual state alone, and disabling, aborting
// or resetting it waits for what this VM's PASIDs have in it.
#include "core/trace/vdev_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/queue_probes.hpp"
#include "models/linux/vdcm_probes.hpp"
#include "models/linux/virtual_device.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

using dsa::Command;
using dsa::CommandError;
namespace config = pcie::config;

const char* name_of(Command command) {
    switch (command) {
        case Command::EnableDevice:
            return "enable_device";
        case Command::DisableDevice:
            return "disable_device";
        case Command::DrainAll:
            return "drain_all";
        case Command::AbortAll:
            return "abort_all";
        case Command::ResetDevice:
            return "reset_device";
        case Command::EnableWq:
            return "enable_wq";
        case Command::DisableWq:
            return "disable_wq";
        case Command::DrainWq:
            return "drain_wq";
        case Command::AbortWq:
            return "abort_wq";
        case Command::ResetWq:
            return "reset_wq";
        case Command::DrainPasid:
            return "drain_pasid";
        case Command::AbortPasid:
            return "abort_pasid";
        case Command::RequestInterruptHandle:
            return "request_handle";
        case Command::ReleaseInterruptHandle:
            return "release_handle";
        default:
            return "unknown";
    }
}

}  // namespace

void VirtualDevice::command(ExecContext& ctx, CallingTask task, std::uint32_t value) {
    if (state_.status.active) {  // another vCPU's
        state_.error.overflow = state_.error.overflow || state_.error.valid;
        if (!state_.error.valid) {
            state_.error = dsa::SoftwareError{};
            state_.error.valid = true;
            state_.error.error = dsa::kSwErrorCommandActive;
        }
        return;
    }
    const auto code = static_cast<Command>(get_bits(value, 24, 20));
    const auto operand = static_cast<std::uint32_t>(get_bits(value, 19, 0));
    state_.status = dsa::CommandStatus{true, CommandError::None, 0};
    CommandError error = CommandError::None;
    {
        Frame frame{ctx, "vdcm_command"};
        LockGuard guard{ctx, lock_};
        error = execute(ctx, task, code, operand);
        const bool handle = code == Command::RequestInterruptHandle && error == CommandError::None;
        state_.status = dsa::CommandStatus{false, error, handle ? *vectors_.entry() : 0};
    }
    kernel_.emit(ctx, trace::VdevCommand{vm_, trace_name_, kernel_.intern(name_of(code)), operand,
                                         trace::Hex{static_cast<std::uint64_t>(error)}});
}

CommandError VirtualDevice::execute(ExecContext& ctx, CallingTask task, Command code,
                                    std::uint32_t operand) {
    switch (code) {
        case Command::EnableDevice:
            return enable_device();
        case Command::EnableWq:
            return enable_queue(ctx, task, operand);
        case Command::DisableWq:
        case Command::DrainWq:
        case Command::AbortWq:
        case Command::ResetWq: {
            const CommandError wrong = check_queue(operand);
            return wrong != CommandError::None ? wrong : on_queue(ctx, code);
        }
        case Command::DrainAll:
        case Command::AbortAll:
            return on_queue(ctx, code == Command::DrainAll ? Command::DrainWq : Command::AbortWq);
        case Command::DisableDevice: {
            if (state_.state != dsa::DeviceState::Enabled) {
                return CommandError::DeviceNotEnabled;
            }
            const CommandError error = on_queue(ctx, Command::DisableWq);
            state_.state = dsa::DeviceState::Disabled;
            return error;
        }
        case Command::ResetDevice: {
            const CommandError error = on_queue(ctx, Command::ResetWq);
            if (error == CommandError::None) {
                vectors_.reset(ctx);
            }
            drop_kept(ctx, std::nullopt);  // also of a queue that did not stop
            const VirtualDeviceState before = state_;
            initial_state();  // configuration space is the function's
            state_.command = before.command;
            state_.pasid_control = before.pasid_control;
            state_.ats_control = before.ats_control;
            state_.pri_control = before.pri_control;
            state_.paused = before.paused;
            return error;
        }
        case Command::DrainPasid:
        case Command::AbortPasid:
            return on_pasid(ctx, task, code, operand);
        case Command::RequestInterruptHandle:
            return vectors_.offered() ? request_handle(operand) : CommandError::UnknownCommand;
        case Command::ReleaseInterruptHandle:
            if (!vectors_.offered()) {
                return CommandError::UnknownCommand;
            }
            if (vectors_.entry() != operand) {
                return CommandError::BadInterruptIndex;
            }
            vectors_.clear(ctx);  // what still names it is the guest's own loss
            return CommandError::None;
        default:
            return CommandError::UnknownCommand;
    }
}

CommandError VirtualDevice::enable_device() {
    if (state_.state != dsa::DeviceState::Disabled) {
        return CommandError::DeviceAlreadyEnabled;
    }
    const bool pasid = (state_.pasid_control & config::kPasidEnable) != 0;
    const bool ats = (state_.ats_control & config::kAtsEnable) != 0;
    const bool requests = (state_.pri_control & config::kPriEnable) != 0;
    if ((state_.command & config::kBusMaster) == 0 || pasid != requests || (pasid && !ats)) {
        return CommandError::BusMasterOff;
    }
    state_.state = dsa::DeviceState::Enabled;
    return CommandError::None;
}

CommandError VirtualDevice::enable_queue(ExecContext& ctx, CallingTask task, std::uint32_t index) {
    if (index >= state_.queues.size()) {
        return CommandError::BadWqIndex;
    }
    VirtualQueueState& queue = state_.queues[index];
    if (state_.state != dsa::DeviceState::Enabled) {
        return CommandError::WqDeviceNotEnabled;
    }
    if (queue.enabled) {
        return CommandError::WqAlreadyEnabled;
    }
    if (queue.config.dedicated == queue.shared) {
        return CommandError::WqMode;
    }
    const bool function_pasid = (state_.pasid_control & config::kPasidEnable) != 0;
    if ((queue.shared && !queue.config.pasid_enable) ||
        (queue.config.pasid_enable && !function_pasid)) {
        return CommandError::WqPasidEnable;
    }
    const CommandError error = queue.shared ? CommandError::None : enable_dedicated(ctx, task);
    queue.enabled = error == CommandError::None;
    return error;
}

CommandError VirtualDevice::enable_dedicated(ExecContext& ctx, CallingTask task) {
    if (programmed_) {
        return CommandError::WqAlreadyEnabled;  // it did not stop
    }
    const std::uint32_t gpasid = state_.queues.front().gpasid();
    const bool referenced = !kernel_.probes().has(kVdcmQueueUnreferenced);
    Programmed what{host_pasid(ctx, task, gpasid, referenced)};
    if (!is_valid(what.id) && kernel_.probes().has(kVdcmRawGuestPasid)) {
        what = Programmed{HostPasid{Ioasid{gpasid}, Spid{gpasid}, false}};
    }
    if (!is_valid(what.id)) {
        return CommandError::WqPasidEnable;  // -ENXIO: the hardware is not touched
    }
    CommandError status = CommandError::None;
    return program(ctx, what, status) == Errno::Ok ? CommandError::None : status;
}

// What a guest's queue or vector works under: what its guest PASID stands for, or without one the
// default PASID.
HostPasid VirtualDevice::host_pasid(ExecContext& ctx, CallingTask task, std::uint32_t gpasid,
                                    bool get) {
    return gpasid == 0 ? default_pasid(ctx, get)
                       : HostPasid{translate(ctx, task, gpasid, get), Spid{gpasid}, get};
}

// Vector 0 is emulated, and has no handle.
CommandError VirtualDevice::request_handle(std::uint32_t vector) {
    if (vector != VirtualVectors::kStored) {
        return CommandError::BadInterruptIndex;
    }
    return vectors_.entry() ? CommandError::None : CommandError::NoInterruptHandle;
}

Ioasid VirtualDevice::translate(ExecContext& ctx, CallingTask task, std::uint32_t gpasid,
                                bool get) {
    IoasidSet* const set =
        task.mm != 0 && gpasid != 0 ? kernel_.ioasid().find_mm_set(ctx, task.mm) : nullptr;
    return set == nullptr ? kNoIoasid
                          : kernel_.ioasid().find_by_spid(ctx, set, Spid{gpasid}, get, holder_);
}

// Operand: a mask of 16 queues and which 16.
CommandError VirtualDevice::check_queue(std::uint32_t operand) const {
    if (operand != dsa::wq_mask_operand(0)) {
        return CommandError::BadWqIndex;
    }
    return state_.queues.front().enabled ? CommandError::None : CommandError::WqNotEnabled;
}

CommandError VirtualDevice::on_queue(ExecContext& ctx, Command code) {
    if (!state_.queues.front().enabled) {
        return CommandError::None;
    }
    if (code == Command::DisableWq || code == Command::ResetWq) {
        return stop_queue(ctx, code);
    }
    return shared() ? drain_bound(ctx) : run(ctx, code);
}

// The guest's own disable: what it still writes to the portal is its own loss.
CommandError VirtualDevice::stop_queue(ExecContext& ctx, Command code) {
    CommandError error = CommandError::None;
    if (shared()) {
        error = drain_bound(ctx);
    } else {
        if (kernel_.probes().has(kVdcmPutBeforeClear)) {
            put(ctx);
        }
        if (code == Command::ResetWq) {
            error = run(ctx, Command::AbortWq);
        }
        const CommandError disabled = run(ctx, Command::DisableWq);
        error = disabled != CommandError::None ? disabled : error;
    }
    if (error != CommandError::None) {
        return error;  // the real queue may work on: the reference stays
    }
    clear_queue(ctx);
    switch_off(ctx);
    return CommandError::None;
}

// Nothing is bound under the number: nothing of it can be in the device.
CommandError VirtualDevice::on_pasid(ExecContext& ctx, CallingTask task, Command code,
                                     std::uint32_t gpasid) {
    if (code == Command::DrainPasid && kernel_.probes().has(kGuestDrainUnknown)) {
        return CommandError::UnknownCommand;
    }
    const Ioasid id = translate(ctx, task, gpasid, false);
    if (!is_valid(id)) {
        return CommandError::None;
    }
    CommandError status = CommandError::None;
    static_cast<void>(setup_.parent->run(ctx, code, id.value(), status));
    return status;
}

CommandError VirtualDevice::drain_bound(ExecContext& ctx) {
    CommandError result = CommandError::None;
    const std::map<std::uint32_t, Ioasid> bound = bound_;  // events may come meanwhile
    for (const auto& [gpasid, id] : bound) {
        CommandError status = CommandError::None;
        static_cast<void>(setup_.parent->run(ctx, Command::DrainPasid, id.value(), status));
        result = status != CommandError::None ? status : result;
    }
    return result;
}

CommandError VirtualDevice::run(ExecContext& ctx, Command code) {
    CommandError status = CommandError::None;
    const std::uint32_t operand =
        code == Command::EnableWq ? setup_.queue : dsa::wq_mask_operand(setup_.queue);
    static_cast<void>(setup_.parent->run(ctx, code, operand, status));
    return status;
}

}  // namespace ioasim::os
