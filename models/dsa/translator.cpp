#include "models/dsa/translator.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/dsa/dsa_corner_probes.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {
namespace {

constexpr std::uint64_t page_at(std::uint64_t address) {
    return address & ~(kPageSize - 1);
}
bool inside(const pcie::AtcEntry& entry, std::uint64_t address) {
    return entry.first <= address && address <= entry.last;
}
bool serves(const pcie::AtcEntry& entry, bool write) {
    return write ? entry.translation.write : entry.translation.read;
}
pcie::AtcEntry no_entry() {
    pcie::AtcEntry entry;
    entry.first = 1;
    return entry;
}

}  // namespace

Translator::Translator(const DeviceShared& shared, Function& function, Registers& registers,
                       const DmaPort& port, TranslationUsers& users)
    : shared_(shared),
      function_(function),
      registers_(registers),
      port_(port),
      users_(users),
      cache_name_(shared.recorder.name("dev_tlb")),
      invalidate_(shared.recorder.name("invalidate")),
      evict_(shared.recorder.name("evict")),
      operand_names_{shared.recorder.name("source"),      shared.recorder.name("source2"),
                     shared.recorder.name("destination"), shared.recorder.name("destination2"),
                     shared.recorder.name("completion"),  shared.recorder.name("list")},
      uses_(shared.config.engines * (shared.params.engine_depth + 1) * kOperands),
      device_tlb_(shared.config.engines * kCachedOperands, no_entry()),
      requests_(shared.params.ats_requests),
      quarantine_(std::max(shared.params.read_tags / shared.params.ats_requests, std::uint64_t{1}) *
                  shared.params.ats_requests) {
    const auto per_engine = static_cast<std::uint32_t>(shared.params.engine_depth + 1);
    for (std::size_t use = 0; use < uses_.size(); ++use) {
        const auto user = static_cast<std::uint32_t>(use / kOperands);
        uses_[use].user = {user / per_engine, user % per_engine};
    }
}

bool Translator::on(const Issuer& issuer) const {
    return function_.view().ats && !halted_ && issuer.ats;
}

std::uint32_t Translator::index_of(AtsUser user, Operand operand) const {
    const auto per_engine = static_cast<std::uint32_t>(shared_.params.engine_depth + 1);
    return (user.engine * per_engine + user.slot) * static_cast<std::uint32_t>(kOperands) +
           static_cast<std::uint32_t>(operand);
}

bool Translator::cached(std::uint32_t use) const {
    return operand_of(use) != Operand::List && (user_of(use).slot != shared_.params.engine_depth ||
                                                shared_.probes.has(kBatchUsesDeviceTlb));
}

void Translator::begin(AtsUser user) {
    for (std::size_t o = 0; o < kOperands; ++o) {
        for (Page& page : uses_[index_of(user, static_cast<Operand>(o))].pages) {
            become(page, State::None);
            page.promises = 0;
            ++page.generation;
        }
    }
}

bool Translator::asking(AtsUser user) const {
    const std::uint32_t first = index_of(user, Operand::Source);
    for (std::uint32_t use = first; use < first + kOperands; ++use) {
        for (const Page& page : uses_[use].pages) {
            if (page.state != State::None && page.state != State::Ready &&
                page.state != State::Refused) {
                return true;
            }
        }
    }
    return false;
}

// --- routes -------------------------------------------------------------------------------------

Translator::Route Translator::route(TimePs now, const Issuer& issuer, const Access& access) {
    Route r;
    r.way.address = access.address;
    if (!on(issuer)) {
        return r;
    }
    const std::uint32_t index = index_of(access.user, access.operand);
    Use& use = uses_[index];
    use.issuer = issuer;
    const auto covers = [&](const Page& page) {
        return page.state == State::Ready ? inside(page.entry, access.address)
                                          : page.page == page_at(access.address);
    };
    std::uint32_t which = kPages;
    for (std::uint32_t i = 0; i < kPages; ++i) {
        const Page& page = use.pages[i];
        const bool wrong = page.state == State::Ready && !serves(page.entry, access.write);
        which = page.state != State::None && covers(page) && !wrong ? i : which;
    }
    if (which == kPages) {
        for (std::uint32_t i = kPages; i > 0;
             --i) {  // the one behind the present page, if it may go
            const std::uint32_t other = (use.current + i) % kPages;
            which = idle(use.pages[other]) ? other : which;
        }
        if (which == kPages) {
            r.kind = Route::Kind::Wait;
            return r;
        }
        use.pages[which].promises = 0;
        open(now, {index, which}, access.address, access.write);
    }
    use.current = which;
    const Page& page = use.pages[which];
    if (page.state == State::Refused) {
        r.kind = Route::Kind::Refused;
        r.why = page.why;
    } else if (page.state != State::Ready) {
        r.kind = Route::Kind::Wait;
    } else {
        if (!page.entry.translation.untranslated_only) {
            r.way = {pcie::AddressType::Translated, page.entry.at(access.address)};
        }
        ahead(now, index, access);
    }
    return r;
}

