// Translation requests and translated requests of devices (VT-d specification 4.1, 4.2, 7.1.3; PCIe
// base specification 10.2): what a translation completion says, how many entries it has, and which
// faults end as a success without permissions.
//
// Entries follow the first as long as pages are of one size, are mapped, and their table entries
// lie in one cache line. A device is never told a page that holds the interrupt range: the entry is
// cut smaller. Execution is never granted, global never told.
#include <algorithm>

#include "core/trace/vtd_events.hpp"
#include "models/pcie/ats_layout.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"
#include "models/vtd/vtd_requests.hpp"

namespace ioasim::vtd {

using pcie::CplStatus;
using pcie::Tlp;
using pcie::TranslationEntry;

namespace {

constexpr std::uint64_t kEntriesPerLine = 8;  // of page tables, in 64 bytes

bool holds_interrupts(std::uint64_t page, unsigned level) {
    return page < pcie::kInterruptBase + pcie::kInterruptBytes &&
           page + level_page_bytes(level) > pcie::kInterruptBase;
}

}  // namespace

bool RequestPipeline::is_malformed(const Tlp& tlp) const {
    // Pairs of dwords; at most a quarter of the read completion boundary in dwords.
    return tlp.length == 0 || tlp.length % pcie::kAtsEntryBytes != 0 ||
           tlp.length > params_.read_completion_boundary;
}

// The address is the page's from here on; what the device wants of writes stands aside.
void RequestPipeline::take_translation_request(Slot& slot) {
    slot.no_write = pcie::no_write_flag(slot.tlp);
    slot.tlp.address = pcie::translation_address(slot.tlp);
    slot.first_address = slot.tlp.address;
}

// An IOTLB entry may stem from a plain request: whether the function may ask for translations says
// its context entry alone. When that is not at hand, a walk looks.
bool RequestPipeline::may_ask(const Tlp& tlp) {
    const CachedContext* const context = caches_.find_context(tlp.requester);
    if (context == nullptr) {
        return false;
    }
    const FaultReason reason =
        context->legacy ? check_legacy_context_use(*context->legacy, Access::TranslationRequest)
                        : check_context_use(context->entry, Access::TranslationRequest,
                                            tlp.pasid.has_value(), tlp.pasid.value_or(Pasid{}));
    return reason == FaultReason::None;
}

bool RequestPipeline::serves(const Translation& t, const Slot& slot) const {
    if (pcie::is_interrupt_address(t.at(slot.tlp.address).value()) || slot.tlp.execute) {
        return false;
    }
    return t.read && ((t.write && t.dirty) || (slot.no_write && caps_.no_write_flag));
}

void RequestPipeline::answer_translation(TimePs now, std::uint32_t index) {
    Slot& slot = slots_[index];
    if (slot.entries.empty() && is_malformed(slot.tlp)) {
        probes_.hit(kMalformedRequest);
        tell_completion(slot, "malformed");
        release(now, index);
        return;
    }
    if (!slot.tlp.pasid && pcie::is_interrupt_address(slot.tlp.address)) {
        complete_interrupt_page(now, index);
        return;
    }
    const Translation* const hit = may_ask(slot.tlp) ? caches_.find(query_of(slot.tlp)) : nullptr;
    if (hit != nullptr && serves(*hit, slot)) {
        if (!probes_.has(kTranslationNotDrained)) {
            count(slot);
        }
        add_entry(now + params_.iotlb_lookup, index, *hit);
        return;
    }
    start_walk(now, index);
}

// Interrupts go untranslated, which a device that will not write need not know (S.1, S.2).
void RequestPipeline::complete_interrupt_page(TimePs now, std::uint32_t index) {
    Slot& slot = slots_[index];
    TranslationEntry entry;
    entry.write = entry.untranslated_only = !slot.no_write;
    pcie::append_quadword(slot.entries, encode(entry));
    complete_translation(now, index);
}

TranslationEntry RequestPipeline::entry_of(const Slot& slot, const Translation& t) const {
    unsigned level = t.level;
    if (t.type == TranslationType::PassThrough) {
        level = std::min(level, static_cast<unsigned>(params_.pass_through_level));
    }
    const std::uint64_t at = t.at(slot.tlp.address).value();
    // Neither side may hold the interrupt range: without PASID an address there is an interrupt.
    const auto interrupts = [&](std::uint64_t address) {
        return holds_interrupts(address & ~(level_page_bytes(level) - 1), level);
    };
    while (level > 1 && (interrupts(at) || (!slot.tlp.pasid && interrupts(slot.tlp.address)))) {
        --level;
    }
    TranslationEntry entry;
    entry.privileged = slot.tlp.pasid && slot.tlp.privileged;
    entry.read = t.read;
    entry.write = t.write && !(slot.no_write && caps_.no_write_flag);
    if (probes_.has(kTranslationGrantsWrite)) {
        entry.write = true;
    }
    if (entry.read || entry.write) {
        entry.page_bits = level_shift(level);
        entry.address = at & ~(level_page_bytes(level) - 1);
        entry.no_snoop_cleared = t.snoop;
    }
    return entry;
}

void RequestPipeline::add_entry(TimePs at, std::uint32_t index, const Translation& t) {
    Slot& slot = slots_[index];
    const TranslationEntry entry = entry_of(slot, t);
    const std::uint64_t wanted =
        std::min<std::uint64_t>(slot.tlp.length / pcie::kAtsEntryBytes, params_.ats_translations);
    if (!slot.entries.empty() &&
        (slot.page_bits != entry.page_bits || !(entry.read || entry.write))) {
        complete_translation(at, index);
        return;
    }
    slot.page_bits = entry.page_bits;
    pcie::append_quadword(slot.entries, encode(entry));
    const std::uint64_t page = std::uint64_t{1} << entry.page_bits;
    const std::uint64_t next = (slot.tlp.address & ~(page - 1)) + page;
    const bool line_ends = (next / page) % kEntriesPerLine == 0;
    const bool mapped = entry.read || entry.write;
    if (slot.entries.size() / pcie::kAtsEntryBytes == wanted || line_ends || !mapped) {
        complete_translation(at, index);
        return;
    }
    slot.tlp.address = next;
    // The rest is looked up in the same step of the pipeline.
    answer_translation(at, index);
}

// A walk for a translation request ended. Only what the device asked for first can be a fault.
void RequestPipeline::walked_for_translation(TimePs now, std::uint32_t index, FaultReason reason,
                                             bool fpd, const Translation& t) {
    Slot& slot = slots_[index];
    if (reason == FaultReason::None) {
        add_entry(now, index, t);
        return;
    }
    if (!slot.entries.empty()) {
        complete_translation(now, index);
        return;
    }
    const bool pass_through_interrupt =
        reason == FaultReason::OutputIsInterrupt && t.type == TranslationType::PassThrough;
    if (pass_through_interrupt) {
        complete_interrupt_page(now, index);
        return;
    }
    const FaultReasonInfo* const info = find_fault(reason);
    SIM_CHECK(info != nullptr, "reason {:#x} is in no table", static_cast<unsigned>(reason));
    const FaultOutcome outcome = info->translation_request;
    if (outcome == FaultOutcome::Unsupported || outcome == FaultOutcome::Abort) {
        block(now, index, reason, fpd);
        return;
    }
    // Recoverable: the device may ask for the page and try again.
    if (outcome == FaultOutcome::NoTranslationLogged) {
        log(now, index, reason, fpd);
    }
    Translation nothing;
    add_entry(now, index, nothing);
}

void RequestPipeline::complete_translation(TimePs at, std::uint32_t index) {
    Slot& slot = slots_[index];
    slot.tlp.address = slot.first_address;
    tell_completion(slot, "success");
    Tlp completion = pcie::make_completion(slot.tlp, CplStatus::Success);
    completion.data = std::move(slot.entries);
    completion.length = static_cast<std::uint32_t>(completion.data.size());
    port_.send_fabric(at, std::move(completion));
    release(at, index);
}

void RequestPipeline::tell_completion(const Slot& slot, const char* status) {
    const TranslationEntry first = pcie::decode_translation(pcie::load_quadword(slot.entries));
    const std::size_t entries = slot.entries.size() / pcie::kAtsEntryBytes;
    const std::uint64_t bytes = first.page_bits >= 64 ? 0 : std::uint64_t{1} << first.page_bits;
    recorder_.emit(
        source_, trace::VtdTranslationCompletion{name_, slot.tlp.requester, shown_pasid(slot.tlp),
                                                 Iova{slot.first_address}, recorder_.name(status),
                                                 static_cast<std::uint32_t>(entries),
                                                 Hpa{first.address}, bytes, first.read, first.write,
                                                 first.untranslated_only, first.no_snoop_cleared});
    for (std::size_t i = 0; i < entries && (first.read || first.write); ++i) {
        const TranslationEntry entry =
            pcie::decode_translation(pcie::load_quadword(slot.entries, i));
        const Iova address{(slot.first_address & ~(bytes - 1)) + i * bytes};
        recorder_.emit(source_, trace::VtdTranslationEntry{
                                    name_, slot.tlp.requester, shown_pasid(slot.tlp), address,
                                    Hpa{entry.address}, bytes, entry.read, entry.write,
                                    entry.untranslated_only, entry.privileged});
    }
}

// A translated request needs only its context entry; when that is at hand, no walker.
void RequestPipeline::pass_translated(TimePs now, std::uint32_t index) {
    Slot& slot = slots_[index];
    if (probes_.has(kTranslatedWithoutDte)) {
        count(slot);
        slot.target = Hpa{slot.tlp.address};
        make_ready(now, index);
        return;
    }
    if (caches_.find_context(slot.tlp.requester) == nullptr) {
        start_walk(now, index);
        return;
    }
    Walk walk(caps_, caches_, owner_.root_pointer(), walk_request(slot));
    if (walk.start().kind != WalkAction::Kind::Done) {
        start_walk(now, index);  // the cached entry is of another table mode
        return;
    }
    count(slot);
    if (walk.reason() == FaultReason::None) {
        translated(now + params_.iotlb_lookup, index, walk.translation(), true);
    } else {
        block(now, index, walk.reason(), walk.fpd());
    }
}

}  // namespace ioasim::vtd
