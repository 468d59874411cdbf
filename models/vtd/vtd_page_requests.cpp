#include "models/vtd/vtd_page_requests.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr unsigned kTagShift = 32;

trace::Hex reason_field(FaultReason reason) {
    return trace::Hex{static_cast<std::uint64_t>(reason)};
}

}  // namespace

PageRequestQueue::PageRequestQueue(const VtdParams& params, const Capabilities& caps,
                                   RegisterFile& registers, EventRegisters& events,
                                   TranslationCaches& caches, Probes& probes,
                                   trace::Recorder& recorder, SourceId source, trace::Name name,
                                   UnitPort& port, PageRequestOwner& owner)
    : params_(params),
      caps_(caps),
      registers_(registers),
      events_(events),
      caches_(caches),
      probes_(probes),
      recorder_(recorder),
      source_(source),
      name_(name),
      port_(port),
      owner_(owner),
      teller_(recorder, source, name) {}

// --- arrival and end ----------------------------------------------------------------------------

void PageRequestQueue::expect(Rid rid) {
    expected_.push_back({rid, false});
}

void PageRequestQueue::ended(TimePs now, Rid rid) {
    // Requests of one device end in order.
    const auto found = std::find_if(expected_.begin(), expected_.end(),
                                    [rid](const Expected& e) { return e.rid == rid && !e.ended; });
    SIM_CHECK(found != expected_.end(), "a page request of {:#06x} ended that never arrived",
              rid.value());
    found->ended = true;
    while (!expected_.empty() && expected_.front().ended) {
        expected_.pop_front();
        ++first_expected_;
    }
    owner_.page_request_ended(now);
}

PageRequestQueue::Request PageRequestQueue::decode(const pcie::Tlp& tlp) {
    const pcie::PageRequestMessage message = pcie::decode_page_request(tlp.address);
    Request r;
    r.request.has_pasid = tlp.pasid.has_value();
    r.request.rid = tlp.requester;
    r.request.pasid = tlp.pasid.value_or(Pasid{});
    r.request.execute = tlp.execute && r.request.has_pasid;
    r.request.privileged = tlp.privileged && r.request.has_pasid;
    r.request.read = message.read;
    r.request.write = message.write;
    r.request.last = message.last;
    r.request.group = message.group;
    r.request.address = message.address;
    r.stop_marker = pcie::is_stop_marker(message, r.request.has_pasid);
    r.wants_answer = message.last && !r.stop_marker;
    return r;
}

void PageRequestQueue::accept(TimePs now, const pcie::Tlp& tlp, bool remapping) {
    if (!remapping) {
        ended(now, tlp.requester);
        return;
    }
    waiting_.push_back(decode(tlp));
    if (!walk_) {
        next(now);
    }
}

// --- check --------------------------------------------------------------------------------------

void PageRequestQueue::next(TimePs now) {
    while (!walk_ && !waiting_.empty() && writes_.size() < params_.page_request_writes) {
        const PageRequest& r = waiting_.front().request;
        WalkRequest request;
        request.rid = r.rid;
        if (r.has_pasid) {
            request.pasid = r.pasid;
        }
        request.access = Access::PageRequest;
        request.address = r.address;
        request.write = r.write;
        request.privileged = r.privileged;
        request.execute = r.execute;
        walk_.emplace(caps_, caches_, owner_.root_table(), request);
        step(now, walk_->start());
    }
}

void PageRequestQueue::step(TimePs now, const WalkAction& action) {
    if (action.kind == WalkAction::Kind::Done) {
        checked(now);
        return;
    }
    action_ = action;
    memory::MemRequest read;
    read.op = memory::MemOp::Read;
    read.address = action.address;
    read.size = action.size;
    read.snooped = action.snooped;
    read.tag = kWalkTag << kTagShift;
    port_.send_memory(now + params_.walk_step, std::move(read));
}

void PageRequestQueue::on_walk_response(TimePs now, const memory::MemResponse& response) {
    SIM_CHECK(walk_.has_value(), "an answer for a page request's walk that nobody made");
    teller_.tell(action_, walk_->request(), response);
    step(now, walk_->on_read(response.data.data(), response.data.size(),
                             response.status == memory::MemStatus::Ok));
    next(now);
}

void PageRequestQueue::checked(TimePs now) {
    const Request r = waiting_.front();
    waiting_.pop_front();
    const Walk walk = *walk_;
    walk_.reset();
    if (walk.reason() != FaultReason::None) {
        fault(now, r, walk.reason(), walk.fpd());
    } else if (overflowed() && !probes_.has(kOverflowIgnored)) {
        turn_away(now, r);
    } else if (full() || probes_.fails(kPageQueueFull, recorder_.names().text(name_))) {
        events_.page_overflow(now);
        turn_away(now, r);
    } else {
        enqueue(now, r, walk);
    }
}

void PageRequestQueue::fault(TimePs now, const Request& r, FaultReason reason, bool fpd) {
    const PageRequest& request = r.request;
    const bool suppressed = fpd && is_qualified(reason) && !probes_.has(kFpdIgnored);
    bool recorded = false;
    if (suppressed) {
        probes_.hit(kFaultSuppressed);
    } else {
        FaultRecord record;
        record.address = request.address;
        record.source = request.rid;
        record.has_pasid = request.has_pasid;
        record.pasid = request.pasid;
        record.execute = request.execute;
        record.privileged = request.privileged;
        record.reason = static_cast<std::uint8_t>(reason);
        record.type = FaultType::PageRequest;
        recorded = events_.log_fault(now, record);
    }
    tell(r, false);
    recorder_.emit(source_,
                   trace::VtdFault{name_, request.rid,
                                   request.has_pasid ? request.pasid : Pasid{kInvalidIoasid},
                                   Iova{request.address}, reason_field(reason), request.write,
                                   recorded, suppressed, 0});
    answer(now, r, PageResponse::Invalid);
    ended(now, request.rid);
}

