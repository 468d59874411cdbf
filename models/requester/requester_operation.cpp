// An operation of a test requester: the requests that it is made of, their completions, its end.
#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "models/requester/requester_core.hpp"
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

RequesterCore::Wish RequesterCore::wish() const {
    const std::uint32_t flags = at(reg::kRequest);
    const std::uint32_t pasid = at(reg::kPasid);
    const std::uint32_t other = at(reg::kRequester);
    Wish w;
    w.requester = (other & kValid) != 0 ? Rid{static_cast<std::uint16_t>(other)} : rid_;
    w.at = static_cast<pcie::AddressType>((flags >> request::kAtShift) & request::kAtMask);
    w.automatic = (flags & request::kAutomatic) != 0;
    if ((pasid & kValid) != 0) {
        w.pasid = Pasid{pasid & kPasidMask};
        w.privileged = (flags & request::kPrivileged) != 0;
        w.execute = (flags & request::kExecute) != 0;
    }
    w.no_snoop = (flags & request::kNoSnoop) != 0;
    w.relaxed_ordering = (flags & request::kRelaxedOrdering) != 0;
    w.id_ordering = (flags & request::kIdOrdering) != 0;
    w.poisoned = (flags & request::kPoisoned) != 0;
    w.hint = (flags & request::kToMemory) != 0  ? pcie::CacheHint::Memory
             : (flags & request::kToCache) != 0 ? pcie::CacheHint::Cache
                                                : pcie::CacheHint::None;
    return w;
}

bool RequesterCore::legal(const Wish& wish) const {
    const std::uint32_t length = at(reg::kLength);
    const std::uint64_t first = wide(reg::kAddress);
    const pcie::ConfigView& config = config_.view();
    const bool pasid_fits = wish.pasid && (wish.pasid->value() >> params_.pasid_width) == 0;
    const bool may_name_pasid =
        !wish.automatic || !wish.pasid || misbehaves(misbehave::kPasidNotEnabled) ||
        (config.pasid && pasid_fits && (config.pasid_privileged || !wish.privileged) &&
         (config.pasid_execute || !wish.execute));
    return (at(reg::kRequest) & request::kOperation) <=
               static_cast<std::uint32_t>(Operation::Write) &&
           length >= 1 && length <= kMaxLength && first + length - 1 >= first && may_name_pasid;
}

void RequesterCore::go(TimePs now) {
    if (state_ == State::Busy || traffic_state_ == State::Busy) {
        return;
    }
    ++number_;
    moved_ = 0;
    failed_at_ = 0;
    outcome_ = Outcome::Ok;
    issued_ = 0;
    end_.reset();
    denied_.reset();
    promises_ = 0;
    const Wish asked = wish();
    if (!legal(asked)) {
        probes_.hit(kRefused);
        state_ = State::Done;
        outcome_ = Outcome::Refused;
        return;
    }
    state_ = State::Busy;
    wish_ = asked;
    operation_ = static_cast<Operation>(at(reg::kRequest) & request::kOperation);
    start_ = wide(reg::kAddress);
    length_ = at(reg::kLength);
    moving_.assign(data_.begin(), data_.begin() + length_);
    recorder_.emit(source_, trace::RequesterStart{name_, number_, wish_.requester,
                                                  wish_.pasid.value_or(kNoPasid), Iova{start_},
                                                  length_, operation_ == Operation::Write});
    issue(now);
}

bool RequesterCore::may_master() const {
    return config_.view().bus_master || misbehaves(misbehave::kNoBusMaster) ||
           probes_.has(kIgnoresBusMaster);
}

