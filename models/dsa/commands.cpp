#include "models/dsa/commands.hpp"

#include <algorithm>
#include <bitset>

#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {
namespace {

// Of Request (an entry) and Release Interrupt Handle (a handle).
InterruptHandle handle_of(std::uint32_t operand) {
    return {static_cast<std::uint32_t>(get_bits(operand, 15, 0)),
            (operand & kHandleOfStorage) != 0};
}

}  // namespace

CommandUnit::CommandUnit(const DeviceShared& shared, const Function& function, Registers& registers,
                         std::vector<Workqueue>& wqs, Engines& engines)
    : shared_(shared), function_(function), registers_(registers), wqs_(wqs), engines_(engines) {}

void CommandUnit::tell_state(std::uint32_t wq) const {
    const WqConfig& config = wqs_[wq].config();
    const Pasid pasid{config.dedicated && config.pasid_enable ? config.pasid : kInvalidIoasid};
    shared_.emit(trace::DsaWqState{shared_.names.device, shared_.names.wqs[wq],
                                   wqs_[wq].state() == WqState::Enabled, !config.dedicated, pasid,
                                   config.size});
}

void CommandUnit::write(TimePs now, std::uint32_t value, std::uint64_t last_accepted) {
    if (active_) {
        SoftwareError error;
        error.error = kSwErrorCommandActive;
        registers_.report(now, error);
        return;
    }
    Active command;
    command.command = static_cast<Command>(get_bits(value, 24, 20));
    command.operand = static_cast<std::uint32_t>(get_bits(value, 19, 0));
    command.interrupt = get_bit(value, 31);
    command.last_accepted = last_accepted;
    command.started = now;
    command.done_at = now + shared_.params.command;
    command.error = shared_.probes.fails(kCommandFails, shared_.config.name)
                        ? CommandError::HardwareError
                        : check(command);
    active_ = command;
    result_ = 0;
    registers_.command_status() = CommandStatus{true, CommandError::None, 0};
    if (command.error == CommandError::None) {
        begin(now);
    }
}

// --- what is refused ---

CommandError CommandUnit::check(const Active& command) const {
    const InterruptTables& interrupts = registers_.interrupts();
    if (!registers_.implements(command.command)) {
        return CommandError::UnknownCommand;
    }
    const bool revives =
        command.command == Command::ResetDevice && registers_.reset_type() == ResetType::Software;
    if (registers_.state() == DeviceState::Halt && !revives) {
        return CommandError::DeviceHalted;
    }
    switch (command.command) {
        case Command::EnableDevice:
            return check_enable_device();
        case Command::DisableDevice:
            return registers_.state() == DeviceState::Enabled ? CommandError::None
                                                              : CommandError::DeviceNotEnabled;
        case Command::EnableWq:
            return check_enable_wq(command.operand);
        case Command::DisableWq:
        case Command::DrainWq:
        case Command::AbortWq:
            return check_wq_mask(mask_of(command.operand));
        case Command::ResetWq:
            return check_wq_mask(mask_of(command.operand), true);
        case Command::DrainAll:
        case Command::AbortAll:
        case Command::ResetDevice:
        case Command::DrainPasid:
        case Command::AbortPasid:
            return CommandError::None;
        case Command::RequestInterruptHandle:
            if (!interrupts.exists(handle_of(command.operand))) {
                return CommandError::BadInterruptIndex;
            }
            return interrupts.free_handle() ? CommandError::None : CommandError::NoInterruptHandle;
        case Command::ReleaseInterruptHandle:
            return interrupts.requested(handle_of(command.operand))
                       ? CommandError::None
                       : CommandError::BadInterruptIndex;
    }
    return CommandError::UnknownCommand;
}

CommandError CommandUnit::check_enable_device() const {
    if (registers_.state() != DeviceState::Disabled) {
        return CommandError::DeviceAlreadyEnabled;
    }
    if (const CommandError error = check_function(); error != CommandError::None) {
        return error;
    }
    std::uint64_t entries = 0;
    for (const Workqueue& wq : wqs_) {
        entries += wq.config().size;
    }
    return entries > shared_.params.total_entries ? CommandError::WqSizeSum : check_groups();
}

// Pages are asked for after a translation, and by PASID, with credits that software has granted.
CommandError CommandUnit::check_function() const {
    const pcie::ConfigView& view = function_.view();
    if (!view.bus_master) {
        return CommandError::BusMasterOff;
    }
    const bool credits = lax() || (view.page_request_allocation != 0 &&
                                   view.page_request_allocation <= shared_.params.page_capacity);
    if (view.page_requests && !(view.ats && view.pasid && credits)) {
        return CommandError::PageRequestAllocation;
    }
    return registers_.log_enabled() && !lax() ? check_event_log() : CommandError::None;
}

