// Traffic of a test requester: which block comes next, its requests, its end.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/sim/module.hpp"
#include "core/trace/device_events.hpp"
#include "models/requester/requester_core.hpp"
#include "models/requester/requester_probes.hpp"

namespace ioasim::requester {
namespace {

constexpr std::uint32_t kWordBytes = 8;

TrafficPlan plan_of(const std::array<std::uint32_t, reg::kRegisters>& words) {
    const auto at = [&](std::uint32_t offset) { return words[offset / 4]; };
    const auto wide = [&](std::uint32_t offset) {
        return at(offset) | std::uint64_t{at(offset + 4)} << 32U;
    };
    const std::uint32_t control = at(reg::kTrafficControl);
    TrafficPlan plan;
    plan.base = wide(reg::kTrafficBase);
    plan.window = wide(reg::kTrafficWindow);
    plan.block = at(reg::kTrafficBlock);
    plan.ignored = at(reg::kTrafficIgnored);
    plan.blocks = plan.ignored + at(reg::kTrafficCount);
    plan.outstanding = at(reg::kTrafficOutstanding);
    plan.write = (control & traffic::kWrite) != 0;
    plan.engine = (control & traffic::kEngine) != 0;
    plan.order = static_cast<traffic::Order>((control >> traffic::kOrderShift) & 3U);
    plan.seed = wide(reg::kTrafficSeed);
    plan.listed = at(reg::kTrafficListed);
    return plan;
}

}  // namespace

void RequesterCore::traffic_go(TimePs now) {
    if (state_ == State::Busy || traffic_state_ == State::Busy) {
        return;
    }
    ++number_;
    traffic_ = {};
    traffic_outcome_ = Outcome::Ok;
    plan_ = plan_of(words_);
    wish_ = wish();
    if (!plan_.valid() || wish_.automatic || plan_.order > traffic::Order::List) {
        probes_.hit(kRefused);
        traffic_state_ = State::Done;
        traffic_outcome_ = Outcome::Refused;
        return;
    }
    const std::uint64_t most = plan_.engine ? params_.engine_outstanding : params_.tags;
    if (plan_.outstanding == 0 || plan_.outstanding > most) {
        plan_.outstanding = static_cast<std::uint32_t>(most);
    }
    if (probes_.has(kTrafficOneByOne)) {
        plan_.outstanding = 1;
    }
    traffic_state_ = State::Busy;
    traffic_.since = now;
    random_ = TrafficRandom{plan_.seed};
    journal_.assign(kJournalEntries, 0);
    blocks_.assign(plan_.outstanding, {});
    to_issue_.clear();
    begun_ = 0;
    engine_free_ = now;
    recorder_.emit(source_, trace::RequesterTraffic{name_, number_, Iova{plan_.base}, plan_.block,
                                                    plan_.blocks, plan_.outstanding, plan_.write});
    begin_blocks(now);
    issue_blocks(now);
}

std::uint64_t RequesterCore::next_address() {
    if (plan_.order == traffic::Order::List) {
        std::uint64_t address = 0;
        const std::size_t first = begun_ % plan_.listed * kWordBytes;
        for (std::uint32_t i = 0; i < kWordBytes; ++i) {
            address |= std::uint64_t{data_[first + i]} << (8 * i);
        }
        return address;
    }
    const std::uint64_t places = plan_.window / plan_.block;
    const bool random = plan_.order == traffic::Order::Random && !probes_.has(kTrafficInOrder);
    return plan_.base + plan_.block * (random ? random_.below(places) : begun_ % places);
}

void RequesterCore::begin_blocks(TimePs now) {
    for (std::uint32_t slot = 0; slot < blocks_.size() && begun_ < plan_.blocks; ++slot) {
        TrafficBlock& block = blocks_[slot];
        if (block.taken) {
            continue;
        }
        block = {true, begun_, next_address(), 0, 0, now};
        ++begun_;
        if (plan_.engine && !probes_.has(kEngineAtOnce)) {
            traffic_steps_.schedule(now + params_.engine_latency, 0, {slot, false});
        } else {
            to_issue_.push_back(slot);
        }
    }
}

// One request after another, each block's before the next block's; stops when there is no tag, and
// between two written blocks until the first has left.
void RequesterCore::issue_blocks(TimePs now) {
    while (traffic_state_ == State::Busy && !to_issue_.empty()) {
        const std::uint32_t slot = to_issue_.front();
        TrafficBlock& block = blocks_[slot];
        if (!may_master()) {
            stop_traffic(now, Outcome::Refused);
            return;
        }
        if (block.issued < plan_.block) {
            if (plan_.write) {
                write_part(now, block);
            } else if (!read_part(now, slot, block)) {
                return;
            }
            continue;
        }
        if (plan_.write) {
            const auto left = fabric_.all_sent();
            if (!left) {
                return;
            }
            traffic_steps_.schedule(std::max(*left, now), 0, {slot, true});
        }
        to_issue_.pop_front();
    }
}

std::uint32_t RequesterCore::traffic_part(const TrafficBlock& block, std::uint64_t limit) const {
    const std::uint64_t at = block.address + block.issued;
    const std::uint64_t left = plan_.block - block.issued;
    return static_cast<std::uint32_t>(std::min({left, kPageSize - at % kPageSize, limit}));
}

void RequesterCore::write_part(TimePs now, TrafficBlock& block) {
    pcie::Tlp tlp = request(wish_, pcie::TlpKind::MemWrite);
    tlp.length = traffic_part(
        block, std::min<std::uint64_t>(config_.view().max_payload, params_.max_payload));
    tlp.address = block.address + block.issued;
    tlp.data.resize(tlp.length);
    block.issued += tlp.length;
    fabric_.send(now, std::move(tlp));
}

bool RequesterCore::read_part(TimePs now, std::uint32_t slot, TrafficBlock& block) {
    Outstanding read;
    read.operation = number_;
    read.offset = block.issued;
    read.length = traffic_part(block, config_.view().max_read_request);
    read.iova = block.address + block.issued;
    read.pasid = wish_.pasid;
    read.block = slot;
    read.deadline = deadline(now);
    const auto tag = tags_.take(now, read);
    if (!tag) {
        return false;
    }
    pcie::Tlp tlp = request(wish_, pcie::TlpKind::MemRead);
    tlp.length = read.length;
    tlp.address = read.iova;
    tlp.tag = *tag;
    block.issued += read.length;
    block.under_way += read.length;
    fabric_.send(now, std::move(tlp));
    return true;
}

void RequesterCore::traffic_came(TimePs now, const Outstanding& was, Outcome why) {
    if (traffic_state_ != State::Busy || was.operation != number_) {
        return;
    }
    TrafficBlock& block = blocks_[*was.block];
    block.under_way -= was.length;
    if (why != Outcome::Ok) {
        ++traffic_.failed;
        traffic_outcome_ = why;
    }
    if (block.issued == plan_.block && block.under_way == 0) {
        TimePs there = now;
        if (plan_.engine && params_.engine_bandwidth != 0) {
            // Through the engine's own memory, one block after another.
            const TimePs scaled = TimePs{1'000'000} * plan_.block;
            engine_free_ =
                std::max(engine_free_, now) +
                TimePs{(scaled.ps() + params_.engine_bandwidth - 1) / params_.engine_bandwidth};
            there = engine_free_;
        }
        if (there > now) {
            traffic_steps_.schedule(there, 0, {*was.block, true});
        } else {
            end_block(now, *was.block);
        }
    }
    issue_blocks(now);
}

void RequesterCore::end_block(TimePs now, std::uint32_t slot) {
    TrafficBlock& block = blocks_[slot];
    const TimePs latency = now - block.begun;
    if (block.number >= plan_.ignored) {
        journal_[traffic_.counted % journal_.size()] = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(latency.ps(), std::numeric_limits<std::uint32_t>::max()));
        traffic_.count(now, latency);
    }
    block.taken = false;
    ++traffic_.ended;
    if (traffic_.ended == plan_.ignored) {
        traffic_.since = now;
    }
    if (traffic_.ended == plan_.blocks) {
        end_traffic(now);
        return;
    }
    begin_blocks(now);
}

