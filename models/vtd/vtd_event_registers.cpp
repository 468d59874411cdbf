#include "models/vtd/vtd_event_registers.hpp"

#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr std::uint32_t kFaultRecordBytes = 16;
constexpr std::uint32_t kFaultHighWord = 12;  // the dword of a record that holds F
constexpr std::uint32_t kFaultBit = 1U << 31U;
constexpr std::uint32_t kQueueCauses = fsts::kIqe | fsts::kIce | fsts::kIte;

}  // namespace

// --- registers ----------------------------------------------------------------------------------

bool EventRegisters::is_fault_record(std::uint32_t offset) const {
    return offset >= caps_.fault_offset &&
           offset < caps_.fault_offset + faults_.size() * kFaultRecordBytes;
}

std::uint32_t EventRegisters::read_fault_word(std::uint32_t offset) const {
    const std::uint32_t within = (offset - caps_.fault_offset) % kFaultRecordBytes;
    const FaultQwords q = faults_.read((offset - caps_.fault_offset) / kFaultRecordBytes);
    const std::uint64_t half = within < 8 ? q.low : q.high;
    return static_cast<std::uint32_t>(within % 8 == 0 ? half : half >> 32U);
}

std::uint32_t EventRegisters::fault_status() const {
    std::uint32_t value = registers_.get(reg::kFsts) & kQueueCauses;
    value |= faults_.overflow() ? fsts::kPfo : 0;
    if (faults_.pending()) {
        value |= fsts::kPpf | static_cast<std::uint32_t>(fsts::kFri.make(faults_.first()));
    }
    return value;
}

bool EventRegisters::any_fault_cause() const {
    return (fault_status() & (kQueueCauses | fsts::kPfo | fsts::kPpf)) != 0;
}

EventRegister* EventRegisters::control_at(std::uint32_t offset) {
    switch (offset) {
        case reg::kFectl:
            return &fault_event_;
        case reg::kIectl:
            return &invalidation_event_;
        case reg::kPectl:
            return &page_event_;
        default:
            return nullptr;
    }
}

std::optional<std::uint32_t> EventRegisters::read(std::uint32_t offset) const {
    if (is_fault_record(offset)) {
        return read_fault_word(offset);
    }
    if (const EventRegister* const event = control_at(offset)) {
        return event->control();
    }
    if (offset == reg::kFsts) {
        return fault_status();
    }
    return std::nullopt;
}

bool EventRegisters::write(TimePs now, std::uint32_t offset, std::uint32_t value) {
    if (is_fault_record(offset)) {
        const std::uint32_t within = (offset - caps_.fault_offset) % kFaultRecordBytes;
        const bool clears = (value & kFaultBit) != 0 || probes_.has(kFaultClearedByZero);
        if (within == kFaultHighWord && clears) {
            faults_.clear((offset - caps_.fault_offset) / kFaultRecordBytes);
            if (!any_fault_cause()) {
                fault_event_.withdraw();
            }
        }
        return true;
    }
    if (EventRegister* const event = control_at(offset)) {
        send(now, event->write_control(value));
        return true;
    }
    return false;
}

void EventRegisters::after_write(std::uint32_t offset, std::uint32_t value) {
    const auto message = [this](std::uint32_t data) {
        return EventMessage{registers_.get64(data + 4), registers_.get(data)};
    };
    switch (offset) {
        case reg::kFsts:
            if ((value & fsts::kPfo) != 0) {
                faults_.clear_overflow();
            }
            if (!any_fault_cause()) {
                fault_event_.withdraw();
            }
            if ((value & fsts::kIqe) != 0) {
                // The other two fields belong to ITE and ICE.
                registers_.set64(reg::kIqercd,
                                 iq::kErrorInfo.set(registers_.get64(reg::kIqercd), 0));
            }
            break;
        case reg::kIcs:
            if ((registers_.get(reg::kIcs) & iq::kIwc) == 0) {
                invalidation_event_.withdraw();
            }
            break;
        case reg::kPrs:
            if (registers_.get(reg::kPrs) == 0) {
                page_event_.withdraw();
            }
            break;
        case reg::kFedata:
        case reg::kFeaddr:
        case reg::kFeuaddr:
            fault_event_.set_message(message(reg::kFedata));
            break;
        case reg::kIedata:
        case reg::kIeaddr:
        case reg::kIeuaddr:
            invalidation_event_.set_message(message(reg::kIedata));
            break;
        case reg::kPedata:
        case reg::kPeaddr:
        case reg::kPeuaddr:
            page_event_.set_message(message(reg::kPedata));
            break;
        default:
            break;
    }
}