pcie::Tlp RequesterCore::request(const Wish& wish, pcie::TlpKind kind) const {
    pcie::Tlp tlp;
    tlp.kind = kind;
    tlp.at = wish.at;
    tlp.requester = wish.requester;
    tlp.pasid = wish.pasid;
    tlp.privileged = wish.privileged;
    tlp.execute = wish.execute;
    tlp.no_snoop = wish.no_snoop && config_.view().no_snoop;
    tlp.relaxed_ordering = wish.relaxed_ordering && config_.view().relaxed_ordering;
    tlp.id_ordering = wish.id_ordering;
    if (kind == pcie::TlpKind::MemWrite) {
        tlp.poisoned = wish.poisoned;
        tlp.hint = wish.hint;
    }
    tlp.descriptor = number_;
    return tlp;
}

std::uint32_t RequesterCore::part(std::uint64_t limit) const {
    const std::uint64_t to_page_end = kPageSize - (start_ + issued_) % kPageSize;
    std::uint64_t most = length_ - issued_;
    if (!misbehaves(misbehave::kCrossesPages)) {
        most = std::min(most, to_page_end);
    }
    if (!probes_.has(kIgnoresSizes)) {
        most = std::min(most, limit);
    }
    if (most < length_) {
        probes_.hit(kSplit);
    }
    return static_cast<std::uint32_t>(most);
}

void RequesterCore::issue(TimePs now) {
    while (state_ == State::Busy && issued_ < length_) {
        if (!may_master()) {
            give_up_rest(Outcome::Refused);
            break;
        }
        const Route next = route(now, start_ + issued_);
        if (next.kind == Route::Kind::Wait) {
            break;
        }
        if (next.kind == Route::Kind::GiveUp) {
            give_up_rest(next.why);
        } else if (operation_ == Operation::Write) {
            send_write(now, next);
        } else if (!send_read(now, next)) {
            break;
        }
    }
    end_if_done(now);
}

pcie::Tlp RequesterCore::part_of_operation(pcie::TlpKind kind, const Route& route,
                                           std::uint32_t length) const {
    pcie::Tlp tlp = request(wish_, kind);
    tlp.length = length;
    tlp.at = route.at;
    tlp.address = route.address;
    tlp.no_snoop = tlp.no_snoop && !route.snoop;
    if (wish_.automatic && route.at == pcie::AddressType::Translated) {
        tlp.pasid.reset();  // the translation has taken its place (10.2.1)
        tlp.privileged = tlp.execute = false;
    }
    return tlp;
}

void RequesterCore::send_write(TimePs now, const Route& route) {
    const std::uint32_t length =
        part(std::min<std::uint64_t>(config_.view().max_payload, params_.max_payload));
    pcie::Tlp tlp = part_of_operation(pcie::TlpKind::MemWrite, route, length);
    const auto first = moving_.begin() + issued_;
    tlp.data.assign(first, first + length);
    issued_ += length;
    moved_ += length;
    fabric_.send(now, std::move(tlp));
}

std::optional<TimePs> RequesterCore::deadline(TimePs now) const {
    const auto timeout = config_.completion_timeout();
    return timeout ? std::optional<TimePs>{now + *timeout} : std::nullopt;
}

bool RequesterCore::send_read(TimePs now, const Route& route) {
    Outstanding read;
    read.operation = number_;
    read.offset = issued_;
    read.length = part(config_.view().max_read_request);
    read.iova = start_ + issued_;
    read.pasid = wish_.pasid;
    read.translated = route.at == pcie::AddressType::Translated;
    read.deadline = deadline(now);
    const auto tag = tags_.take(now, read);
    if (!tag) {
        if (tags_.waited() == 0) {
            // Every tag waits for a completion that is late: what is left cannot even be asked for.
            give_up_rest(Outcome::Timeout);
        }
        return false;
    }
    pcie::Tlp tlp = part_of_operation(pcie::TlpKind::MemRead, route, read.length);
    tlp.tag = *tag;
    issued_ += read.length;
    ++reads_;
    fabric_.send(now, std::move(tlp));
    return true;
}

void RequesterCore::failed(std::uint64_t part_address, Outcome outcome) {
    if (outcome_ == Outcome::Ok) {
        outcome_ = outcome;
        failed_at_ = part_address;
    }
}

