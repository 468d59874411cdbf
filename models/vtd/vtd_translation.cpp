// The middle of a request's way: IOTLB look-up, verdict, walks and what they leave behind.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/trace/ats_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"
#include "models/vtd/vtd_requests.hpp"

namespace ioasim::vtd {

using pcie::AddressType;
using pcie::CplStatus;
using pcie::Tlp;
using pcie::TlpKind;

namespace {

// What a translation request is told by its completion stays out of the records (4, 7.1.3).
bool is_logged(FaultReason reason) {
    const FaultReasonInfo* const info = find_fault(reason);
    return info == nullptr || (info->translation_request != FaultOutcome::NoTranslation &&
                               info->translation_request != FaultOutcome::Reduced);
}

bool same_page(const WalkRequest& a, const WalkRequest& b) {
    return a.address / kPageSize == b.address / kPageSize && a.rid == b.rid && a.pasid == b.pasid &&
           a.privileged == b.privileged && a.access == b.access && !a.execute && !b.execute;
}

}  // namespace

WalkRequest RequestPipeline::walk_request(const Slot& slot) const {
    const Tlp& tlp = slot.tlp;
    WalkRequest request;
    request.rid = tlp.requester;
    request.pasid = tlp.pasid;
    request.address = tlp.address;
    request.write = is_write(tlp);
    request.zero_length = tlp.length == 0;
    request.privileged = tlp.privileged && tlp.pasid.has_value();
    request.execute = tlp.execute && tlp.pasid.has_value();
    if (tlp.kind == TlpKind::PageRequest) {
        request.access = Access::PageRequest;
    } else if (is_translation_request(tlp)) {
        request.access = Access::TranslationRequest;
        // A walk that may not write marks nothing dirty.
        request.no_write = slot.no_write || probes_.has(kTranslationSkipsDirty);
    } else if (tlp.at == AddressType::Translated) {
        request.access = Access::Translated;
    }
    return request;
}

IotlbQuery RequestPipeline::query_of(const Tlp& tlp) {
    return {tlp.requester, tlp.pasid, tlp.privileged && tlp.pasid.has_value(), tlp.address};
}

// --- translation --------------------------------------------------------------------------------

void RequestPipeline::count(Slot& slot) {
    if (!slot.counted) {
        slot.counted = true;
        slot.epoch = tracker_.begin();
    }
}

bool RequestPipeline::allowed(const Translation& t, const Tlp& tlp) const {
    if (pcie::is_interrupt_address(t.at(tlp.address).value())) {
        return false;  // a large page may hold the interrupt range
    }
    if (is_write(tlp)) {
        return t.write && t.dirty;
    }
    return t.read || (tlp.length == 0 && t.write && caps_.zero_length_reads);
}

void RequestPipeline::translate(TimePs now, std::uint32_t index) {
    Slot& slot = slots_[index];
    const Tlp& tlp = slot.tlp;
    const bool memory_access = tlp.kind == TlpKind::MemRead || tlp.kind == TlpKind::MemWrite;
    const bool untranslated = memory_access && tlp.at == AddressType::Untranslated;
    // A write that asks for a translation is nothing, nor is the reserved address type; without
    // remapping only plain requests are.
    const bool asks = (tlp.at == AddressType::TranslationRequest && is_write(tlp)) ||
                      tlp.at > AddressType::Translated;
    if (tlp.kind == TlpKind::DeferrableWrite || asks || (!owner_.remapping() && !untranslated)) {
        refuse(now, index);
        return;
    }
    if (!owner_.remapping()) {
        count(slot);
        slot.target = Hpa{tlp.address};
        make_ready(now, index);
        return;
    }
    if (is_translation_request(tlp)) {
        answer_translation(now, index);
        return;
    }
    if (tlp.at == AddressType::Translated) {
        pass_translated(now, index);
        return;
    }
    if (untranslated && !tlp.execute) {
        const Translation* const hit = caches_.find(query_of(tlp));
        // A cached entry that does not allow the access is no verdict: the tables may allow it by
        // now, and the dirty flag may have to be set.
        if (hit != nullptr && allowed(*hit, tlp)) {
            count(slot);
            translated(now + params_.iotlb_lookup, index, *hit, true);
            return;
        }
        if (join_walk(index)) {
            return;
        }
    }
    start_walk(now, index);
}

void RequestPipeline::translated(TimePs at, std::uint32_t index, const Translation& t, bool hit) {
    Slot& slot = slots_[index];
    slot.target = t.at(slot.tlp.address);
    slot.snoop = t.snoop && !probes_.has(kSnoopNotForced);
    if (slot.tlp.at == AddressType::Translated) {
        recorder_.emit(source_, trace::VtdTranslatedRequest{name_, slot.tlp.requester, slot.target,
                                                            slot.tlp.length, is_write(slot.tlp),
                                                            slot.tlp.descriptor});
    }
    recorder_.emit(
        source_, trace::VtdTranslated{name_, slot.tlp.requester, shown_pasid(slot.tlp),
                                      Iova{slot.tlp.address}, slot.target, is_write(slot.tlp), hit,
                                      at - slot.arrived, !slot.tlp.no_snoop || slot.snoop});
    make_ready(at, index);
}

void RequestPipeline::log(TimePs now, std::uint32_t index, FaultReason reason, bool fpd) {
    const Tlp& tlp = slots_[index].tlp;
    SIM_CHECK(!is_translation_request(tlp) || is_logged(reason),
              "a translation request leaves a record of reason {:#x}",
              static_cast<unsigned>(reason));
    const bool suppressed = fpd && is_qualified(reason) && !probes_.has(kFpdIgnored);
    bool recorded = false;
    if (suppressed) {
        probes_.hit(kFaultSuppressed);
    } else {
        FaultRecord fault;
        fault.address = tlp.address;
        fault.source = tlp.requester;
        fault.has_pasid = tlp.pasid.has_value();
        fault.pasid = tlp.pasid.value_or(Pasid{});
        fault.execute = tlp.execute;
        fault.privileged = tlp.privileged;
        fault.reason = static_cast<std::uint8_t>(reason);
        fault.at = static_cast<std::uint8_t>(tlp.at);
        fault.type = is_write(tlp) ? FaultType::Write : FaultType::Read;
        if (tlp.kind == TlpKind::PageRequest) {
            fault.type = FaultType::PageRequest;
        }
        recorded = owner_.log_fault(now, fault);
    }
    recorder_.emit(source_,
                   trace::VtdFault{name_, tlp.requester, shown_pasid(tlp), Iova{tlp.address},
                                   trace::Hex{static_cast<std::uint64_t>(reason)}, is_write(tlp),
                                   recorded, suppressed, tlp.descriptor});
}

void RequestPipeline::block(TimePs now, std::uint32_t index, FaultReason reason, bool fpd) {
    log(now, index, reason, fpd);
    const FaultReasonInfo* const info = find_fault(reason);
    const Tlp& tlp = slots_[index].tlp;
    FaultOutcome outcome = FaultOutcome::Unsupported;
    if (info != nullptr && is_translation_request(tlp)) {
        outcome = info->translation_request;
        tell_completion(slots_[index], outcome == FaultOutcome::Abort ? "abort" : "unsupported");
    } else if (info != nullptr && tlp.at == AddressType::Translated) {
        outcome = info->translated;
    } else if (tlp.kind == TlpKind::MemRead && params_.blocked_read == BlockedRead::Ones) {
        Tlp completion = pcie::make_completion(tlp, CplStatus::Success);
        completion.data.assign(tlp.length, 0xFF);
        port_.send_fabric(now, std::move(completion));
        release_and_pump(now, index);
        return;
    } else if (params_.blocked_read == BlockedRead::Abort) {
        outcome = FaultOutcome::Abort;
    }
    refuse(now, index,
           outcome == FaultOutcome::Abort ? CplStatus::Abort : CplStatus::UnsupportedRequest);
}

// The request ends here. A posted write keeps its place in the order until its turn.
void RequestPipeline::refuse(TimePs now, std::uint32_t index, CplStatus status) {
    Slot& slot = slots_[index];
    if (slot.posted) {
        slot.blocked = true;
        make_ready(now, index);
        return;
    }
    if (!pcie::is_posted(slot.tlp.kind)) {
        port_.send_fabric(now, pcie::make_completion(slot.tlp, status));
    }
    release_and_pump(now, index);
}

// Who stood behind it may go now.
void RequestPipeline::release_and_pump(TimePs now, std::uint32_t index) {
    Requester* const requester = slots_[index].in_line ? slots_[index].requester : nullptr;
    release(now, index);
    if (requester != nullptr) {
        pump(now, *requester);
    }
}

// --- walks --------------------------------------------------------------------------------------

bool RequestPipeline::join_walk(std::uint32_t index) {
    if (active_walks_ == 0) {
        return false;
    }
    const WalkRequest request = walk_request(slots_[index]);
    for (Walker& walker : walkers_) {
        if (walker.walk && walker.walk->generation() == caches_.generation() &&
            same_page(walker.walk->request(), request)) {
            probes_.hit(kWalkJoined);
            count(slots_[index]);
            walker.joined.push_back(index);
            return true;
        }
    }
    return false;
}

void RequestPipeline::start_walk(TimePs now, std::uint32_t index) {
    if (active_walks_ == walkers_.size()) {
        probes_.hit(kWalkersBusy);
        walk_queue_.push_back(index);
        return;
    }
    if (!is_translation_request(slots_[index].tlp) || !probes_.has(kTranslationNotDrained)) {
        count(slots_[index]);
    }
    const std::uint32_t walker = begin_walk(walk_request(slots_[index]));
    walkers_[walker].leader = index;
    walkers_[walker].pages_ahead = params_.walk_ahead;
    run_walk(now, walker);
}

// Takes the first idle walker; there is one.
std::uint32_t RequestPipeline::begin_walk(const WalkRequest& request) {
    const auto free = std::find_if(walkers_.begin(), walkers_.end(),
                                   [](const Walker& w) { return !w.walk.has_value(); });
    ++active_walks_;
    free->leader.reset();
    free->walk.emplace(caps_, caches_, owner_.root_pointer(), request);
    return static_cast<std::uint32_t>(free - walkers_.begin());
}

void RequestPipeline::run_walk(TimePs now, std::uint32_t walker) {
    const WalkAction action = walkers_[walker].walk->start();
    if (action.kind == WalkAction::Kind::Done) {
        finish_walk(now, walker);
    } else {
        do_action(now + params_.iotlb_lookup + params_.walk_setup, walker, action);
    }
}

// The page behind one that a request used, as for a read: its accessed flags are set, its dirty
// flag is not, and what is wrong with it nobody hears. Invalidation waits drain it like a request.
void RequestPipeline::walk_ahead(TimePs now, const WalkRequest& done, const Translation& t,
                                 std::uint64_t pages) {
    WalkRequest next = done;
    next.address = (done.address | (level_page_bytes(t.level) - 1)) + 1;
    next.write = false;
    next.zero_length = false;
    if (pages == 0 || done.execute || done.access != Access::Untranslated || next.address == 0 ||
        active_walks_ == walkers_.size() || caches_.find(query_of(next)) != nullptr) {
        return;
    }
    probes_.hit(kWalkedAhead);
    const std::uint32_t walker = begin_walk(next);
    walkers_[walker].pages_ahead = pages - 1;
    walkers_[walker].epoch = tracker_.begin();
    run_walk(now, walker);
}

void RequestPipeline::do_action(TimePs at, std::uint32_t walker, const WalkAction& action) {
    walkers_[walker].action = action;
    memory::MemRequest request;
    request.address = action.address;
    request.tag = (kWalkTag << 32U) | walker;
    request.snooped = action.snooped;
    if (action.kind == WalkAction::Kind::Read) {
        request.op = memory::MemOp::Read;
        request.size = action.size;
    } else {
        request.op = memory::MemOp::CompareSwap;
        request.size = static_cast<std::uint32_t>(kPageTableEntryBytes);
        request.data.resize(2 * kPageTableEntryBytes);
        std::memcpy(request.data.data(), &action.expected, sizeof action.expected);
        std::memcpy(request.data.data() + kPageTableEntryBytes, &action.desired,
                    sizeof action.desired);
    }
    port_.send_memory(at, std::move(request));
}

void RequestPipeline::on_walk_response(TimePs now, std::uint32_t index,
                                       const memory::MemResponse& response) {
    Walker& walker = walkers_.at(index);
    SIM_CHECK(walker.walk.has_value(), "an answer for idle walker {}", index);
    teller_.tell(walker.action, walker.walk->request(), response);
    const bool ok = response.status == memory::MemStatus::Ok;
    WalkAction next;
    if (walker.action.kind == WalkAction::Kind::Update) {
        std::uint64_t found = 0;
        if (ok) {
            std::memcpy(&found, response.data.data(), sizeof found);
            if (found != walker.action.expected) {
                probes_.hit(kUpdateRace);
            }
        }
        next = walker.walk->on_update(found, ok);
    } else {
        next = walker.walk->on_read(response.data.data(), response.data.size(), ok);
    }
    if (next.kind == WalkAction::Kind::Done) {
        finish_walk(now, index);
    } else {
        const TimePs held_up{probes_.fails(kWalkSlow) ? probes_.extent() : 0};
        do_action(now + params_.walk_step + held_up, index, next);
    }
    after_change(now);
}

void RequestPipeline::fill_from(const Walker& walker) {
    const Walk& walk = *walker.walk;
    const Rid rid = walk.request().rid;
    bool filled = !walk.lost_fill();
    if (walk.new_context()) {
        filled &= caches_.fill_context(walk.generation(), rid, *walk.new_context());
    }
    if (walk.new_pasid_entry()) {
        filled &= caches_.fill_pasid(walk.generation(), rid, walk.effective_pasid(),
                                     *walk.new_pasid_entry());
    }
    const Access access = walk.request().access;
    const bool translates = access == Access::Untranslated || access == Access::TranslationRequest;
    if (walk.reason() == FaultReason::None && translates) {
        filled &= caches_.fill(walk.generation(), query_of(walk.request()), walk.translation());
    }
    if (!filled) {
        probes_.hit(kStaleFillDropped);
    }
}

void RequestPipeline::finish_walk(TimePs now, std::uint32_t index) {
    Walker& walker = walkers_[index];
    fill_from(walker);
    const FaultReason reason = walker.walk->reason();
    const bool fpd = walker.walk->fpd();
    const std::optional<std::uint32_t> leader = walker.leader;
    const WalkRequest request = walker.walk->request();
    const Translation t = walker.walk->translation();
    const std::vector<std::uint32_t> joined = std::move(walker.joined);
    walker.walk.reset();
    walker.joined.clear();
    --active_walks_;
    if (!leader) {
        end_epoch(now, walker.epoch);
    } else if (is_translation_request(slots_[*leader].tlp)) {
        walked_for_translation(now, *leader, reason, fpd, t);
    } else if (reason == FaultReason::None) {
        translated(now, *leader, t, false);
    } else {
        block(now, *leader, reason, fpd);
    }
    for (const std::uint32_t other : joined) {
        if (reason == FaultReason::None && allowed(t, slots_[other].tlp)) {
            translated(now, other, t, false);
        } else {
            // Each has its own verdict: what stops a write may let a read pass.
            retry_.push_back(other);
        }
    }
    // Requests that wait for a walker come first.
    if (reason == FaultReason::None && walk_queue_.empty()) {
        walk_ahead(now, request, t, walker.pages_ahead);
    }
}

}  // namespace ioasim::vtd