void RequesterCore::advance_traffic(TimePs now) {
    while (traffic_state_ == State::Busy && traffic_steps_.due(now)) {
        const TrafficStep step = traffic_steps_.pop();
        if (step.end) {
            end_block(now, step.block);
        } else {
            to_issue_.push_back(step.block);
        }
    }
    issue_blocks(now);
}

// What is under way comes back to nobody.
void RequesterCore::stop_traffic(TimePs now, Outcome outcome) {
    traffic_outcome_ = outcome;
    end_traffic(now);
}

void RequesterCore::forget_traffic() {
    traffic_state_ = State::Idle;
    traffic_outcome_ = Outcome::Ok;
    traffic_ = {};
    traffic_steps_ = {};
    to_issue_.clear();
    journal_.clear();
}

void RequesterCore::end_traffic(TimePs now) {
    traffic_state_ = State::Done;
    traffic_steps_ = {};
    to_issue_.clear();
    const std::uint64_t counted = std::max<std::uint64_t>(traffic_.counted, 1);
    recorder_.emit(source_,
                   trace::RequesterTrafficDone{
                       name_, number_, traffic_.counted, traffic_.failed, now - traffic_.since,
                       TimePs{traffic_.sum.ps() / counted}, traffic_.shortest, traffic_.longest,
                       recorder_.name(outcome_name(traffic_outcome_))});
}

std::uint64_t RequesterCore::traffic_value(std::uint64_t offset) const {
    switch (offset) {
        case reg::kTrafficStatus:
            return make_status(traffic_state_, traffic_outcome_);
        case reg::kTrafficEnded:
            return traffic_.ended;
        case reg::kTrafficFailed:
            return traffic_.failed;
        case reg::kTrafficElapsed:
            return traffic_.counted == 0 ? 0 : (traffic_.until - traffic_.since).ps();
        case reg::kTrafficSum:
            return traffic_.sum.ps();
        case reg::kTrafficShortest:
            return traffic_.shortest.ps();
        case reg::kTrafficLongest:
            return traffic_.longest.ps();
        case reg::kTrafficJournaled:
            return std::min<std::uint64_t>(traffic_.counted, journal_.size());
        default:
            return 0;
    }
}

}  // namespace ioasim::requester