CommandError CommandUnit::check_event_log() const {
    const EventLogConfig log = registers_.log_config();
    const pcie::ConfigView& view = function_.view();
    const std::uint64_t bytes = log.entries * kLogEntryBytes;
    if (log.entries < kMinLogEntries || log.base + (bytes - 1) < log.base) {
        return CommandError::EventLog;
    }
    const bool pasid_off = log.pasid_enable && !view.pasid;
    const bool privilege_off = log.privileged && !(log.pasid_enable && view.pasid_privileged);
    return pasid_off || privilege_off ? CommandError::Pasid : CommandError::None;
}

bool CommandUnit::lax() const {
    return shared_.probes.has(kEnableUnchecked);
}

CommandError CommandUnit::check_groups() const {
    std::uint64_t engines_taken = 0;
    if (!read_buffers_fit()) {
        return CommandError::GroupReadBuffers;
    }
    if (const CommandError error = check_group_flags(); error != CommandError::None) {
        return error;
    }
    for (std::uint32_t g = 0; g < registers_.groups(); ++g) {
        const GroupConfig& group = registers_.group(g);
        const std::uint64_t no_such = ~bit_mask(engines_.count() - 1, 0);
        if ((group.engines & (no_such | engines_taken)) != 0) {
            return CommandError::GroupEngines;
        }
        if (group.no_wq() != (group.engines == 0)) {
            return CommandError::GroupHalfEmpty;
        }
        engines_taken |= group.engines;
    }
    return check_group_wqs();
}

// GRPCAP says that there is no global limit of read buffers, none of bandwidth, none of progress.
CommandError CommandUnit::check_group_flags() const {
    for (std::uint32_t g = 0; g < registers_.groups() && !lax(); ++g) {
        const std::uint64_t flags = registers_.group(g).flags;
        if ((flags & kGroupLimits) != 0) {
            return CommandError::GroupReadBuffers;
        }
        if ((flags & kGroupReserved) != 0) {
            return CommandError::DeviceConfiguration;
        }
    }
    return CommandError::None;
}

CommandError CommandUnit::check_group_wqs() const {
    for (std::uint32_t wq = 0; wq < kGroupWqBits; ++wq) {
        std::uint32_t groups = 0;
        for (std::uint32_t g = 0; g < registers_.groups(); ++g) {
            groups += registers_.group(g).has_wq(wq) ? 1 : 0;
        }
        const bool active = wq < wqs_.size() && wqs_[wq].config().size != 0;
        const bool left_out = active && groups == 0 && !lax();
        if (groups > 1 || (groups != 0 && !active) || left_out) {
            return CommandError::GroupWqs;
        }
    }
    return CommandError::None;
}

bool CommandUnit::read_buffers_fit() const {
    std::uint64_t reserved = 0;
    for (std::uint32_t g = 0; g < registers_.groups(); ++g) {
        // Only what has engines keeps any (5.1).
        reserved += registers_.group(g).engines != 0 ? registers_.group(g).buffers().reserved : 0;
    }
    if (reserved > shared_.params.read_buffers) {
        return false;
    }
    const std::uint64_t pool = shared_.params.read_buffers - reserved;
    for (std::uint32_t g = 0; g < registers_.groups(); ++g) {
        const GroupBuffers b = registers_.group(g).buffers();
        const auto engines = std::bitset<kMaxEngines>(registers_.group(g).engines).count();
        const std::uint64_t least = lax() ? 1 : kBuffersOfEngine * engines;
        if (engines != 0 &&
            (b.allowed < least || b.allowed < b.reserved || b.allowed > b.reserved + pool)) {
            return false;
        }
    }
    return true;
}

CommandError CommandUnit::check_enable_wq(std::uint32_t index) const {
    if (index >= wqs_.size()) {
        return CommandError::BadWqIndex;
    }
    if (registers_.state() != DeviceState::Enabled) {
        return CommandError::WqDeviceNotEnabled;
    }
    const Workqueue& wq = wqs_[index];
    const WqConfig& c = wq.config();
    if (wq.state() != WqState::Disabled) {
        return CommandError::WqAlreadyEnabled;
    }
    if (c.size == 0) {
        return CommandError::WqSize;
    }
    if (c.priority == 0) {
        return CommandError::WqPriority;
    }
    const bool may_block =
        shared_.params.block_on_fault && (lax() || function_.view().page_requests);
    if (c.block_on_fault && !may_block) {
        return CommandError::WqBlockOnFault;
    }
    const CommandError error = check_wq_pasid(c);
    return error != CommandError::None ? error : check_wq_limits(c);
}