// What was not sent yet is not sent any more.
void RequesterCore::give_up_rest(Outcome outcome) {
    if (state_ == State::Busy && issued_ < length_) {
        failed(start_ + issued_, outcome);
        issued_ = length_;
    }
}

void RequesterCore::answer(TimePs now, const pcie::Tlp& completion) {
    Outstanding was;
    switch (tags_.complete(completion, was)) {
        case TagTable::Came::Unexpected:
            // Somebody sent a request in this function's name, or an earlier owner of the tag did.
            probes_.hit(kUnexpectedCompletion);
            return;
        case TagTable::Came::Late:
            probes_.hit(config_.resetting(now) ? kDiscardedInReset : kLateCompletion);
            return;
        case TagTable::Came::Wanted:
            break;
    }
    config_.note_completion(completion.status);
    came_back(was.tag);
    if (was.block) {
        traffic_came(
            now, was,
            completion.poisoned ? Outcome::Poisoned : outcome_of_completion(completion.status));
    } else if (was.translation) {
        translation_came(was, completion);
    } else {
        read_came(was, completion);
    }
    issue(now);
    answer_invalidations(now);
    continue_stop(now);
}

void RequesterCore::read_came(const Outstanding& was, const pcie::Tlp& completion) {
    --reads_;
    const bool poisoned = completion.poisoned && !probes_.has(kUsesPoison);
    const Outcome outcome = poisoned ? Outcome::Poisoned : outcome_of_completion(completion.status);
    if (outcome != Outcome::Ok) {
        failed(start_ + was.offset, outcome);
        return;
    }
    std::copy(completion.data.begin(), completion.data.end(), data_.begin() + was.offset);
    moved_ += was.length;
}

void RequesterCore::time_out(TimePs now, const Outstanding& was) {
    probes_.hit(kTimedOut);
    came_back(was.tag);
    if (was.block) {
        traffic_came(now, was, Outcome::Timeout);
    } else if (was.translation) {
        asking_.reset();
        give_up_rest(Outcome::Timeout);
    } else {
        --reads_;
        if (!probes_.has(kTimeoutIsSuccess)) {
            failed(start_ + was.offset, Outcome::Timeout);
        }
    }
    answer_invalidations(now);
}

void RequesterCore::end_if_done(TimePs now) {
    if (operation_ == Operation::Write && issued_ == length_ && moved_ != 0 && !end_) {
        end_ = fabric_.all_sent();
    }
    const bool posted = operation_ == Operation::Write && moved_ != 0;
    const bool sent = issued_ == length_ && (!posted || (end_ && *end_ <= now));
    if (state_ != State::Busy || !sent || (awaits() && !probes_.has(kEndsAwaiting))) {
        return;
    }
    state_ = State::Done;
    recorder_.emit(source_, trace::RequesterDone{name_, number_, moved_,
                                                 recorder_.name(outcome_name(outcome_))});
    if ((at(reg::kInterruptControl) & 1U) != 0 && may_master()) {
        interrupt(now);
    }
}

// A message signaled interrupt is a memory write of one dword without PASID (6.1.4); that its
// address makes it an interrupt is for the remapping unit to see.
void RequesterCore::interrupt(TimePs now) {
    pcie::Tlp tlp;
    tlp.kind =
        probes_.has(kMessageBypassesTables) ? pcie::TlpKind::Interrupt : pcie::TlpKind::MemWrite;
    tlp.requester = rid_;
    tlp.address = wide(reg::kInterruptAddress);
    tlp.length = 4;
    for (unsigned i = 0; i < 4; ++i) {
        tlp.data.push_back(static_cast<std::uint8_t>(at(reg::kInterruptData) >> (8 * i)));
    }
    fabric_.send(now, std::move(tlp));
}

}  // namespace ioasim::requester
