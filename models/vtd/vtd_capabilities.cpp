#include "models/vtd/vtd_capabilities.hpp"

#include <algorithm>

namespace ioasim::vtd {
namespace {

constexpr std::uint64_t kFourLevels = 1U << 2U;  // SAGAW
constexpr std::uint64_t kFiveLevels = 1U << 3U;

std::uint64_t flag(const Field& field, bool on) {
    return field.make(on ? 1 : 0);
}

}  // namespace

std::uint64_t Capabilities::cap() const {
    std::uint64_t value = 0;
    value |= cap::kNd.make((domain_bits - 4) / 2);
    value |= flag(cap::kCm, caching_mode);
    if (second_stage) {
        value |= cap::kSagaw.make(kFourLevels | (five_level ? kFiveLevels : 0));
        value |= cap::kSslps.make(second_stage_large ? 3 : 0);
    }
    value |= cap::kMgaw.make(mgaw - 1);
    value |= flag(cap::kZlr, true);
    value |= cap::kFro.make(reg::kFrcd / 16);
    value |= flag(cap::kPsi, true);
    value |= cap::kNfr.make(fault_records - 1);
    value |= cap::kMamv.make(max_address_mask);
    value |= flag(cap::kDwd, true) | flag(cap::kDrd, true);
    value |= flag(cap::kFs1gp, first_stage && first_stage_1g);
    value |= flag(cap::kFs5lp, first_stage && five_level);
    value |= flag(cap::kEsrtps, flush_on_srtp);
    return value;
}

std::uint64_t Capabilities::ecap() const {
    std::uint64_t value = 0;
    value |= flag(ecap::kC, true) | flag(ecap::kQi, true) | ecap::kMhmv.make(max_handle_mask);
    value |= flag(ecap::kPt, pass_through);
    value |= flag(ecap::kDt, device_tlb) | flag(ecap::kDit, device_tlb_throttle);
    value |= flag(ecap::kPrs, page_requests) | flag(ecap::kPds, page_request_drain);
    value |= flag(ecap::kSms, stop_markers) | flag(ecap::kIr, interrupt_cache);
    value |= flag(ecap::kSc, snoop_control);
    value |= ecap::kIro.make(reg::kIva / 16);
    value |= flag(ecap::kNest, nested);
    value |= flag(ecap::kSrs, supervisor);
    value |= ecap::kPss.make(pasid_bits - 1);
    value |= flag(ecap::kPasid, true) | flag(ecap::kSmts, true);
    value |= flag(ecap::kSsads, second_stage && second_stage_ad && snooped_walks);
    value |= flag(ecap::kSsts, second_stage) | flag(ecap::kFsts, first_stage);
    value |= flag(ecap::kSmpwcs, snooped_walks);
    value |= flag(ecap::kRps, rid_pasid);
    return value;
}

unsigned Capabilities::second_stage_levels(std::uint8_t aw) const {
    if (aw == kAddressWidth48) {
        return 4;
    }
    return aw == kAddressWidth57 && five_level ? 5 : 0;
}

unsigned Capabilities::second_stage_width(std::uint8_t aw) const {
    return std::min(mgaw, aw == kAddressWidth57 ? 57U : 48U);
}

Capabilities make_capabilities(const VtdParams& p) {
    Capabilities c;
    c.haw = static_cast<unsigned>(p.host_address_width);
    c.mgaw = static_cast<unsigned>(p.guest_address_width);
    c.pasid_bits = static_cast<unsigned>(p.pasid_bits);
    c.domain_bits = static_cast<unsigned>(p.domain_bits) & ~1U;
    c.fault_records = static_cast<unsigned>(p.fault_records);
    c.max_address_mask = static_cast<unsigned>(p.max_address_mask);
    c.first_stage = p.first_stage;
    c.second_stage = p.second_stage;
    c.nested = p.nested && p.first_stage && p.second_stage;
    c.pass_through = p.pass_through;
    c.five_level = p.five_level;
    c.first_stage_1g = p.first_stage_1g;
    c.second_stage_large = p.second_stage_large;
    c.second_stage_ad = p.second_stage_ad && p.second_stage && p.snooped_walks;
    c.supervisor = p.supervisor;
    c.snoop_control = p.snoop_control;
    c.snooped_walks = p.snooped_walks;
    c.rid_pasid = p.rid_pasid;
    c.caching_mode = p.caching_mode;
    c.flush_on_srtp = p.flush_on_srtp;
    c.device_tlb = p.device_tlb;
    c.interrupt_cache = p.interrupt_cache;
    c.page_requests = p.page_requests;
    c.page_request_drain = p.page_request_drain;
    c.device_tlb_throttle = p.device_tlb_throttle;
    c.stop_markers = p.stop_markers;
    c.max_handle_mask = static_cast<unsigned>(p.max_handle_mask);
    return c;
}

}  // namespace ioasim::vtd
