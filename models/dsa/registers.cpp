#include "models/dsa/registers.hpp"

#include "core/base/check.hpp"
#include "core/trace/dsa_events.hpp"

namespace ioasim::dsa {

namespace {

std::uint32_t half(std::uint64_t value, std::uint64_t offset) {
    return static_cast<std::uint32_t>(offset % 8 == 0 ? value : value >> 32U);
}

std::uint64_t with_half(std::uint64_t old, std::uint64_t offset, std::uint32_t value) {
    return offset % 8 == 0 ? set_bits(old, 31, 0, value) : set_bits(old, 63, 32, value);
}

}  // namespace

bool supports(std::uint8_t opcode) {
    switch (static_cast<Opcode>(opcode)) {
        case Opcode::Noop:
        case Opcode::Batch:
        case Opcode::Drain:
        case Opcode::Memmove:
        case Opcode::Fill:
        case Opcode::Compare:
        case Opcode::ComparePattern:
        case Opcode::CreateDelta:
        case Opcode::ApplyDelta:
        case Opcode::Dualcast:
        case Opcode::CrcGenerate:
        case Opcode::CopyCrc:
        case Opcode::DifCheck:
        case Opcode::DifInsert:
        case Opcode::DifStrip:
        case Opcode::DifUpdate:
        case Opcode::CacheFlush:
            return true;
    }
    return false;
}

std::uint64_t supported_operations() {
    std::uint64_t map = 0;
    for (std::uint8_t op = 0; op < 64; ++op) {
        map = set_bit(map, op, supports(op));
    }
    return map;
}

Registers::Registers(const DeviceShared& shared)
    : shared_(shared),
      groups_(shared.params.groups, reset_group()),
      interrupts_(shared),
      log_(shared),
      perfmon_(shared.params.perfmon_counters) {}

bool Registers::implements(Command command) const {
    const Command last =
        interrupts_.requestable() ? Command::ReleaseInterruptHandle : Command::AbortPasid;
    return command >= Command::EnableDevice && command <= last;
}

GroupConfig Registers::reset_group() const {
    GroupConfig group;
    group.flags = encode(GroupBuffers{0, static_cast<std::uint32_t>(shared_.params.read_buffers)});
    return group;
}

void Registers::reset() {
    gencfg_ = 0;
    genctrl_ = 0;
    intcause_ = 0;
    if (shared_.probes.has(kResetForgetsErrors)) {
        error_ = SoftwareError{};
    }
    log_.reset_configuration();
    perfmon_.reset();
    groups_.assign(groups_.size(), reset_group());
    interrupts_.reset();
}

void Registers::function_reset() {
    reset();
    state_ = DeviceState::Disabled;
    command_status_ = CommandStatus{};
    error_ = SoftwareError{};
    log_.reset();
    interrupts_.function_reset();
}

std::uint64_t Registers::capability(std::uint64_t offset) const {
    const DsaParams& p = shared_.params;
    switch (offset) {
        case reg::kVersion:
            return p.event_log ? kVersion2 : kVersion1;
        case reg::kGencap:
            return general_capabilities();
        case reg::kWqcap:
            return workqueue_capabilities();
        case reg::kGrpcap:
            return encode(GroupCapabilities{static_cast<std::uint32_t>(p.groups),
                                            static_cast<std::uint32_t>(p.read_buffers), true});
        case reg::kEngcap:
            return shared_.config.engines;
        case reg::kOpcap:
            return supported_operations();
        case reg::kOffsets:
            return encode(TableOffsets{reg::kGrpcfgTable, reg::kWqcfgTable, reg::kMsixPerm,
                                       p.message_storage != 0 ? reg::kImsTable : 0});
        case reg::kOffsets + 8:
            return encode_perfmon_offset(reg::kPerfmon);
        case reg::kCmdcap: {
            std::uint64_t map = 0;
            for (unsigned code = 1; code < 32; ++code) {
                map = set_bit(map, code, implements(static_cast<Command>(code)));
            }
            return map;
        }
        default:
            return 0;
    }
}

std::uint64_t Registers::general_capabilities() const {
    const DsaParams& p = shared_.params;
    GeneralCapabilities c;
    c.block_on_fault = p.block_on_fault;
    c.overlapping_copy = p.overlapping_copy;
    c.event_log = p.event_log ? 1 : 0;
    c.max_transfer_shift = static_cast<unsigned>(p.max_transfer_shift);
    c.max_batch_shift = static_cast<unsigned>(p.max_batch_shift);
    c.message_storage = static_cast<unsigned>(p.message_storage);
    return encode(c);
}

std::uint64_t Registers::workqueue_capabilities() const {
    WqCapabilities c;
    c.total_entries = static_cast<std::uint32_t>(shared_.params.total_entries);
    c.workqueues = static_cast<std::uint32_t>(shared_.config.workqueues.size());
    c.config_size_code = kWqcfgSizeCode;
    c.ats_control = c.prs_control = true;
    c.occupancy_interrupt = true;
    c.operations = true;
    return encode(c);
}

std::uint32_t Registers::read(std::uint64_t offset) const {
    switch (offset) {
        case reg::kGencfg:
            return gencfg_;
        case reg::kGenctrl:
            return genctrl_;
        case reg::kGensts:
            return static_cast<std::uint32_t>(
                set_bits(static_cast<std::uint64_t>(state_), 3, 2,
                         state_ == DeviceState::Halt ? static_cast<unsigned>(reset_type_) : 0));
        case reg::kIntcause:
            return intcause_;
        case reg::kCmdsts:
            return encode(command_status_);
        default:
            break;
    }
    if (shared_.params.event_log && inside(offset, reg::kEvlcfg, 24)) {
        return log_.read(offset);
    }
    if (inside(offset, reg::kSwerr, 32)) {
        return half(encode(error_)[(offset - reg::kSwerr) / 8], offset);
    }
    if (group_exists(offset)) {
        return read_group(offset - reg::kGrpcfgTable);
    }
    if (inside(offset, reg::kPerfmon, perf::kBytes)) {
        return perfmon_.read(offset - reg::kPerfmon);
    }
    if (offset >= reg::kMsixTable) {
        return interrupts_.read(offset);
    }
    return half(capability(offset & ~std::uint64_t{7}), offset);
}

void Registers::write(TimePs now, std::uint64_t offset, std::uint32_t value) {
    if (offset == reg::kGenctrl) {
        genctrl_ = value & 0x7U;
    } else if (offset == reg::kIntcause) {
        intcause_ &= shared_.probes.has(kCausesClearedWhole) ? 0 : ~value;
    } else if (offset == reg::kSwerr) {
        error_.valid = error_.valid && (value & kSwerrValid) == 0;
        error_.overflow = error_.overflow && (value & kSwerrOverflow) == 0;
    } else if (shared_.params.event_log && inside(offset, reg::kEvlcfg, 24)) {
        log_.write(offset, value, state_ == DeviceState::Disabled);
        if (log_.catch_up(now)) {
            tell_log(now);
        }
    } else if (inside(offset, reg::kPerfmon, perf::kBytes)) {
        perfmon_.write(offset - reg::kPerfmon, value);
    } else if (offset >= reg::kMsixTable) {
        interrupts_.write(now, offset, value);
    } else if (offset == reg::kGencfg || group_exists(offset)) {
        if (state_ != DeviceState::Disabled) {
            shared_.probes.hit(kConfigIgnored);
        } else if (offset == reg::kGencfg) {
            gencfg_ = value & 0x30FFU;
        } else {
            write_group(offset - reg::kGrpcfgTable, value);
        }
    }
}

bool Registers::group_exists(std::uint64_t offset) const {
    return inside(offset, reg::kGrpcfgTable, groups_.size() * kGrpcfgBytes);
}

std::uint32_t Registers::read_group(std::uint64_t offset) const {
    const GroupConfig& group = groups_[offset / kGrpcfgBytes];
    const std::uint64_t field = offset % kGrpcfgBytes & ~std::uint64_t{7};
    if (field < kGrpcfgEngineBitmap) {
        return half(group.wqs[field / 8], offset);
    }
    if (field == kGrpcfgEngineBitmap) {
        return half(group.engines, offset);
    }
    return field == kGrpcfgFlags ? half(group.flags, offset) : 0;
}

void Registers::write_group(std::uint64_t offset, std::uint32_t value) {
    GroupConfig& group = groups_[offset / kGrpcfgBytes];
    const std::uint64_t field = offset % kGrpcfgBytes & ~std::uint64_t{7};
    if (field < kGrpcfgEngineBitmap) {
        group.wqs[field / 8] = with_half(group.wqs[field / 8], offset, value);
    } else if (field == kGrpcfgEngineBitmap) {
        group.engines = with_half(group.engines, offset, value);
    } else if (field == kGrpcfgFlags) {
        group.flags = with_half(group.flags, offset, value);
    }
}

// --- causes and errors ---

void Registers::cause(TimePs now, std::uint32_t bit, bool interrupt) {
    intcause_ |= bit;
    if (interrupt) {
        interrupts_.fire(now, 0);
    }
}

void Registers::count_event(TimePs now, perf::Category category, std::uint32_t event) {
    if (perfmon_.count(category, event)) {
        cause(now, kIntcausePerfmon, true);
    }
}

void Registers::report(TimePs now, const LoggedError& logged) {
    const bool latched = latched_only(logged.error.error) && !shared_.probes.has(kErrorsMisplaced);
    if (logs() && !latched) {
        if (log_.append(now, logged)) {
            tell_log(now);
        }
        return;
    }
    if (error_.valid && !shared_.probes.has(kErrorOverwritten)) {
        error_.overflow = true;
        shared_.probes.hit(kErrorOverflow);
        return;
    }
    const bool overflow = error_.overflow;
    error_ = logged.error;
    error_.valid = true;
    error_.overflow = overflow;
    if (get_bit(genctrl_, kGenctrlSwErrorInterrupt)) {
        cause(now, kIntcauseSwError, true);
    }
}

// One interrupt, until software has cleared Interrupt Pending.
void Registers::tell_log(TimePs now) {
    const bool due = get_bit(genctrl_, kGenctrlLogInterrupt) && log_.raise();
    if (due || shared_.probes.has(kLogInterruptRepeats)) {
        cause(now, kIntcauseEventLog, true);
    }
}

void Registers::enabled() {
    state_ = DeviceState::Enabled;
    if (log_enabled()) {
        log_.restart();
    }
}

void Registers::halt(TimePs now, trace::Name cause_name, ResetType reset_type) {
    state_ = DeviceState::Halt;
    reset_type_ = reset_type;
    static constexpr std::array<const char*, 4> kResets{"software", "flr", "warm", "cold"};
    shared_.emit(
        trace::DsaHalt{shared_.names.device, cause_name,
                       shared_.recorder.name(kResets.at(static_cast<std::size_t>(reset_type)))});
    if (get_bit(genctrl_, kGenctrlHaltInterrupt)) {
        cause(now, kIntcauseHalt, true);
    }
}

}  // namespace ioasim::dsa
