#include "models/vtd/vtd_faults.hpp"

#include <algorithm>

namespace ioasim::vtd {

bool FaultLog::pending() const {
    return std::any_of(records_.begin(), records_.end(),
                       [](const FaultQwords& q) { return frcd::kF.get(q.high) != 0; });
}

bool FaultLog::known(Rid source) const {
    return std::any_of(records_.begin(), records_.end(), [source](const FaultQwords& q) {
        return frcd::kF.get(q.high) != 0 && decode_fault(q).source == source;
    });
}

FaultLog::Outcome FaultLog::record(const FaultRecord& fault, bool compress) {
    if (overflow_) {
        return {false, true, false};
    }
    if (compress && compress_ && known(fault.source)) {
        return {};
    }
    if (frcd::kF.get(records_[next_].high) != 0) {
        overflow_ = true;
        return {false, true, true};
    }
    const bool was_pending = pending();
    FaultRecord stored = fault;
    stored.valid = true;
    records_[next_] = encode(stored);
    if (!was_pending) {
        first_ = next_;
    }
    next_ = (next_ + 1) % static_cast<unsigned>(records_.size());
    return {true, false, !was_pending};
}

std::optional<EventMessage> EventRegister::raise() {
    pending_ = true;
    return send_if_open();
}

std::optional<EventMessage> EventRegister::write_control(std::uint32_t value) {
    masked_ = (value & event_control::kMasked) != 0;
    return send_if_open();
}

std::optional<EventMessage> EventRegister::send_if_open() {
    if (masked_ || !pending_) {
        return std::nullopt;
    }
    pending_ = false;
    return message_;
}

}  // namespace ioasim::vtd
