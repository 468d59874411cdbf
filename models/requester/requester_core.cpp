#include "models/requester/requester_core.hpp"

#include <utility>

#include "core/sim/module.hpp"
#include "core/trace/device_events.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/requester/requester_probes.hpp"

namespace ioasim::requester {

RequesterCore::RequesterCore(const RequesterParams& params, Rid rid, trace::Name name,
                             Fabric& fabric, Probes& probes, trace::Recorder& recorder,
                             SourceId source, std::uint64_t bar0)
    : params_(params),
      rid_(rid),
      name_(name),
      atc_name_(recorder.name("dev_tlb")),
      fabric_(fabric),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      config_(params, bar0),
      data_(kMaxLength),
      tags_(params.tags, params.tag_quarantine),
      atc_(params.atc_entries) {}

// --- registers ----------------------------------------------------------------------------------

std::uint32_t RequesterCore::word(std::uint64_t offset) const {
    if (offset >= reg::kData && offset < reg::kData + kMaxLength) {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < 4; ++i) {
            value |= std::uint32_t{data_[offset - reg::kData + i]} << (8 * i);
        }
        return value;
    }
    if (offset >= reg::kJournal && offset < kBar0Bytes) {
        return journal_.empty() ? 0 : journal_[(offset - reg::kJournal) / 4];
    }
    if (offset >= reg::kTrafficStatus && offset / 4 < words_.size()) {
        const bool upper = offset >= reg::kTrafficElapsed && offset % 8 == 4;
        const std::uint64_t value = traffic_value(upper ? offset - 4 : offset);
        return static_cast<std::uint32_t>(upper ? value >> 32U : value);
    }
    switch (offset) {
        case reg::kId:
            return kIdentity;
        case reg::kStatus:
            return make_status(state_, outcome_) | (stop_ != Stop::None ? kStopping : 0);
        case reg::kMoved:
            return moved_;
        case reg::kNumber:
            return number_;
        case reg::kFailed:
            return static_cast<std::uint32_t>(failed_at_);
        case reg::kFailed + 4:
            return static_cast<std::uint32_t>(failed_at_ >> 32U);
        case reg::kGo:
        case reg::kStop:
        case reg::kTrafficGo:
            return 0;
        case reg::kMessageCount:
            return messages_.waiting();
        case reg::kMessageHead:
            return messages_.head();
        case reg::kMessageBody:
            return static_cast<std::uint32_t>(messages_.body());
        case reg::kMessageBody + 4:
            return static_cast<std::uint32_t>(messages_.body() >> 32U);
        case reg::kTranslations:
            return static_cast<std::uint32_t>(atc_.size());
        case reg::kPagesOutstanding:
            return static_cast<std::uint32_t>(groups_.outstanding());
        default:
            return offset / 4 < words_.size() ? words_[offset / 4] : 0;
    }
}

void RequesterCore::set_word(TimePs now, std::uint64_t offset, std::uint32_t value) {
    if (offset >= reg::kData && offset < reg::kData + kMaxLength) {
        for (unsigned i = 0; i < 4; ++i) {
            data_[offset - reg::kData + i] = static_cast<std::uint8_t>(value >> (8 * i));
        }
        return;
    }
    switch (offset) {
        case reg::kGo:
            go(now);
            return;
        case reg::kTrafficGo:
            traffic_go(now);
            return;
        case reg::kMessageSend:
            send_message(now, value);
            return;
        case reg::kMessageDrop:
            messages_.drop();
            return;
        case reg::kStop:
            stop(now, static_cast<Stop>(value & 3U));
            return;
        default:
            break;
    }
    const bool writable = (offset >= reg::kAddress && offset <= reg::kRequester) ||
                          (offset >= reg::kInterruptAddress && offset <= reg::kMessageHeader + 4) ||
                          offset == reg::kMisbehave || offset == reg::kAnswerDelay ||
                          (offset >= reg::kTrafficBase && offset < reg::kTrafficGo);
    if (writable) {
        words_[offset / 4] = value;
    }
}

std::uint64_t RequesterCore::read_register(std::uint64_t offset, unsigned size) const {
    const std::uint64_t low = word(offset);
    return size == 4 ? low : low | std::uint64_t{word(offset + 4)} << 32U;
}

