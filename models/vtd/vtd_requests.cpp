#include "models/vtd/vtd_requests.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/vtd_events.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {

using pcie::AddressType;
using pcie::CplStatus;
using pcie::Tlp;
using pcie::TlpKind;

namespace {

constexpr std::uint32_t kInterruptWriteBytes = 4;

// Posted, touches no memory, and leaves or takes effect when the writes before it are done.
bool is_message(TlpKind kind) {
    return kind == TlpKind::Interrupt || kind == TlpKind::InvalidateCompletion ||
           kind == TlpKind::PageRequest;
}

memory::Destination destination_of(pcie::CacheHint hint) {
    switch (hint) {
        case pcie::CacheHint::Cache:
            return memory::Destination::Cache;
        case pcie::CacheHint::Memory:
            return memory::Destination::Memory;
        case pcie::CacheHint::None:
            break;
    }
    return memory::Destination::Default;
}

}  // namespace

RequestPipeline::RequestPipeline(const VtdParams& params, const Capabilities& caps,
                                 TranslationCaches& caches, Probes& probes,
                                 trace::Recorder& recorder, SourceId source, trace::Name name,
                                 UnitPort& port, PipelineOwner& owner)
    : params_(params),
      caps_(caps),
      caches_(caches),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      name_(name),
      port_(port),
      owner_(owner),
      walkers_(params.walkers),
      teller_(recorder, source, name) {}

// --- arrival ------------------------------------------------------------------------------------

void RequestPipeline::accept(TimePs now, Tlp&& tlp) {
    if (used_slots_ == params_.requests) {
        arrivals_.push_back(std::move(tlp));
        return;
    }
    take(now, std::move(tlp));
    after_change(now);
}