// --- causes -------------------------------------------------------------------------------------

void EventRegisters::send(TimePs now, const std::optional<EventMessage>& message) {
    if (message) {
        sender_.send_event(now, *message);
    }
}

void EventRegisters::raise(TimePs now, EventRegister& event, bool cause_before) {
    if (!cause_before || probes_.has(kEventOfEveryCause)) {
        send(now, event.raise());
    }
    if (probes_.has(kMaskedEventLost)) {
        event.withdraw();
    }
}

bool EventRegisters::log_fault(TimePs now, const FaultRecord& fault) {
    const bool cause_before = any_fault_cause();
    // Address bits above the widest tables are not recorded (11.4.7.8).
    FaultRecord recorded = fault;
    recorded.address &= bit_mask(caps_.recorded_address_bits() - 1, 0);
    recorded.has_pasid = recorded.has_pasid && !probes_.has(kFaultWithoutPasid);
    if (probes_.has(kFaultOverwrites)) {
        faults_.clear(faults_.next());
    }
    const FaultLog::Outcome outcome = faults_.record(recorded, !probes_.has(kFaultNotCompressed));
    if (outcome.overflow) {
        probes_.hit(kFaultOverflow);
    }
    if (outcome.new_status) {
        raise(now, fault_event_, cause_before);
    }
    return outcome.recorded;
}

void EventRegisters::set_queue_status(TimePs now, std::uint32_t bit, const Field& field,
                                      std::uint64_t value) {
    const bool cause_before = any_fault_cause();
    if ((registers_.get(reg::kFsts) & bit) == 0) {
        registers_.set64(reg::kIqercd, field.set(registers_.get64(reg::kIqercd), value));
    }
    registers_.set(reg::kFsts, registers_.get(reg::kFsts) | bit);
    raise(now, fault_event_, cause_before);
}

void EventRegisters::unexpected_completion(TimePs now, Rid rid) {
    probes_.hit(kUnexpectedCompletion);
    set_queue_status(now, fsts::kIce, iq::kIceSource, rid.value());
}

void EventRegisters::timeout(TimePs now, Rid rid) {
    set_queue_status(now, fsts::kIte, iq::kIteSource, rid.value());
}

void EventRegisters::queue_error(TimePs now, QueueError error) {
    probes_.hit(kQueueError);
    set_queue_status(now, fsts::kIqe, iq::kErrorInfo, static_cast<std::uint64_t>(error));
}

void EventRegisters::wait_complete(TimePs now) {
    const bool cause_before = (registers_.get(reg::kIcs) & iq::kIwc) != 0;
    registers_.set(reg::kIcs, iq::kIwc);
    raise(now, invalidation_event_, cause_before);
}

void EventRegisters::set_page_status(TimePs now, std::uint32_t bit) {
    const std::uint32_t before = registers_.get(reg::kPrs);
    registers_.set(reg::kPrs, before | bit);
    raise(now, page_event_, before != 0);
}

bool EventRegisters::queue_stopped() const {
    return (registers_.get(reg::kFsts) & (fsts::kIqe | fsts::kIte)) != 0;
}

}  // namespace ioasim::vtd