void RequesterCore::write_register(TimePs now, std::uint64_t offset, std::uint64_t value,
                                   unsigned size) {
    set_word(now, offset, static_cast<std::uint32_t>(value));
    if (size == 8) {
        set_word(now, offset + 4, static_cast<std::uint32_t>(value >> 32U));
    }
}

// --- configuration ------------------------------------------------------------------------------

void RequesterCore::configure(TimePs now, const pcie::Tlp& request) {
    const auto offset = static_cast<std::uint32_t>(request.address);
    if (config_.resetting(now)) {
        // Until the reset is over: Request Retry Status (6.6.2), which ends the access as failed.
        probes_.hit(kDiscardedInReset);
        fabric_.send(now, pcie::make_completion(request, pcie::CplStatus::Retry));
        return;
    }
    pcie::Tlp completion = pcie::make_completion(request, pcie::CplStatus::Success);
    if (request.kind == pcie::TlpKind::ConfigRead) {
        config_.set_pending(tags_.waited() != 0);
        const std::uint32_t value = config_.read(offset, request.length);
        for (unsigned i = 0; i < request.length; ++i) {
            completion.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
        fabric_.send(now, std::move(completion));
        return;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < request.data.size(); ++i) {
        value |= std::uint32_t{request.data[i]} << (8 * i);
    }
    recorder_.emit(source_, trace::PcieConfigWrite{rid_, offset, value, request.length});
    const bool had_ats = config_.view().ats;
    const pcie::ConfigOrders orders = config_.write(offset, value, request.length);
    fabric_.send(now, std::move(completion));
    written(now, orders, had_ats);
}

void RequesterCore::written(TimePs now, const pcie::ConfigOrders& orders, bool had_ats) {
    if (orders.reset_function) {
        reset(now);
        return;
    }
    if (config_.view().ats != had_ats) {
        ats_halted_ = false;
        if (had_ats && !misbehaves(misbehave::kAtsNotEnabled)) {
            tell_dropped(atc_.clear(), "invalidate");
            // Nobody will invalidate what is still on its way.
            tags_.each([](Outstanding& r) { r.stale = r.stale || r.translation; });
        }
    }
    if (orders.reset_page_requests) {
        groups_.forget_all();
        awaiting_pages_ = false;
    }
    show_page_status();
    if (state_ == State::Busy) {
        issue(now);
    }
    continue_stop(now);
}

// "Stopped" tells that nothing is outstanding once the interface is disabled (10.5.2.3).
void RequesterCore::show_page_status() {
    config_.set_page_status(pcie::config::kPriStopped,
                            !config_.view().page_requests && groups_.outstanding() == 0);
}

// Everything is forgotten. Tags whose completions are still to come stay taken: they will be
// discarded, whenever they come.
void RequesterCore::reset(TimePs now) {
    config_.begin_reset(now);
    recorder_.emit(source_,
                   trace::PcieFunctionReset{rid_, static_cast<std::uint32_t>(tags_.waited()),
                                            static_cast<std::uint32_t>(groups_.outstanding()),
                                            now + params_.reset_time});
    if (!probes_.has(kResetSendsWaiting)) {
        for (const pcie::Tlp& unsent : fabric_.drop_requests(now)) {
            if (!pcie::is_posted(unsent.kind)) {
                tags_.never_sent(unsent.tag);
            }
        }
    }
    if (probes_.has(kResetForgetsTags)) {
        tags_.forget_all();
    } else {
        tags_.give_up_all(now);
    }
    if (!probes_.has(kResetKeepsTranslations)) {
        tell_dropped(atc_.clear(), "invalidate");
    }
    groups_.forget_all();
    invalidations_.clear();
    messages_ = {};
    forget_traffic();
    words_.fill(0);
    data_.assign(data_.size(), 0);
    state_ = State::Idle;
    outcome_ = Outcome::Ok;
    failed_at_ = 0;
    moved_ = 0;
    reads_ = 0;
    issued_ = length_ = 0;
    end_.reset();
    asking_.reset();
    denied_.reset();
    ats_halted_ = false;
    awaiting_pages_ = false;
    stop_ = Stop::None;
}

// --- messages -----------------------------------------------------------------------------------

void RequesterCore::send_message(TimePs now, std::uint32_t control) {
    const pcie::Tlp like = request(wish(), {});
    auto message =
        MessageWindow::make(control, wide(reg::kMessageHeader), like.requester, like.pasid);
    if (!message) {
        probes_.hit(kRefused);
        return;
    }
    message->privileged = message->pasid.has_value() && like.privileged;
    message->execute = message->pasid.has_value() && like.execute;
    fabric_.send(now, std::move(*message));
}

void RequesterCore::receive(TimePs now, const pcie::Tlp& message) {
    if (config_.resetting(now)) {
        probes_.hit(kDiscardedInReset);
        return;
    }
    if (message.kind == pcie::TlpKind::InvalidateRequest && ats_on()) {
        invalidate(now, message);
        return;
    }
    const bool interface_is_there = config_.view().page_requests || groups_.outstanding() != 0;
    if (message.kind == pcie::TlpKind::PageGroupResponse && interface_is_there) {
        page_answer(now, message);
        return;
    }
    if (!messages_.take(message)) {
        probes_.hit(kMessageLost);
    }
}

// --- stop ---------------------------------------------------------------------------------------

void RequesterCore::stop(TimePs now, Stop how) {
    if (how != Stop::WaitForResponses && how != Stop::SendMarker) {
        probes_.hit(kRefused);
        return;
    }
    stop_ = how;
    stop_pasid_ = wish().pasid;
    if (state_ == State::Busy && wish_.pasid == stop_pasid_) {
        give_up_rest(Outcome::Stopped);
    }
    if (traffic_state_ == State::Busy && wish_.pasid == stop_pasid_) {
        stop_traffic(now, Outcome::Stopped);
    }
    continue_stop(now);
}

// Requests of the PASID come back first; then its page requests are answered, or a stop marker
// behind them tells that nobody waits for the answers (10.4.1.2).
void RequesterCore::continue_stop(TimePs now) {
    if (stop_ == Stop::None) {
        return;
    }
    bool under_way = false;
    tags_.each([&](const Outstanding& r) { under_way = under_way || r.pasid == stop_pasid_; });
    under_way = under_way && !probes_.has(kMarkerAhead);
    const bool marker = stop_ == Stop::SendMarker && stop_pasid_ && config_.view().page_requests;
    if (under_way || (!marker && groups_.waits(stop_pasid_))) {
        return;
    }
    if (marker) {
        groups_.abandon(stop_pasid_);
        fabric_.send(now, pcie::page_request(rid_, stop_pasid_, {0, 0, true, false, false}));
    }
    stop_ = Stop::None;
    if (state_ == State::Busy && wish_.pasid == stop_pasid_) {
        awaiting_pages_ = false;
        end_if_done(now);
    }
}

// --- time ---------------------------------------------------------------------------------------

void RequesterCore::advance(TimePs now) {
    while (const auto late = tags_.expire(now)) {
        time_out(now, *late);
    }
    for (Invalidation& invalidation : invalidations_) {
        if (!invalidation.applied && invalidation.due <= now) {
            apply(invalidation);
        }
    }
    answer_invalidations(now);
    if (state_ == State::Busy) {
        issue(now);
    }
    if (traffic_state_ == State::Busy) {
        advance_traffic(now);
    }
    continue_stop(now);
}

std::optional<TimePs> RequesterCore::next_wakeup() const {
    std::optional<TimePs> next = sim::earliest(tags_.deadline(), traffic_steps_.next());
    if (state_ == State::Busy && issued_ == length_ && !awaits()) {
        next = sim::earliest(next, end_);
    }
    for (const Invalidation& i : invalidations_) {
        next = sim::earliest(next, i.applied ? i.answer_at : std::optional<TimePs>{i.due});
    }
    return next;
}

std::vector<std::string> RequesterCore::describe() const {
    std::vector<std::string> lines{
        fmt::format("operation {}: {}, {} of {} bytes issued, {} reads outstanding", number_,
                    state_ == State::Busy ? "under way" : "ended", issued_, length_, reads_)};
    if (traffic_state_ == State::Busy) {
        lines.push_back(fmt::format("traffic {}: {} of {} blocks ended, {} begun", number_,
                                    traffic_.ended, plan_.blocks, begun_));
    }
    if (asking_ || awaiting_pages_) {
        lines.push_back(asking_ ? "waits for a translation" : "waits for a page response");
    }
    if (!invalidations_.empty()) {
        lines.push_back(fmt::format("{} invalidations unanswered", invalidations_.size()));
    }
    return lines;
}

}  // namespace ioasim::requester