void Translator::ahead(TimePs now, std::uint32_t index, const Access& access) {
    Use& use = uses_[index];
    const pcie::AtcEntry present = use.pages[use.current].entry;
    for (std::uint32_t i = 1; i <= shared_.params.ats_ahead; ++i) {
        // The pages behind are taken to be as large as this one.
        const std::uint64_t next = present.last + 1 + (i - 1) * (present.last + 1 - present.first);
        const std::uint32_t which = (use.current + i) % kPages;
        Page& other = use.pages[which];
        const bool known = other.state == State::Ready
                               ? inside(other.entry, next)
                               : other.state != State::None && other.page == next;
        if (access.until >= next && !known && idle(other)) {
            other.promises = 0;
            open(now, {index, which}, next, access.write);
        }
    }
}

void Translator::open(TimePs now, const PageRef& ref, std::uint64_t address, bool write) {
    Page& page = page_of(ref);
    page.page = page_at(address);
    page.write = write;
    ++page.generation;
    if (shared_.params.ats_lookup == TimePs{0}) {
        look_up(now, ref);
        return;
    }
    become(page, State::LooksUp);
    schedule(now + shared_.params.ats_lookup, ref);
}

// The device TLB of the engine; what is not there is asked for.
void Translator::look_up(TimePs now, const PageRef& ref) {
    Page& page = page_of(ref);
    const Issuer& issuer = uses_[ref.use].issuer;
    if (asked_already(ref)) {
        become(page, State::Joined);
        joined_.push_back({ref, page.generation});
        return;
    }
    bool hit = false;
    if (cached(ref.use)) {
        const std::size_t operand = ref.use % kOperands;
        const pcie::AtcEntry& entry =
            device_tlb_[user_of(ref.use).engine * kCachedOperands + operand];
        const bool own = entry.pasid == issuer.pasid || shared_.probes.has(kDeviceTlbWithoutPasid);
        hit = own && entry.privileged == issuer.privileged && inside(entry, page.page) &&
              serves(entry, page.write);
        if (hit) {
            page.entry = entry;
            registers_.count_event(now, perf::Category::Translation, perf::kDeviceTlbHit);
        }
    }
    shared_.emit(trace::DsaLookup{
        shared_.names.device, shared_.names.engines[user_of(ref.use).engine], issuer.descriptor,
        traced_pasid(issuer.pasid), Iova{page.page}, operand_names_[ref.use % kOperands], hit});
    if (hit) {
        become(page, State::Ready);
        return;
    }
    become(page, State::Leaves);
    if (shared_.params.ats_issue == TimePs{0}) {
        leave(now, ref);
    } else {
        schedule(now + shared_.params.ats_issue, ref);
    }
}

// Another descriptor of the engine has asked for this operand's page.
bool Translator::asked_already(const PageRef& ref) const {
    if (pages_requested_ == 0 || !cached(ref.use)) {
        return false;
    }
    const AtsUser user = user_of(ref.use);
    const Use& own = uses_[ref.use];
    const Page& page = own.pages[ref.page];
    const std::uint32_t first = index_of({user.engine, 0}, operand_of(ref.use));
    for (std::uint32_t slot = 0; slot < shared_.params.engine_depth; ++slot) {
        const Use& other = uses_[first + slot * kOperands];
        const auto same = [&](const Page& its) {
            return requests(its.state) && its.page == page.page && its.write == page.write;
        };
        if (&other != &own && std::any_of(other.pages.begin(), other.pages.end(), same) &&
            other.issuer.pasid == own.issuer.pasid &&
            other.issuer.privileged == own.issuer.privileged) {
            return true;
        }
    }
    return false;
}

