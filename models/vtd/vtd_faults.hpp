// Fault recording and event messages (VT-d specification 7.2, 7.3, 11.4.7).
//
// FaultLog is the ring of recording registers with the primary fault logging algorithm: no record
// while PFO is set, none when the next register is still in use (that sets PFO). EventRegister is
// one of the three control/data/address groups that raise a message-signalled interrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/vtd/vtd_register_layout.hpp"

namespace ioasim::vtd {

class FaultLog {
public:
    // With compression a source that has a record in use gets no second one (7.2.1).
    explicit FaultLog(unsigned records, bool compress = false)
        : records_(records), compress_(compress) {}

    struct Outcome {
        bool recorded = false;
        bool overflow = false;    // PFO is set, now or since before
        bool new_status = false;  // PPF or PFO changed from 0 to 1
    };
    Outcome record(const FaultRecord& fault, bool compress = true);

    bool overflow() const { return overflow_; }  // FSTS.PFO
    bool pending() const;                        // FSTS.PPF
    unsigned next() const { return next_; }      // where the next record goes
    unsigned first() const { return first_; }    // FSTS.FRI, meaningful while pending
    void clear_overflow() { overflow_ = false; }

    std::size_t size() const { return records_.size(); }
    FaultQwords read(std::size_t index) const { return records_.at(index); }
    // Software writes 1 to F.
    void clear(std::size_t index) { records_.at(index).high &= ~frcd::kF.mask(); }
    // With remapping off the next fault goes to the first register again.
    void restart() { next_ = 0; }

private:
    bool known(Rid source) const;

    std::vector<FaultQwords> records_;
    bool compress_ = false;
    unsigned next_ = 0;
    unsigned first_ = 0;
    bool overflow_ = false;
};

struct EventMessage {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
};

class EventRegister {
public:
    std::uint32_t control() const {
        return (masked_ ? event_control::kMasked : 0) | (pending_ ? event_control::kPending : 0);
    }
    bool pending() const { return pending_; }
    // The message that the data and address registers hold.
    void set_message(const EventMessage& message) { message_ = message; }

    // A cause went from 0 to 1 while no other was set. The message to send now, if any.
    std::optional<EventMessage> raise();
    std::optional<EventMessage> write_control(std::uint32_t value);
    // Software cleared every cause.
    void withdraw() { pending_ = false; }

private:
    std::optional<EventMessage> send_if_open();
    EventMessage message_;
    bool masked_ = true;
    bool pending_ = false;
};

}  // namespace ioasim::vtd
