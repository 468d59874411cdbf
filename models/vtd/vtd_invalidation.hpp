// The invalidation queue (VT-d specification 6.5.2): fetch, validation, errors, waits.
//
// Descriptors are taken one at a time in queue order, so every ordering rule between them holds
// trivially and a fence flag changes nothing. The head moves once a descriptor is valid. An error
// (IQE) leaves the head on the descriptor and stops fetching until software clears it. A wait holds
// the queue until requests that may use older translations are done. Left out: overlap of
// descriptors, device TLB, interrupt entry cache and page group response types (their capabilities
// are absent, so they are invalid), time-outs.
#pragma once

#include <optional>

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

// Type legal in this table mode and queue width, reserved bits clear, granularity legal.
QueueError check_descriptor(const Capabilities& caps, TableMode mode, bool wide,
                            const Descriptor& descriptor);

// Where a wait writes its status: bits beyond the host address width are ignored.
Hpa wait_status_address(const Capabilities& caps, const Descriptor& wait);

// What the queue asks of the unit.
class QueueOwner {
public:
    virtual ~QueueOwner() = default;
    virtual TableMode table_mode() const = 0;
    virtual bool fetching_allowed() const = 0;  // QIES = 1, IQE = ITE = 0
    virtual void fetch(TimePs now, Hpa address, std::uint32_t bytes) = 0;
    // Anything but a wait takes effect.
    virtual void apply(TimePs now, const Descriptor& descriptor) = 0;
    virtual bool requests_drained() const = 0;
    virtual void write_status(TimePs now, Hpa address, std::uint32_t data) = 0;
    virtual void wait_done(TimePs now, const Descriptor& descriptor) = 0;
    virtual void queue_error(TimePs now, QueueError error) = 0;
};

class InvalidationQueue {
public:
    InvalidationQueue(const Capabilities& caps, TimePs latency, QueueOwner& owner)
        : caps_(caps), latency_(latency), owner_(owner) {}

    std::uint64_t head() const { return head_; }  // as IQH shows it
    std::uint64_t tail() const { return tail_; }
    void set_tail(std::uint64_t value) { tail_ = value & iq::kOffsetMask; }
    void set_base(std::uint64_t iqa) { iqa_ = iqa; }
    // QIE went to 0.
    void reset_head() { head_ = 0; }

    enum class State : std::uint8_t { Idle, Fetching, Executing, Draining, WritingStatus };
    State state() const { return state_; }
    bool idle() const { return state_ == State::Idle; }

    // The tail moved, an error was cleared, the queue was enabled.
    void kick(TimePs now);
    void on_fetched(TimePs now, const std::uint8_t* data, std::size_t size, bool ok);
    std::optional<TimePs> due() const { return due_; }
    void execute(TimePs now);
    void on_drained(TimePs now);
    void on_status_written(TimePs now);

private:
    bool wide() const { return (iqa_ & iq::kWide) != 0; }
    void fail(TimePs now, QueueError error);
    void leave_wait(TimePs now);
    void next(TimePs now);

    const Capabilities& caps_;
    TimePs latency_;
    QueueOwner& owner_;
    State state_ = State::Idle;
    std::uint64_t head_ = 0;
    std::uint64_t tail_ = 0;
    std::uint64_t iqa_ = 0;
    Descriptor current_{};
    std::optional<TimePs> due_;
};

}  // namespace ioasim::vtd