void Translator::rejoin(TimePs now, std::uint32_t use) {
    std::vector<Step> joined = std::exchange(joined_, {});
    if (joined.size() > 2 && shared_.probes.has(kJoinedForgotten)) {
        joined.pop_back();
    }
    for (const Step& step : joined) {
        Page& page = page_of(step.ref);
        if (page.generation != step.generation || page.state != State::Joined) {
            continue;
        }
        if (user_of(step.ref.use).engine != user_of(use).engine ||
            operand_of(step.ref.use) != operand_of(use)) {
            joined_.push_back(step);
            continue;
        }
        look_up(now, step.ref);
        if (page.state == State::Ready) {
            tell(now, step.ref);
        }
    }
}

void Translator::schedule(TimePs at, const PageRef& ref) {
    steps_.schedule(at, ref.use * kPages + ref.page, {ref, page_of(ref).generation});
}

void Translator::step(TimePs now, const Step& step) {
    Page& page = page_of(step.ref);
    if (page.generation != step.generation) {
        return;
    }
    if (page.state == State::LooksUp) {
        look_up(now, step.ref);
        if (page.state == State::Ready) {
            tell(now, step.ref);
        }
    } else if (page.state == State::Leaves) {
        leave(now, step.ref);
    }
}

// --- translation requests -----------------------------------------------------------------------

void Translator::leave(TimePs now, const PageRef& ref) {
    Page& page = page_of(ref);
    const auto tag = free_tag(now);
    if (!tag) {
        waiting_.push_back({ref, page.generation});
        return;
    }
    const Issuer& issuer = uses_[ref.use].issuer;
    become(page, State::Asked);
    request_of(*tag) = {
        true, *tag, ref, issuer.pasid, false, false, now + shared_.params.completion_timeout};
    ++outstanding_;
    pcie::Tlp tlp =
        pcie::translation_request(shared_.config.rid, issuer.pasid, page.page, 1, !page.write);
    tlp.privileged = issuer.privileged;
    tlp.tag = *tag;
    tlp.descriptor = issuer.descriptor;
    shared_.fabric.send(now, std::move(tlp));
}

void Translator::next_waiting(TimePs now) {
    while (!waiting_.empty()) {
        const Step next = waiting_.front();
        waiting_.pop_front();
        const Page& page = page_of(next.ref);
        if (page.generation == next.generation && page.state == State::Leaves) {
            leave(now, next.ref);
            return;
        }
    }
}

// Each request has tags of its own, which it uses in turn: of a completion that comes twice the
// second one finds nobody. Behind those of reads.
bool Translator::owns(std::uint32_t tag) const {
    return tag >= shared_.params.read_tags && tag - shared_.params.read_tags < quarantine_.size();
}

Translator::Request& Translator::request_of(std::uint32_t tag) {
    return requests_[(tag - shared_.params.read_tags) % requests_.size()];
}

std::optional<std::uint32_t> Translator::free_tag(TimePs now) const {
    const std::size_t slots = requests_.size();
    const std::size_t first = shared_.probes.has(kTagUsedAtOnce) ? 0 : 1;
    for (std::size_t slot = 0; slot < slots; ++slot) {
        const std::size_t last = requests_[slot].tag / slots;
        for (std::size_t i = 0; !requests_[slot].waited && i < quarantine_.size() / slots; ++i) {
            const std::size_t tag = slot + (last + first + i) * slots % quarantine_.size();
            if (quarantine_[tag] <= now) {
                return static_cast<std::uint32_t>(shared_.params.read_tags + tag);
            }
        }
    }
    return std::nullopt;
}

void Translator::give_up(TimePs now, Request& request) {
    request.waited = false;
    --outstanding_;
    quarantine_[request.tag - shared_.params.read_tags] =
        shared_.probes.has(kTagsLost) ? TimePs::max() : now + shared_.params.tag_quarantine;
}

void Translator::never_sent(std::uint32_t tag) {
    quarantine_[tag - shared_.params.read_tags] = TimePs{};
    if (request_of(tag).tag == tag) {
        request_of(tag).waited = false;
    }
}

bool Translator::answer(TimePs now, const pcie::Tlp& completion) {
    Request& request = request_of(completion.tag);
    if (request.waited && request.tag == completion.tag) {
        const Request was = request;
        request.waited = false;
        --outstanding_;
        function_.note_completion(completion.status);
        came(now, was, completion);
        rejoin(now, was.ref.use);
    } else if (quarantine_[completion.tag - shared_.params.read_tags] > now) {
        shared_.probes.hit(kLateCompletion);
        quarantine_[completion.tag - shared_.params.read_tags] = TimePs{};
    } else {
        return false;
    }
    next_waiting(now);
    return true;
}

