// The register file without commands and workqueue configuration: capabilities, control, status,
// causes of interrupts, errors (latched or logged), groups. Plain C++.
// DSA Architecture Specification (BAR0).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/error_log.hpp"
#include "models/dsa/interrupt_tables.hpp"
#include "models/dsa/perfmon.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

struct GroupConfig {
    std::array<std::uint64_t, 4> wqs{};
    std::uint64_t engines = 0;
    std::uint64_t flags = 0;  // read buffers; stored: traffic classes, progress limits

    GroupBuffers buffers() const { return buffers_of_flags(flags); }
    bool has_wq(std::uint32_t wq) const { return get_bit(wqs[wq / 64], wq % 64); }
    bool has_engine(std::uint32_t engine) const { return get_bit(engines, engine); }
    bool no_wq() const { return (wqs[0] | wqs[1] | wqs[2] | wqs[3]) == 0; }
};

class Registers {
public:
    explicit Registers(const DeviceShared& shared);

    // Aligned 4-byte accesses. Offsets that nothing answers to read 0.
    std::uint32_t read(std::uint64_t offset) const;
    void write(TimePs now, std::uint64_t offset, std::uint32_t value);
    // Back to the values after reset, but for SWERR, EVLSTATUS and CMDSTS; the MSI-X table belongs
    // to PCI and stays.
    void reset();
    // That as well, and whatever state the device was in.
    void function_reset();

    DeviceState state() const { return state_; }
    void set_state(DeviceState state) { state_ = state; }
    CommandStatus& command_status() { return command_status_; }
    const GroupConfig& group(std::uint32_t index) const { return groups_[index]; }
    std::uint32_t groups() const { return static_cast<std::uint32_t>(groups_.size()); }
    bool user_interrupts() const { return get_bit(gencfg_, kGencfgUserInterrupts); }
    // User-mode descriptors ask for interrupts only where GENCFG lets them (table 5-4).
    bool may_interrupt(const Work& work) const {
        return user_interrupts() || work.privileged || !work.pasid;
    }

    // INTCAUSE gets the bit; vector 0 fires when `interrupt`.
    void cause(TimePs now, std::uint32_t bit, bool interrupt);
    // With the event log on, an entry of it, unless the error is of SWERR alone. Else latches the
    // first error; later ones only set `overflow`, which stays until software clears it.
    void report(TimePs now, const LoggedError& logged);
    void report(TimePs now, const SoftwareError& error) { report(now, LoggedError{error}); }
    // An event that performance counters may count.
    void count_event(TimePs now, perf::Category category, std::uint32_t event);
    // The device stops until it is reset.
    void halt(TimePs now, trace::Name cause, ResetType reset_type);
    ResetType reset_type() const { return reset_type_; }
    bool log_enabled() const {
        return shared_.params.event_log && get_bit(gencfg_, kGencfgEventLog);
    }
    bool logs() const { return log_enabled() && state_ != DeviceState::Disabled; }
    // An entry would have to wait until software has read one.
    bool log_full() const { return logs() && log_.full() && !shared_.probes.has(kLogDrops); }
    // What has been told waits for room there.
    bool log_behind() const { return logs() && log_.behind(); }
    EventLogConfig log_config() const { return log_.config(); }
    // The device is enabled: an event log is empty.
    void enabled();

    // Messages of interrupts, and handles for them.
    InterruptTables& interrupts() { return interrupts_; }
    const InterruptTables& interrupts() const { return interrupts_; }
    // Commands that this device implements.
    bool implements(Command command) const;

private:
    std::uint64_t capability(std::uint64_t offset) const;
    std::uint64_t general_capabilities() const;
    std::uint64_t workqueue_capabilities() const;
    GroupConfig reset_group() const;
    std::uint32_t read_group(std::uint64_t offset) const;
    void write_group(std::uint64_t offset, std::uint32_t value);
    bool group_exists(std::uint64_t offset) const;
    void tell_log(TimePs now);

    const DeviceShared& shared_;
    DeviceState state_ = DeviceState::Disabled;
    ResetType reset_type_ = ResetType::Software;  // halted: what brings the device back
    CommandStatus command_status_;
    std::uint32_t gencfg_ = 0;
    std::uint32_t genctrl_ = 0;
    std::uint32_t intcause_ = 0;
    SoftwareError error_;
    std::vector<GroupConfig> groups_;
    InterruptTables interrupts_;
    ErrorLog log_;
    Perfmon perfmon_;
};

// Opcodes that the device implements, and all of them as a map.
bool supports(std::uint8_t opcode);
std::uint64_t supported_operations();

}  // namespace ioasim::dsa
