// What an automatic operation of a test requester does about translations: device TLB,
// invalidations and page requests (PCI Express base specification 10.2 to 10.4).
#include <algorithm>
#include <utility>

#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/requester/requester_core.hpp"
#include "models/requester/requester_probes.hpp"

namespace ioasim::requester {
namespace {

constexpr Pasid kNoPasid{kInvalidIoasid};  // in events
constexpr Rid kUnit{0};                    // the unit that sends invalidations has no other id
constexpr std::uint32_t kOddLength = 12;

constexpr std::uint64_t page_of(std::uint64_t address) {
    return address & ~(kPageSize - 1);
}

}  // namespace

bool RequesterCore::ats_on() const {
    return config_.view().ats || misbehaves(misbehave::kAtsNotEnabled);
}

bool RequesterCore::serves(const AtcEntry& entry) const {
    const pcie::TranslationEntry& t = entry.translation;
    if (operation_ == Operation::Write) {
        return t.write || probes_.has(kIgnoresPermission);
    }
    return t.read;
}

RequesterCore::Route RequesterCore::route(TimePs now, std::uint64_t iova) {
    Route r;
    r.at = wish_.at;
    r.address = iova;
    if (!wish_.automatic) {
        return r;
    }
    r.at = pcie::AddressType::Untranslated;
    if (!ats_on() || ats_halted_) {
        return r;
    }
    const AtcEntry* const entry = atc_.find(wish_.pasid, wish_.privileged, iova);
    if (entry != nullptr && serves(*entry)) {
        if (!entry->translation.untranslated_only) {
            r.at = pcie::AddressType::Translated;
            r.address = entry->at(iova);
            r.snoop = entry->translation.no_snoop_cleared;
        }
        return r;
    }
    if (asking_ || awaiting_pages_) {
        r.kind = Route::Kind::Wait;
        return r;
    }
    return denied_ == page_of(iova) ? ask_pages(now, iova) : ask_translation(now, iova);
}

// --- translations -------------------------------------------------------------------------------

RequesterCore::Route RequesterCore::ask_translation(TimePs now, std::uint64_t iova) {
    Route r;
    r.kind = Route::Kind::Wait;
    Outstanding request;
    request.translation = true;
    request.operation = number_;
    request.iova = page_of(iova);
    request.pasid = wish_.pasid;
    request.privileged = wish_.privileged;
    request.deadline = deadline(now);
    const auto tag = tags_.take(now, request);
    if (!tag) {
        if (tags_.waited() == 0) {
            r.kind = Route::Kind::GiveUp;
            r.why = Outcome::Timeout;
        }
        return r;
    }
    const std::uint64_t pages = (page_of(start_ + length_ - 1) - request.iova) / kPageSize + 1;
    const auto entries = static_cast<std::uint32_t>(std::min(pages, params_.atc_translations));
    pcie::Tlp tlp = pcie::translation_request(wish_.requester, wish_.pasid, request.iova, entries,
                                              operation_ == Operation::Read);
    if (misbehaves(misbehave::kOddTranslation)) {
        tlp.length = kOddLength;
    }
    tlp.privileged = wish_.privileged;
    tlp.execute = wish_.execute;
    tlp.tag = *tag;
    tlp.descriptor = number_;
    asking_ = *tag;
    fabric_.send(now, std::move(tlp));
    return r;
}

void RequesterCore::translation_came(const Outstanding& was, const pcie::Tlp& completion) {
    asking_.reset();
    denied_.reset();
    if (completion.status == pcie::CplStatus::UnsupportedRequest) {
        // Nobody translates for this function: it stops asking until ATS is enabled anew
        // (10.2.3.1).
        probes_.hit(kAtsHalted);
        ats_halted_ = true;
        give_up_rest(Outcome::UnsupportedRequest);
        return;
    }
    if (completion.status != pcie::CplStatus::Success) {
        give_up_rest(Outcome::CompleterAbort);
        return;
    }
    if (was.stale && !probes_.has(kUsesStaleCompletion)) {
        probes_.hit(kStaleTranslation);  // asked for again
        return;
    }
    fill(was, completion);
    const AtcEntry* const entry = atc_.find(was.pasid, was.privileged, was.iova);
    if (entry == nullptr || !serves(*entry)) {
        denied_ = was.iova;
    }
}

// Entries follow each other in pages of one size. Without read and write there is no translation,
// and nothing to keep.
void RequesterCore::fill(const Outstanding& was, const pcie::Tlp& completion) {
    std::uint64_t next = was.iova;
    for (std::size_t i = 0; i < completion.data.size() / pcie::kAtsEntryBytes; ++i) {
        AtcEntry entry;
        entry.translation = pcie::decode_translation(pcie::load_quadword(completion.data, i));
        const unsigned bits = entry.translation.page_bits;
        if ((!entry.translation.read && !entry.translation.write) || bits >= 64) {
            return;
        }
        const std::uint64_t bytes = std::uint64_t{1} << bits;
        if (probes_.has(kEntriesShareAddress)) {
            entry.translation.address =
                pcie::decode_translation(pcie::load_quadword(completion.data)).address;
        }
        entry.pasid = was.pasid;
        entry.privileged = was.privileged;
        entry.first = next & ~(bytes - 1);
        entry.last = entry.first + bytes - 1;
        tell_dropped(atc_.fill(entry), "evict");
        recorder_.emit(
            source_,
            trace::VtdFill{name_, atc_name_, rid_, entry.pasid.value_or(kNoPasid), DomainId{0},
                           Iova{entry.first}, Hpa{entry.translation.address}, bytes});
        next = entry.last + 1;
    }
}

void RequesterCore::tell_dropped(const std::vector<AtcEntry>& gone, const char* cause) {
    for (const AtcEntry& entry : gone) {
        recorder_.emit(source_,
                       trace::VtdDrop{name_, atc_name_, entry.pasid.value_or(kNoPasid), DomainId{0},
                                      Iova{entry.first}, recorder_.name(cause)});
    }
}

// --- invalidations ------------------------------------------------------------------------------

void RequesterCore::invalidate(TimePs now, const pcie::Tlp& message) {
    Invalidation i;
    i.itag = message.tag;
    i.pasid = message.pasid;
    i.body = pcie::decode_invalidate(pcie::load_quadword(message.data));
    i.due = now + params_.atc_invalidation;
    invalidations_.push_back(i);
}

void RequesterCore::apply(Invalidation& i) {
    i.applied = true;
    if (!misbehaves(misbehave::kKeepsEntries) && !probes_.has(kKeepsInvalidated)) {
        const auto gone = atc_.invalidate(i.pasid, i.body, params_.atc_global);
        i.dropped = static_cast<std::uint32_t>(gone.size());
        tell_dropped(gone, "invalidate");
    }
    tags_.each([&](Outstanding& request) {
        // The page that a translation will turn out to have is not known yet: any may overlap.
        const std::uint64_t first = request.translation ? 0 : request.iova;
        const std::uint64_t last =
            request.translation ? ~std::uint64_t{0} : request.iova + request.length - 1;
        if (!reaches(i.pasid, i.body, params_.atc_global, request.pasid, first, last)) {
            return;
        }
        if (request.translation) {
            request.stale = true;
        } else if (request.translated && !probes_.has(kAnswersEarly)) {
            probes_.hit(kInvalidationWaits);
            i.behind.push_back(request.tag);
        }
    });
}

// A request ended; whoever waits for it does not any more.
void RequesterCore::came_back(std::uint32_t tag) {
    for (Invalidation& i : invalidations_) {
        i.behind.erase(std::remove(i.behind.begin(), i.behind.end(), tag), i.behind.end());
    }
}

void RequesterCore::answer_invalidations(TimePs now) {
    std::uint32_t itags = 0;
    unsigned answers = 0;
    const bool silent = misbehaves(misbehave::kSilent);
    for (auto i = invalidations_.begin(); i != invalidations_.end();) {
        if (i->applied && i->behind.empty() && !i->answer_at) {
            i->answer_at = now + TimePs{1000} * at(reg::kAnswerDelay);
        }
        if (!i->answer_at || *i->answer_at > now) {
            ++i;
            continue;
        }
        const unsigned wrong = misbehaves(misbehave::kWrongItag) ? 1 : 0;
        itags |= 1U << ((i->itag + wrong) % pcie::kItagCount);
        ++answers;
        const pcie::AtsRange range = i->body.range();
        recorder_.emit(source_, trace::RequesterInvalidation{name_, i->pasid.value_or(kNoPasid),
                                                             i->itag, Iova{range.first}, range.last,
                                                             i->dropped, !silent});
        i = invalidations_.erase(i);
    }
    if (answers > 1) {
        probes_.hit(kAnswersMerged);
    }
    if (answers != 0 && !silent) {
        fabric_.send(now, pcie::invalidate_completion(rid_, {kUnit, itags, 1}));
    }
}

// --- page requests ------------------------------------------------------------------------------

std::uint64_t RequesterCore::page_credits() const {
    if (misbehaves(misbehave::kNoAllocation) || probes_.has(kIgnoresAllocation)) {
        return ~std::uint64_t{0};
    }
    return groups_.credits(
        std::min<std::uint64_t>(config_.view().page_request_allocation, params_.page_capacity));
}

std::vector<std::uint64_t> RequesterCore::missing_pages(std::uint64_t iova, std::uint64_t most) {
    std::vector<std::uint64_t> pages;
    const std::uint64_t last = page_of(start_ + length_ - 1);
    for (std::uint64_t page = page_of(iova); page <= last && pages.size() < most;
         page += kPageSize) {
        const AtcEntry* const entry = atc_.find(wish_.pasid, wish_.privileged, page);
        if (entry == nullptr || !serves(*entry)) {
            pages.push_back(page);
        }
    }
    return pages;
}

// The translation does not do: the pages that the operation still needs are asked for in one
// group, as many as credits allow.
RequesterCore::Route RequesterCore::ask_pages(TimePs now, std::uint64_t iova) {
    Route r;
    r.kind = Route::Kind::GiveUp;
    promises_ = promised_page_ == page_of(iova) ? promises_ : 0;
    promised_page_ = page_of(iova);
    if (!config_.view().page_requests || config_.response_failed() ||
        promises_ == params_.page_retries) {
        return r;
    }
    const std::uint64_t credits = page_credits();
    if (credits == 0 && groups_.outstanding() == 0) {
        return r;
    }
    r.kind = Route::Kind::Wait;
    const auto pages = missing_pages(iova, std::min(credits, params_.page_group));
    const auto group = pages.empty()
                           ? std::nullopt
                           : groups_.open(wish_.pasid, static_cast<std::uint32_t>(pages.size()));
    if (!group) {
        return r;
    }
    if (pages.size() == credits) {
        probes_.hit(kCreditsShort);
    }
    ++promises_;
    denied_.reset();
    awaiting_pages_ = true;
    recorder_.emit(source_, trace::RequesterPageGroup{
                                name_, wish_.pasid.value_or(kNoPasid), *group, Iova{pages.front()},
                                static_cast<std::uint32_t>(pages.size()), groups_.outstanding(),
                                config_.view().page_request_allocation});
    const bool write = operation_ == Operation::Write;
    for (const std::uint64_t page : pages) {
        const bool last = page == pages.back() && !probes_.has(kGroupNeverEnds);
        pcie::Tlp tlp =
            pcie::page_request(wish_.requester, wish_.pasid, {page, *group, last, write, !write});
        tlp.privileged = wish_.privileged;
        tlp.execute = wish_.execute;
        fabric_.send(now, std::move(tlp));
    }
    return r;
}

void RequesterCore::page_answer(TimePs now, const pcie::Tlp& message) {
    const pcie::PageGroupAnswer response = pcie::decode_page_group_answer(message.address);
    const auto tell = [&](const char* meaning) {
        recorder_.emit(source_, trace::RequesterPageAnswer{name_, response.group, response.code,
                                                           recorder_.name(meaning)});
    };
    if (config_.response_failed()) {
        tell("ignored");
        return;
    }
    const pcie::PageRequestGroups::Match match = groups_.answer(response.group, message.pasid);
    auto code = static_cast<pcie::PageAnswer>(response.code);
    if (probes_.has(kIgnoresResponseCode)) {
        code = pcie::PageAnswer::Success;
    }
    if (match == pcie::PageRequestGroups::Match::Unexpected) {
        probes_.hit(kUnexpectedResponse);
        config_.set_page_status(pcie::config::kUnexpectedGroup);
        tell("unexpected");
        return;
    }
    if (code != pcie::PageAnswer::Success && code != pcie::PageAnswer::Invalid) {
        // Response Failure, and the reserved codes: no further responses are to be expected.
        tell("failure");
        config_.set_page_status(pcie::config::kResponseFailure);
        groups_.forget_all();
        awaiting_pages_ = false;
        give_up_rest(Outcome::PageFailure);
    } else if (match == pcie::PageRequestGroups::Match::Abandoned) {
        tell("abandoned");
    } else {
        tell(code == pcie::PageAnswer::Success ? "retry" : "invalid");
        awaiting_pages_ = false;
        if (code == pcie::PageAnswer::Invalid) {
            give_up_rest(Outcome::PageInvalid);
        }
    }
    show_page_status();
    if (state_ == State::Busy) {
        issue(now);
    }
    continue_stop(now);
}

}  // namespace ioasim::requester