void Translator::came(TimePs now, const Request& was, const pcie::Tlp& completion) {
    Page& page = page_of(was.ref);
    if (was.useless) {
        become(page, State::None);  // whoever waits takes another route
        tell(now, was.ref);
        return;
    }
    if (completion.status != pcie::CplStatus::Success || completion.poisoned ||
        completion.data.size() < pcie::kAtsEntryBytes) {
        // Nobody translates for this function: it stops asking until ATS is enabled anew
        // (10.2.3.1).
        halted_ = halted_ || completion.status == pcie::CplStatus::UnsupportedRequest;
        refuse(now, was.ref, Status::TranslationFailure);
        return;
    }
    if (was.stale && !shared_.probes.has(kKeepsStaleTranslation)) {
        shared_.probes.hit(kStaleTranslation);
        become(page, State::Leaves);
        leave(now, was.ref);
        return;
    }
    pcie::AtcEntry entry;
    entry.translation = pcie::decode_translation(pcie::load_quadword(completion.data));
    const unsigned bits = entry.translation.page_bits;
    if (bits >= 64 || !serves(entry, page.write)) {
        denied(now, was.ref);
        return;
    }
    const Issuer& issuer = uses_[was.ref.use].issuer;
    const std::uint64_t low = bit_mask(bits - 1, 0);
    entry.pasid = issuer.pasid;
    entry.privileged = issuer.privileged;
    entry.first = page.page & ~low;
    entry.last = page.page | low;
    page.entry = entry;
    become(page, State::Ready);
    fill(was.ref, entry);
    tell(now, was.ref);
}

void Translator::fill(const PageRef& ref, const pcie::AtcEntry& entry) {
    if (!cached(ref.use)) {
        return;
    }
    pcie::AtcEntry& place =
        device_tlb_[user_of(ref.use).engine * kCachedOperands + ref.use % kOperands];
    if (place.first <= place.last) {
        drop(place, evict_);
    }
    place = entry;
    shared_.emit(trace::VtdFill{shared_.names.device, cache_name_, shared_.config.rid,
                                traced_pasid(entry.pasid), DomainId{0}, Iova{entry.first},
                                Hpa{entry.translation.address}, entry.last - entry.first + 1});
}

void Translator::drop(pcie::AtcEntry& entry, trace::Name cause) {
    shared_.emit(trace::VtdDrop{shared_.names.device, cache_name_, traced_pasid(entry.pasid),
                                DomainId{0}, Iova{entry.first}, cause});
    entry = no_entry();
}

void Translator::refuse(TimePs now, const PageRef& ref, Status why) {
    Page& page = page_of(ref);
    become(page, State::Refused);
    page.why = why;
    tell(now, ref);
}

// --- time ---------------------------------------------------------------------------------------

void Translator::advance(TimePs now) {
    for (std::size_t i = 0; outstanding_ != 0 && i < requests_.size(); ++i) {
        Request& request = requests_[i];
        if (request.waited && request.deadline <= now) {
            // Its tag stays taken for a time: a late completion is not to be mistaken for another.
            give_up(now, request);
            shared_.probes.hit(kTimedOut);
            refuse(now, request.ref, Status::TranslationFailure);
            rejoin(now, request.ref.use);
        }
    }
    while (!waiting_.empty() && free_tag(now)) {
        next_waiting(now);
    }
    while (steps_.due(now)) {
        const Step next = steps_.pop();
        step(now, next);
    }
    for (pcie::Invalidation& invalidation : invalidations_) {
        if (!invalidation.applied && invalidation.due <= now) {
            apply(invalidation);
        }
    }
    answer_invalidations(now);
}

std::optional<TimePs> Translator::next_wakeup() const {
    std::optional<TimePs> next = steps_.next();
    for (std::size_t i = 0; outstanding_ != 0 && i < requests_.size(); ++i) {
        if (requests_[i].waited) {
            next = sim::earliest(next, requests_[i].deadline);
        }
    }
    for (std::size_t i = 0; !waiting_.empty() && i < quarantine_.size(); ++i) {
        if (!requests_[i % requests_.size()].waited && quarantine_[i] != TimePs::max()) {
            next = sim::earliest(next, quarantine_[i]);
        }
    }
    for (const pcie::Invalidation& invalidation : invalidations_) {
        if (!invalidation.applied) {
            next = sim::earliest(next, invalidation.due);
        }
    }
    return next;
}

}  // namespace ioasim::dsa
