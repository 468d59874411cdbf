#include "models/requester/requester_core.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/sim/module.hpp"
#include "core/trace/device_events.hpp"
#include "models/requester/requester_probes.hpp"

namespace ioasim::requester {
namespace {

constexpr Pasid kNoPasid{kInvalidIoasid};  // in events

Outcome outcome_of_completion(pcie::CplStatus status) {
    switch (status) {
        case pcie::CplStatus::Success:
            return Outcome::Ok;
        case pcie::CplStatus::Abort:
            return Outcome::CompleterAbort;
        default:
            return Outcome::UnsupportedRequest;
    }
}

}  // namespace

RequesterCore::RequesterCore(const RequesterParams& params, Rid rid, trace::Name name,
                             Fabric& fabric, Probes& probes, trace::Recorder& recorder,
                             SourceId source)
    : params_(params),
      rid_(rid),
      name_(name),
      fabric_(fabric),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      data_(kMaxLength),
      tags_(params.tags) {}

// --- registers ---

std::uint32_t RequesterCore::word(std::uint64_t offset) const {
    if (offset >= reg::kData && offset < reg::kData + kMaxLength) {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < 4; ++i) {
            value |= std::uint32_t{data_[offset - reg::kData + i]} << (8 * i);
        }
        return value;
    }
    switch (offset) {
        case reg::kId:
            return kIdentity;
        case reg::kStatus:
            return make_status(state_, outcome_);
        case reg::kMoved:
            return moved_;
        case reg::kNumber:
            return number_;
        case reg::kFailed:
            return static_cast<std::uint32_t>(failed_at_);
        case reg::kFailed + 4:
            return static_cast<std::uint32_t>(failed_at_ >> 32U);
        case reg::kGo:
            return 0;
        case reg::kMessageCount:
            return messages_.waiting();
        case reg::kMessageHead:
            return messages_.head();
        case reg::kMessageBody:
            return static_cast<std::uint32_t>(messages_.body());
        case reg::kMessageBody + 4:
            return static_cast<std::uint32_t>(messages_.body() >> 32U);
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
    if (offset == reg::kGo) {
        go(now);
        return;
    }
    if (offset == reg::kMessageSend) {
        send_message(now, value);
        return;
    }
    if (offset == reg::kMessageDrop) {
        messages_.drop();
        return;
    }
    const bool writable = (offset >= reg::kAddress && offset <= reg::kRequester) ||
                          (offset >= reg::kInterruptAddress && offset <= reg::kMessageHeader + 4);
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

std::uint64_t RequesterCore::address() const {
    return at(reg::kAddress) | std::uint64_t{at(reg::kAddress + 4)} << 32U;
}

// --- messages ---

void RequesterCore::send_message(TimePs now, std::uint32_t control) {
    const std::uint64_t header =
        at(reg::kMessageHeader) | std::uint64_t{at(reg::kMessageHeader + 4)} << 32U;
    const pcie::Tlp like = request({}, 0);
    auto message = MessageWindow::make(control, header, like.requester, like.pasid);
    if (!message) {
        probes_.hit(kRefused);
        return;
    }
    message->privileged = message->pasid.has_value() && like.privileged;
    message->execute = message->pasid.has_value() && like.execute;
    fabric_.send(now, std::move(*message));
}

void RequesterCore::receive(const pcie::Tlp& message) {
    if (!messages_.take(message)) {
        probes_.hit(kMessageLost);
    }
}

// --- an operation ---

bool RequesterCore::legal() const {
    const std::uint32_t request = at(reg::kRequest);
    const std::uint32_t length = at(reg::kLength);
    return (request & request::kOperation) <= static_cast<std::uint32_t>(Operation::Write) &&
           length >= 1 && length <= kMaxLength && address() + length - 1 >= address();
}

void RequesterCore::go(TimePs now) {
    if (state_ == State::Busy) {
        return;
    }
    ++number_;
    moved_ = 0;
    failed_at_ = 0;
    outcome_ = Outcome::Ok;
    issued_ = 0;
    end_.reset();
    if (!legal()) {
        probes_.hit(kRefused);
        state_ = State::Done;
        outcome_ = Outcome::Refused;
        return;
    }
    state_ = State::Busy;
    operation_ = static_cast<Operation>(at(reg::kRequest) & request::kOperation);
    start_ = address();
    length_ = at(reg::kLength);
    moving_.assign(data_.begin(), data_.begin() + length_);
    recorder_.emit(source_,
                   trace::RequesterStart{name_, number_, request({}, 0).requester,
                                         request({}, 0).pasid.value_or(kNoPasid), Iova{start_},
                                         length_, operation_ == Operation::Write});
    issue(now);
}

pcie::Tlp RequesterCore::request(pcie::TlpKind kind, std::uint32_t length) const {
    const std::uint32_t flags = at(reg::kRequest);
    const std::uint32_t pasid = at(reg::kPasid);
    const std::uint32_t other = at(reg::kRequester);
    pcie::Tlp tlp;
    tlp.kind = kind;
    tlp.at = static_cast<pcie::AddressType>((flags >> request::kAtShift) & request::kAtMask);
    tlp.requester = (other & kValid) != 0 ? Rid{static_cast<std::uint16_t>(other)} : rid_;
    if ((pasid & kValid) != 0) {
        tlp.pasid = Pasid{pasid & kPasidMask};
        tlp.privileged = (flags & request::kPrivileged) != 0;
        tlp.execute = (flags & request::kExecute) != 0;
    }
    tlp.no_snoop = (flags & request::kNoSnoop) != 0;
    tlp.address = start_ + issued_;
    tlp.length = length;
    tlp.descriptor = number_;
    return tlp;
}

std::uint32_t RequesterCore::part(std::uint64_t limit) const {
    const std::uint64_t to_page_end = kPageSize - (start_ + issued_) % kPageSize;
    std::uint64_t most = std::min<std::uint64_t>(length_ - issued_, to_page_end);
    if (!probes_.has(kIgnoresSizes)) {
        most = std::min(most, limit);
    }
    if (most < length_) {
        probes_.hit(kSplit);
    }
    return static_cast<std::uint32_t>(most);
}

void RequesterCore::issue(TimePs now) {
    if (operation_ == Operation::Write && issued_ < length_) {
        send_writes(now);
    } else if (operation_ == Operation::Read) {
        while (issued_ < length_ && send_read(now)) {
        }
        if (issued_ < length_ && outstanding_ == 0) {
            // Every tag waits for a completion that is late: what is left cannot even be asked for.
            failed(start_ + issued_, Outcome::Timeout);
            issued_ = length_;
        }
    }
    end_if_done(now);
}

void RequesterCore::send_writes(TimePs now) {
    while (issued_ < length_) {
        const std::uint32_t length = part(params_.max_payload);
        pcie::Tlp tlp = request(pcie::TlpKind::MemWrite, length);
        const auto first = moving_.begin() + issued_;
        tlp.data.assign(first, first + length);
        issued_ += length;
        moved_ += length;
        fabric_.send(now, std::move(tlp));
    }
    end_ = fabric_.all_sent();
}

bool RequesterCore::send_read(TimePs now) {
    const auto free =
        std::find_if(tags_.begin(), tags_.end(), [](const Tag& t) { return !t.taken; });
    if (free == tags_.end()) {
        return false;
    }
    const std::uint32_t length = part(params_.max_read_request);
    *free = {true, false, issued_, length, now + params_.completion_timeout};
    pcie::Tlp tlp = request(pcie::TlpKind::MemRead, length);
    tlp.tag = static_cast<std::uint32_t>(free - tags_.begin());
    issued_ += length;
    ++outstanding_;
    fabric_.send(now, std::move(tlp));
    return true;
}

void RequesterCore::failed(std::uint64_t part_address, Outcome outcome) {
    if (outcome_ == Outcome::Ok) {
        outcome_ = outcome;
        failed_at_ = part_address;
    }
}

void RequesterCore::answer(TimePs now, const pcie::Tlp& completion) {
    if (completion.tag >= tags_.size() || !tags_[completion.tag].taken) {
        probes_.hit(kUnexpectedCompletion);  // somebody sent a request in this function's name
        return;
    }
    Tag& tag = tags_[completion.tag];
    tag.taken = false;
    if (tag.given_up) {
        probes_.hit(kLateCompletion);
        return;
    }
    --outstanding_;
    const Outcome outcome = outcome_of_completion(completion.status);
    if (outcome == Outcome::Ok) {
        SIM_CHECK(completion.data.size() == tag.length, "{} bytes for a read of {}",
                  completion.data.size(), tag.length);
        std::copy(completion.data.begin(), completion.data.end(), data_.begin() + tag.offset);
        moved_ += tag.length;
    } else {
        failed(start_ + tag.offset, outcome);
    }
    issue(now);
}

void RequesterCore::end_if_done(TimePs now) {
    const bool done = operation_ == Operation::Write ? end_ && *end_ <= now
                                                     : issued_ == length_ && outstanding_ == 0;
    if (state_ != State::Busy || !done) {
        return;
    }
    state_ = State::Done;
    recorder_.emit(source_, trace::RequesterDone{name_, number_, moved_,
                                                 recorder_.name(outcome_name(outcome_))});
    if ((at(reg::kInterruptControl) & 1U) != 0) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::Interrupt;
        tlp.requester = rid_;
        tlp.address = at(reg::kInterruptAddress) | std::uint64_t{at(reg::kInterruptAddress + 4)}
                                                       << 32U;
        tlp.length = 4;
        for (unsigned i = 0; i < 4; ++i) {
            tlp.data.push_back(static_cast<std::uint8_t>(at(reg::kInterruptData) >> (8 * i)));
        }
        fabric_.send(now, std::move(tlp));
    }
}

void RequesterCore::advance(TimePs now) {
    if (state_ != State::Busy) {
        return;
    }
    if (operation_ == Operation::Write && !end_) {
        end_ = fabric_.all_sent();
    }
    for (Tag& tag : tags_) {
        if (tag.taken && !tag.given_up && tag.deadline <= now) {
            probes_.hit(kTimedOut);
            tag.given_up = true;
            --outstanding_;
            failed(start_ + tag.offset, Outcome::Timeout);
        }
    }
    issue(now);
}

std::optional<TimePs> RequesterCore::next_wakeup() const {
    std::optional<TimePs> next;
    if (state_ != State::Busy) {
        return next;
    }
    next = end_;
    for (const Tag& tag : tags_) {
        if (tag.taken && !tag.given_up) {
            next = sim::earliest(next, tag.deadline);
        }
    }
    return next;
}

std::vector<std::string> RequesterCore::describe() const {
    return {fmt::format("operation {}: {}, {} of {} bytes issued, {} reads outstanding", number_,
                        state_ == State::Busy ? "under way" : "ended", issued_, length_,
                        outstanding_)};
}

}  // namespace ioasim::requester
