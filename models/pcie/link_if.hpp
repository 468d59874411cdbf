// One direction of the link between a function and the root complex: rate, latency, credits, order.
//
// A transaction leaves at once when its class has credits, else it waits here, and with it those
// that must not pass it. The receiver gives credits back when it has consumed a transaction; they
// take the link's latency to arrive. What waits is tried again in order when credits come back.
// Left out: replay, power states, virtual channels other than 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/sim/link.hpp"
#include "core/trace/recorder.hpp"
#include "models/pcie/link_layout.hpp"
#include "models/pcie/link_params_if.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::pcie {

// What shapes one direction.
struct LinkShape {
    TimePs latency{1000};
    std::uint64_t rate = 0;                      // bytes a microsecond; 0: no limit
    std::uint64_t generation = kNoPhysicalLink;  // decides what a transaction weighs
    std::uint64_t width = 1;
    std::uint64_t max_payload = 0;
};
// From the function to the root complex.
LinkShape upstream_shape(const LinkParams& params);

class TlpLink {
public:
    // `name` is that of the direction in events: "dev0.up".
    TlpLink(const LinkShape& shape, Probes& probes, trace::Recorder& recorder, SourceId source,
            const std::string& name);

    void bind(sim::Inbox<Tlp>& target, std::uint32_t port) { link_.bind(target, port); }
    // Woken when credits arrive for which something waits.
    void bind_sender(sim::Wakeable& sender) { sender_ = &sender; }
    // What the receiver has room for.
    void advertise(const CreditLimits& limits);

    // Leaves now or when it may. Returns when the link is free again, if nothing waits.
    TimePs send(TimePs now, Tlp&& tlp);
    // A function is reset: what it has not sent, it never sends. Completions stay, whoever asked
    // waits for them (6.6.2).
    std::vector<Tlp> drop_requests(TimePs now);
    // Tries again what waits. True: something left.
    bool advance(TimePs now);
    // When credits arrive for what waits.
    std::optional<TimePs> next_wakeup() const;

    // When all that was handed over has left; none while something waits for credits.
    std::optional<TimePs> free_at() const {
        return waiting_.empty() ? std::optional<TimePs>(link_.free_at()) : std::nullopt;
    }
    std::size_t waiting() const { return waiting_.size(); }
    bool waits(CreditClass c) const { return stalled_[static_cast<std::size_t>(c)].active; }

    // The receiver's side: what it will give back for a transaction, and that it does.
    CreditCost cost(const Tlp& tlp) const { return credit_cost(tlp, shape_.max_payload); }
    bool limited() const { return limited_; }
    void return_credits(TimePs now, const CreditCost& cost);
    // Nothing waits, and every credit is back or on its way.
    bool settled() const;
    // Credits in use of a class, those on their way back included.
    std::uint64_t headers_in_use(CreditClass c) const {
        return used_headers_[static_cast<std::size_t>(c)];
    }
    std::uint64_t data_in_use(CreditClass c) const {
        return used_data_[static_cast<std::size_t>(c)];
    }
    const LinkShape& shape() const { return shape_; }

private:
    struct Returned {
        TimePs at;
        CreditCost cost;
    };
    struct Stall {
        bool active = false;
        TimePs since;
    };

    std::uint64_t weight(const Tlp& tlp) const;
    bool has_credits(const CreditCost& cost) const;
    void take(const CreditCost& cost);
    bool passes_all(const Tlp& tlp, std::size_t earlier) const;
    void transmit(TimePs now, Tlp&& tlp);
    void collect(TimePs now);
    void stall(TimePs now, const Tlp& tlp, const CreditCost& cost);
    void tell_resumed(TimePs now);

    LinkShape shape_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name name_;
    sim::Link<Tlp> link_;
    sim::Wakeable* sender_ = nullptr;
    bool limited_ = false;
    CreditLimits limits_;
    std::array<std::uint64_t, kCreditClasses> used_headers_{};
    std::array<std::uint64_t, kCreditClasses> used_data_{};
    std::array<Stall, kCreditClasses> stalled_{};
    std::deque<Tlp> waiting_;  // in the order in which they were handed over
    std::deque<Returned> returning_;
};

}  // namespace ioasim::pcie
