// What the unit reports: fault records, the fault status register with the causes of the queues,
// and the three groups of control, data and address registers that raise message-signalled
// interrupts (VT-d specification 7.2, 7.3, 7.11, 11.4.7 to 11.4.9).
//
// A cause raises its event only when no other cause of the same event was set before. Messages go
// out through the owner, which keeps them behind what they announce. Left out: posting of events.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/defects.hpp"
#include "core/base/types.hpp"
#include "models/vtd/vtd_faults.hpp"
#include "models/vtd/vtd_register_file.hpp"

namespace ioasim::vtd {

// Sends what an event register says.
class EventSender {
public:
    virtual ~EventSender() = default;
    virtual void send_event(TimePs now, const EventMessage& message) = 0;
};

class EventRegisters {
public:
    EventRegisters(const Capabilities& caps, const VtdParams& params, RegisterFile& registers,
                   Probes& probes, EventSender& sender)
        : caps_(caps),
          registers_(registers),
          probes_(probes),
          sender_(sender),
          faults_(caps.fault_records, params.fault_compression) {}

    // A dword whose value is not storage: fault records, status, event controls.
    std::optional<std::uint32_t> read(std::uint32_t offset) const;
    // Software wrote the dword. True: it is one that never reaches the register file.
    bool write(TimePs now, std::uint32_t offset, std::uint32_t value);
    // A dword of the register file was written; its value there is the new one.
    void after_write(std::uint32_t offset, std::uint32_t value);

    // True when the fault is in a record.
    bool log_fault(TimePs now, const FaultRecord& fault);
    void queue_error(TimePs now, QueueError error);
    // An invalidation completion that nobody asked for (ICE).
    void unexpected_completion(TimePs now, Rid rid);
    // A device TLB did not answer in time (ITE).
    void timeout(TimePs now, Rid rid);
    // An invalidation wait with interrupt flag completed.
    void wait_complete(TimePs now);
    // A page request is in the queue (PPR), or found no room there (PRO).
    void page_request_waits(TimePs now) { set_page_status(now, pq::kPpr); }
    void page_overflow(TimePs now) { set_page_status(now, pq::kPro); }
    // IQE or ITE is set: the invalidation queue stands.
    bool queue_stopped() const;
    // Remapping went off.
    void restart_faults() { faults_.restart(); }

private:
    bool is_fault_record(std::uint32_t offset) const;
    std::uint32_t read_fault_word(std::uint32_t offset) const;
    std::uint32_t fault_status() const;
    bool any_fault_cause() const;
    void raise(TimePs now, EventRegister& event, bool cause_before);
    void send(TimePs now, const std::optional<EventMessage>& message);
    // The error record keeps the first of each kind until software clears the status.
    void set_queue_status(TimePs now, std::uint32_t bit, const Field& field, std::uint64_t value);
    void set_page_status(TimePs now, std::uint32_t bit);
    EventRegister* control_at(std::uint32_t offset);
    const EventRegister* control_at(std::uint32_t offset) const {
        return const_cast<EventRegisters*>(this)->control_at(offset);
    }

    const Capabilities& caps_;
    RegisterFile& registers_;
    Probes& probes_;
    EventSender& sender_;
    FaultLog faults_;
    EventRegister fault_event_;
    EventRegister invalidation_event_;
    EventRegister page_event_;
};

}  // namespace ioasim::vtd