// A shared workqueue takes its PASIDs from submissions.
CommandError CommandUnit::check_wq_pasid(const WqConfig& c) const {
    const bool sent = c.pasid_enable && (lax() || function_.view().pasid);
    if (c.pasid_enable ? !sent : !c.dedicated) {
        return CommandError::WqPasidEnable;
    }
    const bool privileged = c.dedicated && c.pasid_enable && c.privileged;
    return privileged && !function_.view().pasid_privileged ? CommandError::WqPrivileged
                                                            : CommandError::None;
}

CommandError CommandUnit::check_wq_limits(const WqConfig& c) const {
    if (c.max_batch_shift == 0 || c.max_batch_shift > shared_.params.max_batch_shift) {
        return CommandError::WqMaxBatch;
    }
    if (c.max_transfer_shift > shared_.params.max_transfer_shift) {
        return CommandError::WqMaxTransfer;
    }
    if (lax()) {
        return CommandError::None;
    }
    const InterruptTables& interrupts = registers_.interrupts();
    const InterruptHandle handle{c.occupancy_handle, c.occupancy_ims};
    // Where handles are requested, 0 is the reset value: a queue that does without.
    const bool none = interrupts.requestable() && handle.number == 0 && !handle.stored;
    if (!none &&
        !(interrupts.requestable() ? interrupts.requested(handle) : interrupts.exists(handle))) {
        return CommandError::WqOccupancyHandle;
    }
    if ((c.operations[0] & ~supported_operations()) != 0) {
        return CommandError::WqOperations;
    }
    return c.prs_disable && (!registers_.logs() || c.block_on_fault) ? CommandError::WqPrsDisable
                                                                     : CommandError::None;
}

std::uint32_t CommandUnit::mask_of(std::uint32_t operand) const {
    return shared_.probes.has(kMaskTakenForIndex)
               ? wq_mask_operand(static_cast<std::uint32_t>(get_bits(operand, 15, 0)))
               : operand;
}

CommandError CommandUnit::check_wq_mask(std::uint32_t operand, bool disabled_too) const {
    const std::uint32_t first = 16U * static_cast<std::uint32_t>(get_bits(operand, 19, 16));
    for (std::uint32_t bit = 0; bit < 16; ++bit) {
        if (!get_bit(operand, bit)) {
            continue;
        }
        if (first + bit >= wqs_.size()) {
            return CommandError::BadWqIndex;
        }
        if (!disabled_too && wqs_[first + bit].state() != WqState::Enabled) {
            return CommandError::WqNotEnabled;
        }
    }
    return CommandError::None;
}

// --- scope ---

bool CommandUnit::waits_for_work() const {
    return active_->command != Command::EnableDevice && active_->command != Command::EnableWq;
}

bool CommandUnit::returns_early() const {
    const bool drain = active_->command == Command::DrainAll ||
                       active_->command == Command::DrainWq ||
                       active_->command == Command::DrainPasid;
    return drain && shared_.probes.has(kDrainReturnsEarly);
}

bool CommandUnit::names_wq(std::uint32_t wq) const {
    switch (active_->command) {
        case Command::DisableWq:
        case Command::DrainWq:
        case Command::AbortWq:
        case Command::ResetWq:
            return get_bits(mask_of(active_->operand), 19, 16) == wq / 16 &&
                   get_bit(mask_of(active_->operand), wq % 16);
        case Command::DisableDevice:
        case Command::DrainAll:
        case Command::AbortAll:
        case Command::ResetDevice:
            return true;
        default:
            return false;
    }
}

bool CommandUnit::concerns(const Work& work) const {
    if (work.number > active_->last_accepted) {
        return false;
    }
    if (active_->command == Command::DrainPasid || active_->command == Command::AbortPasid) {
        const bool drain = active_->command == Command::DrainPasid;
        return shared_.probes.has(drain ? kDrainIgnoresPasid : kAbortIgnoresPasid) ||
               (work.pasid && work.pasid->value() == active_->operand);
    }
    return names_wq(work.wq);
}

bool CommandUnit::drains() const {
    switch (active_->command) {
        case Command::DisableDevice:
        case Command::DisableWq:
        case Command::DrainAll:
        case Command::DrainWq:
        case Command::DrainPasid:
            return true;
        default:
            return false;
    }
}

bool CommandUnit::work_left() const {
    if (drains() && registers_.log_behind()) {
        return true;
    }
    for (const Workqueue& wq : wqs_) {
        for (std::uint32_t i = 0; i < wq.occupancy(); ++i) {
            if (concerns(wq.at(i))) {
                return true;
            }
        }
    }
    return engines_.any([this](const Work& work) { return concerns(work); });
}

// --- effects ---

void CommandUnit::abort_work(TimePs now) {
    const auto matches = [this](const Work& work) { return concerns(work); };
    for (Workqueue& wq : wqs_) {
        wq.drop_if(matches, [this, now, &wq](const Work& work) {
            engines_.dropped(now, work, wq.occupancy());
        });
    }
    engines_.abort_if(now, matches);
}

