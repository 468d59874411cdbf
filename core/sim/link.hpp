// A directed connection with latency (>= 1 ps), rate and credits. Messages on one link keep their
// order. A message of n bytes occupies the link for n / rate; it arrives latency after its last
// byte.
#pragma once

#include <utility>

#include "core/sim/inbox.hpp"

namespace ioasim::sim {

struct LinkParams {
    TimePs latency{1000};
    std::uint64_t bytes_per_us = 0;  // 0: infinitely fast
    std::uint64_t credits = 0;       // 0: unlimited
};

template <class Msg>
class Link {
public:
    explicit Link(LinkParams params) : params_(params) {
        SIM_CHECK(params.latency >= TimePs{1}, "a link takes at least 1 ps");
    }
    void bind(Inbox<Msg>& target, std::uint32_t port) {
        target_ = &target;
        port_ = port;
    }
    // The sender is woken when a returned credit arrives.
    void bind_sender(Wakeable& sender) { sender_ = &sender; }
    bool bound() const { return target_ != nullptr; }

    bool can_send(TimePs now) {
        collect_credits(now);
        return params_.credits == 0 || in_use_ < params_.credits;
    }
    // Returns the arrival time. can_send() must hold.
    TimePs send(TimePs now, Msg&& message, std::uint64_t bytes = 0) {
        SIM_CHECK(bound(), "send on an unbound link");
        SIM_CHECK(can_send(now), "send without a credit");
        const TimePs start = free_at_ > now ? free_at_ : now;
        free_at_ = start + serialisation(bytes);
        const TimePs arrival = free_at_ + params_.latency;
        ++in_use_;
        ++sent_;
        target_->deliver(now, arrival, port_, std::move(message));
        return arrival;
    }
    // The receiver has room again; the credit travels back for one latency.
    void return_credit(TimePs now) {
        SIM_CHECK(in_use_ > returning_.size(), "a credit came back that nobody used");
        returning_.schedule(now + params_.latency, 0, 0);
        if (sender_ != nullptr && params_.credits != 0) {
            sender_->wake_at(now + params_.latency);
        }
    }
    std::optional<TimePs> next_credit() const { return returning_.next(); }
    // When the last byte of what was sent has left.
    TimePs free_at() const { return free_at_; }
    std::uint64_t sent() const { return sent_; }
    std::uint64_t in_use() const { return in_use_; }
    const LinkParams& params() const { return params_; }

private:
    TimePs serialisation(std::uint64_t bytes) const {
        if (params_.bytes_per_us == 0 || bytes == 0) {
            return TimePs{};
        }
        // Rounded up to the picosecond: 1 us = 1e6 ps.
        const TimePs scaled = TimePs{1'000'000} * bytes;
        return TimePs{(scaled.ps() + params_.bytes_per_us - 1) / params_.bytes_per_us};
    }
    void collect_credits(TimePs now) {
        while (returning_.due(now)) {
            returning_.pop();
            --in_use_;
        }
    }
    LinkParams params_;
    Inbox<Msg>* target_ = nullptr;
    Wakeable* sender_ = nullptr;
    std::uint32_t port_ = 0;
    TimePs free_at_;
    std::uint64_t in_use_ = 0;
    std::uint64_t sent_ = 0;
    Timeline<char> returning_;
};

}  // namespace ioasim::sim
