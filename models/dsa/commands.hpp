// The administrative command unit: one command at a time, from the CMD register to CMDSTS. Plain
// C++. DSA Architecture Specification: CMD, CMDSTS, administrative commands.
//
// A drain waits for what was accepted before the command, not for later submissions. Disabling
// drains; resetting and aborting drop queued work and cut running work short, which ends when its
// reads are back. A halted device takes only what resets it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/dsa/engines.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/workqueue.hpp"

namespace ioasim::dsa {

class CommandUnit {
public:
    CommandUnit(const DeviceShared& shared, const Function& function, Registers& registers,
                std::vector<Workqueue>& wqs, Engines& engines);

    // A write of CMD. `last_accepted` is the number of the youngest accepted descriptor.
    void write(TimePs now, std::uint32_t value, std::uint64_t last_accepted);
    // Finishes the command when it is time and nothing that it waits for is left.
    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;
    bool active() const { return active_.has_value(); }
    // The device has halted: all work is gone, a command under way fails, and nobody is told.
    void halt(TimePs now);
    // A function-level reset: all work is lost, and so is a command under way.
    void function_reset(TimePs now);
    // "drain PASID 7, since 12 us", for state dumps; empty when idle.
    std::string describe() const;

    // A workqueue's state or PASID changed.
    void tell_state(std::uint32_t wq) const;

private:
    struct Active {
        Command command = Command::EnableDevice;
        std::uint32_t operand = 0;
        bool interrupt = false;
        CommandError error = CommandError::None;
        std::uint64_t last_accepted = 0;
        TimePs started;
        TimePs done_at;        // not before
        bool waiting = false;  // past done_at: the end of a descriptor calls advance()
    };

    CommandError check(const Active& command) const;
    CommandError check_enable_device() const;
    CommandError check_function() const;
    CommandError check_event_log() const;
    CommandError check_groups() const;
    CommandError check_group_flags() const;
    // Which group each workqueue is in, and only one.
    CommandError check_group_wqs() const;
    bool read_buffers_fit() const;
    std::uint32_t mask_of(std::uint32_t operand) const;
    CommandError check_enable_wq(std::uint32_t wq) const;
    CommandError check_wq_pasid(const WqConfig& config) const;
    CommandError check_wq_limits(const WqConfig& config) const;
    // `disabled_too`: the command takes workqueues in any state.
    CommandError check_wq_mask(std::uint32_t operand, bool disabled_too = false) const;
    bool lax() const;  // defect dsa.enable_unchecked
    void begin(TimePs now);
    void finish(TimePs now);
    void drop_all(TimePs now);
    // Scope of the command.
    bool waits_for_work() const;
    bool returns_early() const;
    bool names_wq(std::uint32_t wq) const;
    bool concerns(const Work& work) const;
    bool drains() const;  // it waits for what there is, and drops nothing
    bool work_left() const;
    void abort_work(TimePs now);
    void close_wqs();
    void disable_wqs(bool reset);

    const DeviceShared& shared_;
    const Function& function_;
    Registers& registers_;
    std::vector<Workqueue>& wqs_;
    Engines& engines_;
    std::optional<Active> active_;
    std::uint32_t result_ = 0;
};

}  // namespace ioasim::dsa
