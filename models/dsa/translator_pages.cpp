// Page requests and invalidations of a DSA device, and what switching ATS off or a reset means.
#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/dsa/dsa_corner_probes.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/translator.hpp"

namespace ioasim::dsa {
namespace {

constexpr Rid kUnit{0};  // the unit that sends invalidations has no other id

}  // namespace

// --- page requests ------------------------------------------------------------------------------

// Sources and destinations block where the descriptor says so, everything else always.
bool Translator::may_block(const Use& use, Operand operand) const {
    return use.issuer.prs && function_.view().page_requests && !function_.response_failed() &&
           (use.issuer.block || operand == Operand::Record || operand == Operand::List);
}

// The translation does not permit the access: the page is asked for, or it was a page fault.
void Translator::denied(TimePs now, const PageRef& ref) {
    Page& page = page_of(ref);
    if (!may_block(uses_[ref.use], operand_of(ref.use))) {
        refuse(now, ref, Status::PageFault);
        return;
    }
    if (page.promises >= shared_.params.page_retries && !shared_.probes.has(kPromisesForEver)) {
        refuse(now, ref, Status::PageRequestInvalid);
        return;
    }
    become(page, State::AwaitsCredits);
    credit_waiters_.push_back({ref, page.generation});
    next_page(now);
    if (page.state == State::AwaitsCredits) {
        shared_.probes.hit(kPageCreditsShort);
    }
}

std::uint64_t Translator::page_credits() const {
    if (shared_.probes.has(kPagesOverdrawn)) {
        return ~std::uint64_t{0};
    }
    const std::uint64_t allocation = std::min<std::uint64_t>(
        function_.view().page_request_allocation, shared_.params.page_capacity);
    return groups_.credits(allocation - std::min(allocation, kept_credits_));
}

void Translator::next_page(TimePs now) {
    while (!credit_waiters_.empty() && page_credits() != 0) {
        const Step next = credit_waiters_.front();
        credit_waiters_.pop_front();
        const Page& page = page_of(next.ref);
        if (page.generation == next.generation && page.state == State::AwaitsCredits) {
            ask_page(now, next.ref);
        }
        if (credit_waiters_.size() > 1 && shared_.probes.has(kCreditWaiterForgotten)) {
            credit_waiters_.pop_back();
        }
    }
}

void Translator::ask_page(TimePs now, const PageRef& ref) {
    Page& page = page_of(ref);
    const Issuer& issuer = uses_[ref.use].issuer;
    const auto group = groups_.open(issuer.pasid, 1);
    if (!group) {
        credit_waiters_.push_front({ref, page.generation});
        return;
    }
    become(page, State::AwaitsPage);
    page_waiters_.push_back({*group, {ref, page.generation}});
    shared_.emit(trace::RequesterPageGroup{
        shared_.names.device, traced_pasid(issuer.pasid), *group, Iova{page.page}, 1,
        groups_.outstanding() + kept_credits_, function_.view().page_request_allocation});
    pcie::Tlp tlp = pcie::page_request(shared_.config.rid, issuer.pasid,
                                       {page.page, *group, true, page.write, !page.write});
    tlp.privileged = issuer.privileged;
    tlp.descriptor = issuer.descriptor;
    shared_.fabric.send(now, std::move(tlp));
    show_page_status();
}

void Translator::page_answer(TimePs now, const pcie::Tlp& message) {
    const pcie::PageGroupAnswer response = pcie::decode_page_group_answer(message.address);
    const auto say = [&](const char* meaning) {
        shared_.emit(trace::RequesterPageAnswer{shared_.names.device, response.group, response.code,
                                                shared_.recorder.name(meaning)});
    };
    if (function_.response_failed()) {
        say("ignored");
        return;
    }
    if (groups_.answer(response.group, message.pasid) ==
        pcie::PageRequestGroups::Match::Unexpected) {
        function_.set_page_status(pcie::config::kUnexpectedGroup);
        say("unexpected");
        return;
    }
    const auto waiter = std::find_if(page_waiters_.begin(), page_waiters_.end(),
                                     [&](const Waiter& w) { return w.group == response.group; });
    const std::optional<Step> step =
        waiter == page_waiters_.end() ? std::nullopt : std::optional<Step>(waiter->step);
    if (step) {
        page_waiters_.erase(waiter);
    }
    const auto code = static_cast<pcie::PageAnswer>(response.code);
    if (code != pcie::PageAnswer::Success && code != pcie::PageAnswer::Invalid) {
        // Response Failure, and the reserved codes: no further responses are to be expected.
        say("failure");
        function_.set_page_status(pcie::config::kResponseFailure);
        groups_.forget_all();
        if (step) {
            refuse(now, step->ref, Status::TranslationFailure);
        }
        refuse_waiting_pages(now, Status::TranslationFailure);
    } else if (!step) {
        say("abandoned");
    } else if (code == pcie::PageAnswer::Invalid && !shared_.probes.has(kPageCodeIgnored)) {
        say("invalid");
        kept_credits_ += shared_.probes.has(kRefusedKeepsCredit) ? 1 : 0;
        refuse(now, step->ref, Status::PageRequestInvalid);
    } else {
        say("retry");
        Page& page = page_of(step->ref);
        ++page.promises;
        become(page, State::Leaves);
        schedule(now + shared_.params.page_retry, step->ref);
    }
    next_page(now);
    show_page_status();
}

void Translator::refuse_waiting_pages(TimePs now, Status why) {
    std::vector<Step> waiting(credit_waiters_.begin(), credit_waiters_.end());
    for (const Waiter& waiter : page_waiters_) {
        waiting.push_back(waiter.step);
    }
    credit_waiters_.clear();
    page_waiters_.clear();
    for (const Step& step : waiting) {
        const Page& page = page_of(step.ref);
        if (page.generation == step.generation &&
            (page.state == State::AwaitsCredits || page.state == State::AwaitsPage)) {
            refuse(now, step.ref, why);
        }
    }
}

void Translator::abandon(TimePs now, AtsUser user) {
    const std::uint32_t first = index_of(user, Operand::Source);
    std::array<bool, kOperands> joinable{};
    for (std::uint32_t use = first; use < first + kOperands; ++use) {
        for (Page& page : uses_[use].pages) {
            if (page.state != State::Asked) {  // its completion will come
                joinable[use - first] = joinable[use - first] || page.state == State::Leaves;
                become(page, State::None);
                ++page.generation;
            }
        }
    }
    for (Request& request : requests_) {
        const bool own = request.ref.use >= first && request.ref.use < first + kOperands;
        request.useless =
            request.useless || (own && request.waited && !shared_.probes.has(kAbortedAsksOn));
    }
    const auto gone = [&](const Waiter& w) {
        return page_of(w.step.ref).generation != w.step.generation;
    };
    page_waiters_.erase(std::remove_if(page_waiters_.begin(), page_waiters_.end(), gone),
                        page_waiters_.end());
    for (std::uint32_t o = 0; o < kOperands; ++o) {
        if (joinable[o] && !shared_.probes.has(kAbortStrandsJoined)) {
            rejoin(now, first + o);
        }
    }
}

void Translator::show_page_status() {
    function_.set_page_status(pcie::config::kPriStopped,
                              !function_.view().page_requests && groups_.outstanding() == 0);
}

void Translator::page_interface_changed(TimePs now) {
    if (!function_.view().page_requests) {
        std::deque<Step> waiting = std::exchange(credit_waiters_, {});
        for (const Step& step : waiting) {
            const Page& page = page_of(step.ref);
            if (page.generation == step.generation && page.state == State::AwaitsCredits) {
                refuse(now, step.ref, Status::PageFault);
            }
        }
    }
    next_page(now);
    show_page_status();
}

void Translator::page_requests_reset(TimePs now) {
    groups_.forget_all();
    kept_credits_ = 0;
    refuse_waiting_pages(now, Status::TranslationFailure);
    show_page_status();
}

// Behind the last requests of the PASID (10.4.1.2).
void Translator::stop(TimePs now, Pasid pasid) {
    if (!function_.view().page_requests || !groups_.waits(pasid)) {
        return;
    }
    groups_.abandon(pasid);
    shared_.fabric.send(now,
                        pcie::page_request(shared_.config.rid, pasid, {0, 0, true, false, false}));
}

// --- invalidations ------------------------------------------------------------------------------

void Translator::receive(TimePs now, const pcie::Tlp& message) {
    if (message.kind == pcie::TlpKind::PageGroupResponse) {
        page_answer(now, message);
        return;
    }
    if (!function_.view().ats) {
        shared_.probes.hit(kMessageIgnored);
        return;
    }
    pcie::Invalidation i;
    i.itag = message.tag;
    i.pasid = message.pasid;
    i.body = pcie::decode_invalidate(pcie::load_quadword(message.data));
    i.due = now + shared_.params.ats_invalidation;
    invalidations_.push_back(i);
}

template <class Matches>
std::uint32_t Translator::drop_if(Matches&& matches) {
    std::uint32_t dropped = 0;
    for (pcie::AtcEntry& entry : device_tlb_) {
        if (entry.first <= entry.last && matches(entry)) {
            drop(entry, invalidate_);
            ++dropped;
        }
    }
    for (Use& use : uses_) {
        for (Page& page : use.pages) {
            if (page.state == State::Ready && matches(page.entry)) {
                become(page, State::None);
            }
        }
    }
    return dropped;
}

// The entries go, and what descriptors under way keep of them. Reads that left with their addresses
// must come back before the answer; writes are ahead of it on the same link.
void Translator::apply(pcie::Invalidation& i) {
    i.applied = true;
    if (!shared_.probes.has(kKeepsInvalidated)) {
        i.dropped = drop_if([&](const pcie::AtcEntry& entry) {
            return pcie::reaches(i.pasid, i.body, true, entry.pasid, entry.first, entry.last);
        });
    }
    for (Request& request : requests_) {
        // The page that a translation will turn out to have is not known yet: any may overlap.
        if (request.waited &&
            pcie::reaches(i.pasid, i.body, true, request.pasid, 0, ~std::uint64_t{0})) {
            request.stale = true;
        }
    }
    if (shared_.probes.has(kAnswersBeforeReads)) {
        return;
    }
    port_.each_translated([&](std::uint32_t tag, const std::optional<Pasid>& pasid,
                              std::uint64_t first, std::uint64_t last) {
        if (pcie::reaches(i.pasid, i.body, true, pasid, first, last)) {
            shared_.probes.hit(kInvalidationWaits);
            i.behind.push_back(tag);
        }
    });
}

void Translator::read_ended(TimePs now, std::uint32_t tag) {
    for (pcie::Invalidation& i : invalidations_) {
        i.behind.erase(std::remove(i.behind.begin(), i.behind.end(), tag), i.behind.end());
    }
    answer_invalidations(now);
}

void Translator::answer_invalidations(TimePs now) {
    std::uint32_t itags = 0;
    for (auto i = invalidations_.begin(); i != invalidations_.end();) {
        if (!i->applied || !i->behind.empty()) {
            ++i;
            continue;
        }
        itags |= 1U << (i->itag % pcie::kItagCount);
        const pcie::AtsRange range = i->body.range();
        shared_.emit(trace::RequesterInvalidation{shared_.names.device, traced_pasid(i->pasid),
                                                  i->itag, Iova{range.first}, range.last,
                                                  i->dropped, true});
        i = invalidations_.erase(i);
    }
    if (itags != 0) {
        shared_.fabric.send(now,
                            pcie::invalidate_completion(shared_.config.rid, {kUnit, itags, 1}));
    }
}

// --- the function -------------------------------------------------------------------------------

void Translator::ats_changed(bool enabled) {
    halted_ = false;
    if (enabled) {
        return;
    }
    drop_if([](const pcie::AtcEntry&) { return true; });
    // Nobody will invalidate what is still on its way.
    for (Request& request : requests_) {
        request.useless = true;
    }
}

void Translator::reset(TimePs now) {
    drop_if([](const pcie::AtcEntry&) { return true; });
    for (Use& use : uses_) {
        for (Page& page : use.pages) {
            become(page, State::None);
            ++page.generation;
        }
    }
    for (Request& request : requests_) {
        if (request.waited) {
            give_up(now, request);
        }
    }
    waiting_.clear();
    joined_.clear();
    steps_.clear();
    halted_ = false;
    groups_.forget_all();
    page_waiters_.clear();
    credit_waiters_.clear();
    invalidations_.clear();
}

}  // namespace ioasim::dsa
