// Arrivals of a module. Links deliver ahead of time (a link takes at least 1 ps), so at any instant
// every arrival of that instant is already here, and they are served by (time, port, sequence)
// whatever the order in which the senders ran. No race is ever decided by the kernel.
#pragma once

#include <utility>

#include "core/sim/arrival_order.hpp"
#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"

namespace ioasim::sim {

template <class Msg>
struct Arrival {
    std::uint32_t port;
    TimePs sent;
    Msg message;
};

template <class Msg>
class Inbox {
public:
    // `capacity` bounds the arrivals under way and unserved; links and credits keep below it.
    Inbox(Wakeable& owner, std::size_t capacity)
        : owner_(owner), capacity_(capacity), order_(owner.arrival_order()) {}

    // `port` is the fixed rank among same-time arrivals. Messages are handed on by reference until
    // they lie in the timeline: they are moved once, not once a call.
    void deliver(TimePs now, TimePs arrival, std::uint32_t port, Msg&& message) {
        SIM_CHECK(arrival > now, "a message takes at least 1 ps");
        SIM_CHECK(arrivals_.size() < capacity_, "inbox full: {} messages", capacity_);
        arrivals_.schedule(arrival, port, Arrival<Msg>{port, now, std::move(message)});
        owner_.wake_at(arrival);
    }
    bool due(TimePs now) const { return arrivals_.due(now); }
    Arrival<Msg> pop() { return order_ == nullptr ? arrivals_.pop() : pop_any(); }
    std::optional<TimePs> next() const { return arrivals_.next(); }
    std::size_t size() const { return arrivals_.size(); }

private:
    // The first, or one of another port within the window.
    Arrival<Msg> pop_any() {
        const TimePs first = *arrivals_.next();
        const auto candidates =
            arrivals_.firsts(first + order_->window(),
                             [first](const Arrival<Msg>& arrival) { return arrival.sent < first; });
        if (candidates.size() < 2) {
            return arrivals_.pop();
        }
        return arrivals_.pop(candidates[order_->choose(candidates.size())]);
    }

    Wakeable& owner_;
    std::size_t capacity_;
    const ArrivalOrder* order_;  // null: as they come
    Timeline<Arrival<Msg>> arrivals_;
};

}  // namespace ioasim::sim