// --- queue --------------------------------------------------------------------------------------

bool PageRequestQueue::overflowed() const {
    return (registers_.get(reg::kPrs) & pq::kPro) != 0;
}

// One descriptor's room stays free, so that head and tail differ.
bool PageRequestQueue::full() const {
    return (reserved_ + kDescriptorBytes) % bytes() == registers_.get64(reg::kPqh);
}

void PageRequestQueue::on_tail_write() {
    if (writes_.empty()) {
        reserved_ = registers_.get64(reg::kPqt);
    }
}

void PageRequestQueue::turn_away(TimePs now, const Request& r) {
    probes_.hit(kPageRequestTurnedAway);
    tell(r, false);
    if (!probes_.has(kAutomaticAnswerLost)) {
        answer(now, r, PageResponse::Success);
    }
    ended(now, r.request.rid);
}

void PageRequestQueue::enqueue(TimePs now, const Request& r, const Walk& walk) {
    if (!probes_.has(kPageRequestKeepsTranslation)) {
        owner_.drop_translation(walk.pasid_entry(), walk.effective_pasid(), r.request.address);
    }
    SIM_CHECK(!overflowed() || probes_.has(kOverflowIgnored),
              "a page request is queued while the queue has overflown");
    tell(r, true);
    const Hpa base{registers_.get64(reg::kPqa) & bit_mask(63, 12)};
    writes_.push_back({r.request.rid, base + reserved_, encode(r.request),
                       now + params_.page_request_handling, false, false});
    reserved_ = (reserved_ + kDescriptorBytes) % bytes();
    if (probes_.has(kPageEventEarly)) {
        events_.page_request_waits(now);
    }
}

void PageRequestQueue::advance(TimePs now) {
    for (std::size_t i = 0; i < writes_.size(); ++i) {
        Write& w = writes_[i];
        if (w.sent || w.due > now) {
            continue;
        }
        w.sent = true;
        memory::MemRequest write;
        write.op = memory::MemOp::Write;
        write.address = w.address;
        write.size = kDescriptorBytes;
        write.tag = (kWriteTag << kTagShift) | (first_write_ + static_cast<std::uint32_t>(i));
        write.data.resize(sizeof w.descriptor);
        std::memcpy(write.data.data(), w.descriptor.data(), sizeof w.descriptor);
        port_.send_memory(now, std::move(write));
    }
}

std::optional<TimePs> PageRequestQueue::due() const {
    // They become due in order.
    const auto next =
        std::find_if(writes_.begin(), writes_.end(), [](const Write& w) { return !w.sent; });
    return next == writes_.end() ? std::nullopt : std::optional<TimePs>{next->due};
}

void PageRequestQueue::on_written(TimePs now, std::uint32_t number) {
    const std::uint32_t index = number - first_write_;
    SIM_CHECK(index < writes_.size(), "a page-request descriptor that nobody wrote");
    writes_[index].done = true;
    while (!writes_.empty() && writes_.front().done) {
        const Rid rid = writes_.front().rid;
        writes_.pop_front();
        const std::uint32_t written = first_write_++;
        const std::uint64_t tail = (registers_.get64(reg::kPqt) + kDescriptorBytes) % bytes();
        registers_.set64(reg::kPqt, tail);
        recorder_.emit(source_,
                       trace::VtdPrq{name_, registers_.get(reg::kPqh), registers_.get(reg::kPqt)});
        // The event covers what was accepted until its cause came up.
        if (!announce_) {
            announce_ = written + static_cast<std::uint32_t>(writes_.size());
        }
        if (*announce_ == written) {
            announce_.reset();
            events_.page_request_waits(now);
        }
        ended(now, rid);
    }
    next(now);
}

// --- answers ------------------------------------------------------------------------------------

void PageRequestQueue::answer(TimePs now, const Request& r, PageResponse code) {
    if (!r.wants_answer) {
        return;
    }
    std::optional<Pasid> pasid;
    if (r.request.has_pasid) {
        pasid = r.request.pasid;
    }
    send_response(now, r.request.rid, pasid, r.request.group, static_cast<std::uint8_t>(code),
                  true);
}

void PageRequestQueue::respond(TimePs now, const Descriptor& d) {
    std::optional<Pasid> pasid;
    if (inv::kResponseHasPasid.get(d[0]) != 0) {
        pasid = Pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
    }
    send_response(now, Rid{static_cast<std::uint16_t>(inv::kDevSid.get(d[0]))}, pasid,
                  static_cast<std::uint16_t>(inv::kResponseGroup.get(d[1])),
                  static_cast<std::uint8_t>(inv::kResponseCode.get(d[0])), false);
}

void PageRequestQueue::send_response(TimePs now, Rid rid, std::optional<Pasid> pasid,
                                     std::uint16_t group, std::uint8_t code, bool automatic) {
    recorder_.emit(source_,
                   trace::VtdPageResponse{name_, rid, pasid.value_or(Pasid{kInvalidIoasid}), group,
                                          code, automatic});
    port_.send_fabric(now, pcie::page_group_response(pasid, {rid, code, group}));
}

void PageRequestQueue::tell(const Request& r, bool queued) {
    recorder_.emit(
        source_,
        trace::VtdPageRequest{
            name_, r.request.rid, r.request.has_pasid ? r.request.pasid : Pasid{kInvalidIoasid},
            Iova{r.request.address}, r.request.group, r.wants_answer, r.request.write, queued});
}

}  // namespace ioasim::vtd