void CommandUnit::drop_all(TimePs now) {
    for (Workqueue& wq : wqs_) {
        wq.drop_if(
            [](const Work&) { return true; },
            [this, now, &wq](const Work& work) { engines_.dropped(now, work, wq.occupancy()); });
    }
}

void CommandUnit::function_reset(TimePs now) {
    drop_all(now);
    engines_.function_reset(now);
    active_.reset();
    result_ = 0;
    for (std::uint32_t i = 0; i < wqs_.size(); ++i) {
        const bool changed = wqs_[i].state() != WqState::Disabled;
        wqs_[i].set_state(WqState::Disabled);
        wqs_[i].reset_config();
        if (changed) {
            tell_state(i);
        }
    }
}

void CommandUnit::halt(TimePs now) {
    drop_all(now);
    engines_.abort_if(now, [](const Work&) { return true; });
    if (active_) {
        active_->error = CommandError::HardwareError;
        active_->interrupt = false;
        active_->waiting = false;
        active_->done_at = std::max(now, active_->done_at);
    }
}

void CommandUnit::close_wqs() {
    for (std::uint32_t i = 0; i < wqs_.size(); ++i) {
        if (names_wq(i) && wqs_[i].state() == WqState::Enabled) {
            wqs_[i].set_state(WqState::Busy);
        }
    }
}

void CommandUnit::disable_wqs(bool reset) {
    for (std::uint32_t i = 0; i < wqs_.size(); ++i) {
        if (!names_wq(i)) {
            continue;
        }
        const bool changed = wqs_[i].state() != WqState::Disabled;
        wqs_[i].set_state(WqState::Disabled);
        if (reset) {
            wqs_[i].reset_config(active_->command == Command::ResetWq);
        }
        if (changed) {
            tell_state(i);
        }
    }
}

void CommandUnit::begin(TimePs now) {
    switch (active_->command) {
        case Command::DisableWq:
            close_wqs();
            break;
        case Command::DisableDevice:
            close_wqs();
            registers_.set_state(DeviceState::Draining);
            break;
        case Command::ResetDevice:
            close_wqs();
            registers_.set_state(DeviceState::Draining);
            abort_work(now);
            break;
        case Command::ResetWq:
            close_wqs();
            abort_work(now);
            break;
        case Command::AbortAll:
        case Command::AbortWq:
        case Command::AbortPasid:
            abort_work(now);
            break;
        default:
            break;
    }
    if (waits_for_work() && work_left()) {
        shared_.probes.hit(kDrainWaited);
    }
}

void CommandUnit::advance(TimePs now) {
    if (!active_ || now < active_->done_at) {
        return;
    }
    // Nothing is locked before it is enabled: what counts is what it is enabled with.
    if (active_->error == CommandError::None && !waits_for_work()) {
        active_->error = check(*active_);
    }
    if (active_->error == CommandError::None) {
        if (waits_for_work() && !returns_early() && work_left()) {
            active_->waiting = true;
            return;
        }
        finish(now);
    }
    const Active done = *active_;
    active_.reset();
    registers_.command_status() = CommandStatus{false, done.error, result_};
    if (done.interrupt) {
        registers_.cause(now, kIntcauseCommandDone, true);
    }
}

void CommandUnit::finish(TimePs now) {
    switch (active_->command) {
        case Command::EnableDevice:
            registers_.enabled();
            break;
        case Command::EnableWq:
            wqs_[active_->operand].set_state(WqState::Enabled);
            tell_state(active_->operand);
            break;
        case Command::DisableWq:
            disable_wqs(false);
            break;
        case Command::ResetWq:
            disable_wqs(true);
            break;
        case Command::DisableDevice:
            disable_wqs(false);
            registers_.set_state(DeviceState::Disabled);
            break;
        case Command::ResetDevice:
            disable_wqs(true);
            registers_.reset();
            registers_.set_state(DeviceState::Disabled);
            break;
        case Command::AbortPasid:
            engines_.translator().stop(now, Pasid{active_->operand});
            break;
        case Command::RequestInterruptHandle:
            result_ = registers_.interrupts().request(handle_of(active_->operand));
            break;
        case Command::ReleaseInterruptHandle:
            registers_.interrupts().release(handle_of(active_->operand));
            break;
        default:
            break;
    }
}

std::optional<TimePs> CommandUnit::next_wakeup() const {
    return active_ && !active_->waiting ? std::optional<TimePs>(active_->done_at) : std::nullopt;
}

std::string CommandUnit::describe() const {
    if (!active_) {
        return {};
    }
    return fmt::format("command {} operand {:#x}, since {}",
                       static_cast<unsigned>(active_->command), active_->operand,
                       format_time(active_->started));
}

}  // namespace ioasim::dsa
