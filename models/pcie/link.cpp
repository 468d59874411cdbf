#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_probes.hpp"

namespace ioasim::pcie {
namespace {

constexpr std::uint64_t kDmwrData = 4;  // data credits of a deferrable write of 64 bytes

constexpr std::size_t index_of(CreditClass c) {
    return static_cast<std::size_t>(c);
}

bool enough(std::uint64_t limit, std::uint64_t used, std::uint64_t wanted) {
    return limit == 0 || used + wanted <= limit;
}

}  // namespace

bool CreditLimits::any() const {
    const auto set = [](std::uint64_t limit) { return limit != 0; };
    return std::any_of(headers.begin(), headers.end(), set) ||
           std::any_of(data.begin(), data.end(), set);
}

CreditLimits LinkParams::advertised() const {
    CreditLimits limits;
    limits.headers = {posted_headers, nonposted_headers, 0};
    limits.data = {posted_data, nonposted_data, 0};
    return limits;
}

std::string credit_problem(const CreditLimits& limits, std::uint64_t max_payload) {
    const std::uint64_t posted = limits.data[index_of(CreditClass::Posted)];
    const std::uint64_t other = limits.data[index_of(CreditClass::NonPosted)];
    if (posted != 0 && posted * kCreditBytes < max_payload) {
        return fmt::format("{} credits for posted data hold {} bytes, less than one payload of {}",
                           posted, posted * kCreditBytes, max_payload);
    }
    if (other != 0 && other < kDmwrData) {
        return fmt::format(
            "{} credits for data that is not posted: a deferrable write needs {} of 16 bytes",
            other, kDmwrData);
    }
    return {};
}

LinkShape upstream_shape(const LinkParams& params) {
    return {params.link_latency, params.rate(), params.link_generation,
            std::max<std::uint64_t>(params.link_width, 1), params.max_payload};
}

TlpLink::TlpLink(const LinkShape& shape, Probes& probes, trace::Recorder& recorder, SourceId source,
                 const std::string& name)
    : shape_(shape),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      name_(recorder.name(name)),
      link_(sim::LinkParams{shape.latency, shape.rate, 0}) {}

void TlpLink::advertise(const CreditLimits& limits) {
    const std::string problem = credit_problem(limits, shape_.max_payload);
    SIM_CHECK(problem.empty(), "{}", problem);
    limits_ = limits;
    limited_ = limits.any();
}

std::uint64_t TlpLink::weight(const Tlp& tlp) const {
    if (shape_.generation == kNoPhysicalLink) {
        return wire_bytes(tlp);
    }
    const std::uint64_t bytes = link_bytes(tlp, shape_.generation, shape_.max_payload);
    return probes_.has(kRateOfOneLane) ? bytes * shape_.width : bytes;
}

bool TlpLink::has_credits(const CreditCost& cost) const {
    const std::size_t c = index_of(cost.of);
    return (enough(limits_.headers[c], used_headers_[c], cost.headers) &&
            enough(limits_.data[c], used_data_[c], cost.data)) ||
           probes_.has(kCreditsIgnored);
}

// Whether `tlp` may leave before the first `earlier` of those that wait.
bool TlpLink::passes_all(const Tlp& tlp, std::size_t earlier) const {
    if (earlier != 0 && probes_.has(kOneQueueForAll)) {
        return false;
    }
    if (probes_.has(kLinkIgnoresOrder)) {
        return true;
    }
    return std::all_of(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(earlier),
                       [&tlp](const Tlp& before) { return may_pass(tlp, before); });
}

void TlpLink::transmit(TimePs now, Tlp&& tlp) {
    const std::uint64_t bytes = weight(tlp);
    link_.send(now, std::move(tlp), bytes);
}

void TlpLink::take(const CreditCost& cost) {
    used_headers_[index_of(cost.of)] += cost.headers;
    used_data_[index_of(cost.of)] += cost.data;
}

TimePs TlpLink::send(TimePs now, Tlp&& tlp) {
    if (!limited_) {
        transmit(now, std::move(tlp));
        return link_.free_at();
    }
    collect(now);
    const CreditCost taken = cost(tlp);
    if (!has_credits(taken) || !passes_all(tlp, waiting_.size())) {
        stall(now, tlp, taken);
        waiting_.push_back(std::move(tlp));
        return link_.free_at();
    }
    if (!waiting_.empty()) {
        probes_.hit(kPassedWaiting);
    }
    take(taken);
    transmit(now, std::move(tlp));
    return link_.free_at();
}

void TlpLink::stall(TimePs now, const Tlp& tlp, const CreditCost& cost) {
    Stall& stall = stalled_[index_of(cost.of)];
    if (stall.active) {
        return;
    }
    stall = {true, now};
    probes_.hit(kCreditStall);
    const std::size_t c = index_of(cost.of);
    const bool header = !enough(limits_.headers[c], used_headers_[c], cost.headers);
    const bool data = !enough(limits_.data[c], used_data_[c], cost.data);
    recorder_.emit(source_, trace::PcieStall{name_, recorder_.name(credit_class_name(cost.of)),
                                             recorder_.name(header ? "header"
                                                            : data ? "data"
                                                                   : "order"),
                                             tlp.requester, tlp.descriptor});
}

bool TlpLink::advance(TimePs now) {
    if (waiting_.empty()) {
        return false;
    }
    collect(now);
    bool left = false;
    for (std::size_t i = 0; i < waiting_.size();) {
        const CreditCost taken = cost(waiting_[i]);
        if (!has_credits(taken) || !passes_all(waiting_[i], i)) {
            ++i;
            continue;
        }
        take(taken);
        transmit(now, std::move(waiting_[i]));
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
        left = true;
    }
    if (left) {
        tell_resumed(now);
    }
    return left;
}

std::vector<Tlp> TlpLink::drop_requests(TimePs now) {
    const auto kept = std::stable_partition(waiting_.begin(), waiting_.end(), [](const Tlp& tlp) {
        return tlp.kind == TlpKind::Completion;
    });
    std::vector<Tlp> dropped{std::make_move_iterator(kept),
                             std::make_move_iterator(waiting_.end())};
    waiting_.erase(kept, waiting_.end());
    tell_resumed(now);
    advance(now);  // completions that were not allowed to pass them
    return dropped;
}

void TlpLink::tell_resumed(TimePs now) {
    for (std::size_t c = 0; c < kCreditClasses; ++c) {
        const auto same = [c](const Tlp& tlp) { return index_of(credit_class(tlp.kind)) == c; };
        if (stalled_[c].active && std::none_of(waiting_.begin(), waiting_.end(), same)) {
            stalled_[c].active = false;
            recorder_.emit(
                source_, trace::PcieResume{
                             name_, recorder_.name(credit_class_name(static_cast<CreditClass>(c))),
                             now - stalled_[c].since});
        }
    }
}

std::optional<TimePs> TlpLink::next_wakeup() const {
    if (waiting_.empty() || returning_.empty()) {
        return std::nullopt;
    }
    return returning_.front().at;
}

void TlpLink::return_credits(TimePs now, const CreditCost& cost) {
    if (!limited_) {
        return;
    }
    const TimePs at = now + shape_.latency;
    const bool merges =
        !returning_.empty() && returning_.back().at == at && returning_.back().cost.of == cost.of;
    if (merges) {
        returning_.back().cost.headers += cost.headers;
        returning_.back().cost.data += cost.data;
    } else {
        returning_.push_back({at, cost});
    }
    if (sender_ != nullptr && !waiting_.empty()) {
        sender_->wake_at(at);
    }
}

bool TlpLink::settled() const {
    std::array<std::uint64_t, kCreditClasses> headers = used_headers_;
    std::array<std::uint64_t, kCreditClasses> data = used_data_;
    for (const Returned& back : returning_) {
        headers[index_of(back.cost.of)] -= back.cost.headers;
        data[index_of(back.cost.of)] -= back.cost.data;
    }
    const auto none = [](std::uint64_t used) { return used == 0; };
    return waiting_.empty() && std::all_of(headers.begin(), headers.end(), none) &&
           std::all_of(data.begin(), data.end(), none);
}

void TlpLink::collect(TimePs now) {
    while (!returning_.empty() && returning_.front().at <= now) {
        const CreditCost& back = returning_.front().cost;
        const std::size_t c = index_of(back.of);
        SIM_CHECK(back.headers <= used_headers_[c] && back.data <= used_data_[c],
                  "{}: {} header and {} data credits came back, {} and {} were in use",
                  credit_class_name(back.of), back.headers, back.data, used_headers_[c],
                  used_data_[c]);
        used_headers_[c] -= back.headers;
        used_data_[c] -= back.data;
        returning_.pop_front();
    }
}

}  // namespace ioasim::pcie
