#include "models/vm/virtual_page_requests.hpp"

#include <algorithm>

#include "core/trace/guest_fault_events.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {

namespace reg = vtd::reg;

// --- registers ----------------------------------------------------------------------------------

bool VirtualPageRequests::has_register(std::uint32_t offset) {
    return offset >= reg::kPqh && offset <= reg::kPeuaddr;
}

std::uint64_t VirtualPageRequests::read(std::uint32_t offset, unsigned size) const {
    std::uint64_t value = 0;
    switch (offset) {
        case reg::kPqh:
            value = head_;
            break;
        case reg::kPqt:
            value = tail_;
            break;
        case reg::kPqa:
            value = base_;
            break;
        case reg::kPrs:
            value = status_;
            break;
        case reg::kPectl:
            value = control_;
            break;
        case reg::kPedata:
            value = data_;
            break;
        case reg::kPeaddr:
            value = address_;
            break;
        case reg::kPeuaddr:
            value = upper_;
            break;
        default:
            break;
    }
    return size == 8 ? value : value & 0xFFFF'FFFFU;
}

void VirtualPageRequests::write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                                unsigned) {
    const auto word = static_cast<std::uint32_t>(value);
    switch (offset) {
        case reg::kPqh:
            head_ = value & vtd::pq::kOffsetMask;
            break;
        case reg::kPqt:
            tail_ = value & vtd::pq::kOffsetMask;
            break;
        case reg::kPqa:
            base_ = value;
            break;
        case reg::kPrs:
            status_ &= ~(word & (vtd::pq::kPpr | vtd::pq::kPro));
            if (status_ == 0) {
                control_ &= ~vtd::event_control::kPending;
            }
            break;
        case reg::kPectl: {
            const bool masked = (word & vtd::event_control::kMasked) != 0;
            const bool pending = (control_ & vtd::event_control::kPending) != 0;
            control_ = masked ? control_ | vtd::event_control::kMasked : 0;
            if (!masked && pending) {
                raise(ctx);
            }
            break;
        }
        case reg::kPedata:
            data_ = word;
            break;
        case reg::kPeaddr:
            address_ = word;
            break;
        case reg::kPeuaddr:
            upper_ = word;
            break;
        default:
            break;
    }
}

void VirtualPageRequests::reset() {
    head_ = tail_ = base_ = 0;
    status_ = 0;
    control_ = vtd::event_control::kMasked;
    data_ = address_ = upper_ = 0;
}

void VirtualPageRequests::raise(ExecContext& ctx) {
    if (probes_.has(kNoPageInterrupt)) {
        return;
    }
    if ((control_ & vtd::event_control::kMasked) != 0) {
        control_ |= vtd::event_control::kPending;
        return;
    }
    if (interrupt_) {
        interrupt_(ctx, std::uint64_t{upper_} << 32U | address_, data_);
    }
}

// --- host to guest ------------------------------------------------------------------------------

void VirtualPageRequests::serve(ExecContext& ctx) {
    os::GuestFaultFile& file = *host_.page_faults();
    while (file.wait(ctx)) {
        run_.wait_while_hung(ctx);
        busy_ = true;
        while (const auto fault = file.read(ctx)) {
            inject(ctx, *fault);
        }
        busy_ = false;
        ctx.wake_all(idle_);
    }
}

void VirtualPageRequests::settle(ExecContext& ctx) {
    const os::GuestFaultFile* const file = host_.page_faults();
    const TimePs deadline = ctx.now() + params_.kill_timeout;
    while (file != nullptr && (busy_ || !file->empty()) && ctx.now() < deadline) {
        ctx.wait_until(idle_, std::min(deadline, ctx.now() + params_.kill_poll));
    }
}

// One descriptor's room stays free, so that head and tail differ.
bool VirtualPageRequests::room_for(std::size_t descriptors) const {
    const std::uint64_t bytes = vtd::pq::bytes(base_);
    const std::uint64_t used = (tail_ + bytes - head_) % bytes;
    return used + (descriptors + 1) * vtd::kDescriptorBytes <= bytes;
}