void RequestPipeline::take(TimePs now, Tlp&& tlp) {
    port_.return_credit(now);
    if (free_slots_.empty()) {
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    ++used_slots_;
    Slot& slot = slots_[index];
    slot = Slot{};
    slot.tlp = std::move(tlp);
    slot.arrived = now;
    // A completion belongs to the order of the device that sends it.
    const bool completion = slot.tlp.kind == TlpKind::Completion;
    const Rid who = completion ? slot.tlp.completer : slot.tlp.requester;
    slot.requester = &requesters_[who.value()];
    slot.posted = slot.tlp.kind == TlpKind::MemWrite || is_message(slot.tlp.kind);
    if (slot.posted) {
        slot.ticket = slot.requester->order.take_ticket();
        slot.requester->posted.push_back(index);
    } else {
        slot.ticket = slot.requester->order.arrived();
    }
    if (completion || handle_interrupt_range(now, index)) {
        if (completion) {
            make_ready(now, index);
        }
        return;
    }
    if (is_translation_request(slot.tlp)) {
        take_translation_request(slot);
    }
    SIM_CHECK(slot.tlp.address / kPageSize ==
                  (slot.tlp.address + std::max(slot.tlp.length, 1U) - 1) / kPageSize,
              "request of {} bytes at {:#x} crosses a page", slot.tlp.length, slot.tlp.address);
    const bool plain = slot.tlp.kind == TlpKind::MemRead || slot.tlp.kind == TlpKind::MemWrite;
    if (plain && params_.in_order && !probes_.has(kReadsPass)) {
        slot.in_line = true;
        slot.place = slot.requester->line.take();
    }
    recorder_.emit(source_, trace::VtdRequest{name_, slot.tlp.requester, shown_pasid(slot.tlp),
                                              Iova{slot.tlp.address}, slot.tlp.length,
                                              is_write(slot.tlp), slot.tlp.descriptor});
    translate(now, index);
}

// Requests without PASID to FEEx_xxxxh are interrupts or errors before any remapping (3.15).
bool RequestPipeline::handle_interrupt_range(TimePs now, std::uint32_t index) {
    Tlp& tlp = slots_[index].tlp;
    if (is_message(tlp.kind)) {
        make_ready(now, index);
        return true;
    }
    // With remapping off nobody looks at the PASID.
    const bool has_pasid = tlp.pasid && owner_.remapping();
    if (has_pasid || tlp.at != AddressType::Untranslated ||
        !pcie::is_interrupt_address(tlp.address)) {
        return false;
    }
    if (tlp.kind == TlpKind::MemWrite && tlp.length == kInterruptWriteBytes &&
        tlp.address % kInterruptWriteBytes == 0) {
        tlp.kind = TlpKind::Interrupt;
        make_ready(now, index);
        return true;
    }
    if (tlp.kind == TlpKind::MemRead && tlp.length == 0) {
        port_.send_fabric(now, pcie::make_completion(tlp, CplStatus::Success));
        release_and_pump(now, index);
        return true;
    }
    block(now, index, FaultReason::BadInterruptRequest, false);
    return true;
}

void RequestPipeline::end_epoch(TimePs now, DrainTracker::Epoch epoch) {
    const DrainTracker::Epoch oldest = tracker_.oldest();
    tracker_.end(epoch);
    if (tracker_.oldest() != oldest) {
        owner_.drained(now);
    }
}

void RequestPipeline::leave_line(Slot& slot) {
    if (slot.in_line) {
        slot.in_line = false;
        slot.requester->line.leave(slot.place);
    }
}

void RequestPipeline::release(TimePs now, std::uint32_t index) {
    Slot& slot = slots_[index];
    leave_line(slot);
    if (slot.counted) {
        slot.counted = false;
        end_epoch(now, slot.epoch);
    }
    free_slots_.push_back(index);
    --used_slots_;
}

// Serves what became possible, until nothing is.
void RequestPipeline::after_change(TimePs now) {
    for (;;) {
        if (!retry_.empty()) {
            const std::uint32_t index = retry_.front();
            retry_.pop_front();
            translate(now, index);
        } else if (!walk_queue_.empty() && active_walks_ < walkers_.size()) {
            const std::uint32_t index = walk_queue_.front();
            walk_queue_.pop_front();
            translate(now, index);
        } else if (!arrivals_.empty() && used_slots_ < params_.requests) {
            Tlp tlp = std::move(arrivals_.front());
            arrivals_.pop_front();
            take(now, std::move(tlp));
        } else {
            return;
        }
    }
}

// --- order and memory ---------------------------------------------------------------------------

bool RequestPipeline::may_go(const Slot& slot) const {
    const RequesterOrder& order = slot.requester->order;
    if (slot.in_line && !slot.requester->line.first(slot.place)) {
        return false;
    }
    switch (slot.tlp.kind) {
        case TlpKind::Completion:
            return order.all_done(slot.ticket);
        case TlpKind::Interrupt:
            return order.may_issue_posted(slot.ticket) &&
                   (order.all_done(slot.ticket) || probes_.has(kInterruptPassesWrites));
        case TlpKind::InvalidateCompletion:
        case TlpKind::PageRequest:
            return order.may_issue_posted(slot.ticket) && order.all_done(slot.ticket);
        case TlpKind::MemWrite:
            return order.may_issue_posted(slot.ticket);
        default:
            return order.may_issue_read(slot.ticket);
    }
}

void RequestPipeline::make_ready(TimePs at, std::uint32_t index) {
    Slot& slot = slots_[index];
    slot.ready = true;
    Requester& requester = *slot.requester;
    if (!may_go(slot)) {
        const bool waits_for_end =
            slot.tlp.kind == TlpKind::Completion || is_message(slot.tlp.kind);
        probes_.hit(waits_for_end ? kCompletionHeld : kWriteHeld);
        if (!slot.posted) {
            requester.held.push_back(index);
        }
        return;
    }
    if (slot.posted) {
        pump(at, requester);
    } else {
        const bool next_may = slot.in_line;
        go(at, index);
        if (next_may) {
            pump(at, requester);
        }
    }
}

void RequestPipeline::pump(TimePs at, Requester& requester) {
    bool again = true;
    while (again) {
        while (!requester.posted.empty()) {
            const std::uint32_t index = requester.posted.front();
            if (!slots_[index].ready || !may_go(slots_[index])) {
                break;
            }
            requester.posted.pop_front();
            go(at, index);
        }
        std::size_t kept = 0;
        for (std::size_t i = 0; i < requester.held.size(); ++i) {
            const std::uint32_t index = requester.held[i];
            if (may_go(slots_[index])) {
                go(at, index);
            } else {
                requester.held[kept++] = index;
            }
        }
        // In line, whoever left may have been what an earlier one waited for.
        again = params_.in_order && kept != requester.held.size();
        requester.held.resize(kept);
    }
}

void RequestPipeline::go(TimePs at, std::uint32_t index) {
    Slot& slot = slots_[index];
    RequesterOrder& order = slot.requester->order;
    leave_line(slot);
    if (slot.posted) {
        order.issue(slot.ticket);
    }
    if (slot.tlp.kind == TlpKind::Completion || is_message(slot.tlp.kind) || slot.blocked) {
        if (slot.tlp.kind == TlpKind::InvalidateCompletion) {
            owner_.invalidation_completion(at, slot.tlp);
        } else if (slot.tlp.kind == TlpKind::PageRequest) {
            owner_.page_request(at, slot.tlp);
        } else if (!slot.blocked) {
            port_.send_fabric(at, std::move(slot.tlp));
        }
        if (slot.posted) {
            order.finish(slot.ticket);
        }
        release(at, index);
        return;
    }
    memory::MemRequest request;
    request.op = slot.posted ? memory::MemOp::Write : memory::MemOp::Read;
    request.address = slot.target;
    request.size = slot.tlp.length;
    request.tag = (kDmaTag << 32U) | index;
    request.data = std::move(slot.tlp.data);
    request.poisoned = slot.tlp.poisoned;
    request.destination = destination_of(slot.tlp.hint);
    request.snooped = !slot.tlp.no_snoop || slot.snoop;
    request.origin =
        memory::MemOrigin{slot.tlp.requester, shown_pasid(slot.tlp), slot.tlp.descriptor};
    port_.send_memory(at, std::move(request));
}

void RequestPipeline::on_dma_response(TimePs now, std::uint32_t index,
                                      memory::MemResponse response) {
    Slot& slot = slots_.at(index);
    Requester& requester = *slot.requester;
    if (slot.posted) {
        requester.order.finish(slot.ticket);
        release(now, index);
        pump(now, requester);
    } else {
        const bool there = response.status != memory::MemStatus::NoTarget;
        Tlp completion = pcie::make_completion(
            slot.tlp, there ? CplStatus::Success : CplStatus::UnsupportedRequest);
        completion.poisoned = response.status == memory::MemStatus::Poisoned;
        completion.data = std::move(response.data);
        port_.send_fabric(now, std::move(completion));
        release(now, index);
    }
    after_change(now);
}

}  // namespace ioasim::vtd