void VirtualPageRequests::tell(ExecContext& ctx, const vtd::PageRequest& request, bool queued) {
    recorder_.emit(
        ctx.source(),
        trace::VmPageRequest{recorder_.name(vm_), request.rid, request.pasid, Iova{request.address},
                             request.write, request.last, request.group, queued});
}

void VirtualPageRequests::inject(ExecContext& ctx, const os::GuestFault& fault) {
    const auto function =
        std::find_if(functions_.begin(), functions_.end(),
                     [&](const VirtualFunction& f) { return f.name == fault.device; });
    if (function == functions_.end()) {
        return;
    }
    ctx.spend(params_.page_request);
    const bool full = (status_ & vtd::pq::kPro) != 0 || !room_for(fault.pages.size());
    if (full && !probes_.has(kVirtualOverflowIgnored)) {
        turn_away(ctx, fault, function->rid);
        return;
    }
    const Gpa queue{base_ & bit_mask(63, 12)};
    for (vtd::PageRequest request : fault.pages) {
        request.rid = function->rid;
        request.pasid = Pasid{fault.gpasid.value()};
        const vtd::Descriptor descriptor = vtd::encode(request);
        for (std::size_t i = 0; i < descriptor.size(); ++i) {
            memory_.store(ctx, queue + tail_ + i * 8, descriptor.at(i), 8);
        }
        tail_ = (tail_ + vtd::kDescriptorBytes) % vtd::pq::bytes(base_);
        tell(ctx, request, true);
    }
    // The event is raised at the edge of PPR (7.10).
    if ((status_ & vtd::pq::kPpr) == 0) {
        status_ |= vtd::pq::kPpr;
        raise(ctx);
    }
}

void VirtualPageRequests::turn_away(ExecContext& ctx, const os::GuestFault& fault, Rid rid) {
    const std::uint32_t before = status_;
    status_ |= vtd::pq::kPro;
    vtd::PageRequest last = fault.pages.back();
    last.rid = rid;
    last.pasid = Pasid{fault.gpasid.value()};
    tell(ctx, last, false);
    if (!probes_.has(kOverflowUnanswered)) {
        static_cast<void>(
            host_.page_faults()->respond(ctx, fault.device, Ioasid{fault.pasid.value()}, last.group,
                                         static_cast<std::uint32_t>(vtd::PageResponse::Success)));
    }
    if (before == 0) {
        raise(ctx);
    }
}

// --- guest to host ------------------------------------------------------------------------------

void VirtualPageRequests::respond(ExecContext& ctx, const vtd::Descriptor& response) {
    namespace i = vtd::inv;
    const Rid rid{static_cast<std::uint16_t>(i::kDevSid.get(response[0]))};
    const auto function = std::find_if(functions_.begin(), functions_.end(),
                                       [&](const VirtualFunction& f) { return f.rid == rid; });
    if (function == functions_.end() || i::kResponseHasPasid.get(response[0]) == 0) {
        return;  // of nothing that was asked
    }
    const Spid gpasid{static_cast<std::uint32_t>(i::kPasid.get(response[0]))};
    const auto group = static_cast<std::uint16_t>(i::kResponseGroup.get(response[1]));
    const auto code = static_cast<std::uint32_t>(i::kResponseCode.get(response[0]));
    const Ioasid id =
        probes_.has(kResponseUntranslated) ? Ioasid{gpasid.value()} : host_.find_spid(ctx, gpasid);
    recorder_.emit(ctx.source(),
                   trace::VmPageResponse{recorder_.name(vm_), rid, Pasid{gpasid.value()},
                                         Pasid{id.value()}, group, code});
    if (id.value() == kInvalidIoasid) {
        return;  // unbound meanwhile: the host has answered
    }
    // A failure would switch page requests off for everybody who shares the function.
    const auto invalid = static_cast<std::uint32_t>(vtd::PageResponse::Invalid);
    static_cast<void>(
        host_.page_faults()->respond(ctx, function->name, id, group, std::min(code, invalid)));
}

}  // namespace ioasim::vm
