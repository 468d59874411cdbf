#include "models/vtd/vtd_capabilities.hpp"

#include <algorithm>

namespace ioasim::vtd {
namespace {

constexpr unsigned kThreeLevels = 1U << 1U;  // SAGAW
constexpr unsigned kFourLevels = 1U << 2U;
constexpr unsigned kFiveLevels = 1U << 3U;

std::uint64_t flag(const Field& field, bool on) {
    return field.make(on ? 1 : 0);
}

std::uint64_t cap_of(const VtdParams& p) {
    const unsigned modes = (p.second_stage_3_levels ? kThreeLevels : 0) |
                           (p.second_stage_4_levels ? kFourLevels : 0) |
                           (p.second_stage_5_levels ? kFiveLevels : 0);
    const unsigned large = (p.second_stage_2m ? 1U : 0U) | (p.second_stage_1g ? 2U : 0U);
    std::uint64_t value = 0;
    value |= cap::kNd.make((p.domain_bits - 4) / 2);
    value |= flag(cap::kRwbf, p.write_buffer_flush) | flag(cap::kCm, p.caching_mode);
    value |= cap::kSagaw.make(modes) | cap::kSslps.make(large);
    value |= cap::kMgaw.make(p.guest_address_width - 1);
    value |= flag(cap::kZlr, p.zero_length_reads);
    value |= cap::kFro.make(p.fault_record_offset / 16);
    value |= flag(cap::kPsi, p.page_selective);
    value |= cap::kNfr.make(p.fault_records - 1);
    value |= cap::kMamv.make(p.max_address_mask);
    value |= flag(cap::kDwd, p.write_drain) | flag(cap::kDrd, p.read_drain);
    value |= flag(cap::kFs1gp, p.first_stage_1g && p.first_stage);
    value |= flag(cap::kFs5lp, p.first_stage_5_levels && p.first_stage);
    value |= flag(cap::kEsirtps, p.flush_on_sirtp) | flag(cap::kEsrtps, p.flush_on_srtp);
    return value;
}

std::uint64_t ecap_of(const VtdParams& p) {
    std::uint64_t value = 0;
    value |= flag(ecap::kC, p.coherent) | flag(ecap::kQi, p.queued_invalidation);
    value |= flag(ecap::kDt, p.device_tlb);
    value |= flag(ecap::kIr, p.interrupt_cache) | flag(ecap::kEim, p.x2apic);
    value |= flag(ecap::kPt, p.pass_through) | flag(ecap::kSc, p.snoop_control);
    value |= ecap::kIro.make(p.iotlb_offset / 16) | ecap::kMhmv.make(p.max_handle_mask);
    value |= flag(ecap::kNest, p.nested) | flag(ecap::kPrs, p.page_requests);
    value |= flag(ecap::kSrs, p.supervisor) | flag(ecap::kNwfs, p.no_write_flag);
    value |= flag(ecap::kEafs, p.extended_accessed);
    value |= ecap::kPss.make(p.scalable ? p.pasid_bits - 1 : 0) | flag(ecap::kPasid, p.pasid);
    value |= flag(ecap::kDit, p.device_tlb_throttle) | flag(ecap::kPds, p.page_request_drain);
    value |= flag(ecap::kSmts, p.scalable);
    value |= flag(ecap::kSsads, p.second_stage_ad) | flag(ecap::kSsts, p.second_stage);
    value |= flag(ecap::kFsts, p.first_stage) | flag(ecap::kSmpwcs, p.snooped_walks);
    value |= flag(ecap::kRps, p.rid_pasid) | flag(ecap::kAdms, p.abort_dma);
    value |= flag(ecap::kRprivs, p.rid_privilege) | flag(ecap::kPtrs, p.translated_with_pasid);
    value |= flag(ecap::kSsirws, p.second_stage_io_rw) | flag(ecap::kSms, p.stop_markers);
    return value;
}

void read_cap(Capabilities& c) {
    const auto has = [&](const Field& f) { return f.get(c.cap_value) != 0; };
    const auto number = [&](const Field& f) { return static_cast<unsigned>(f.get(c.cap_value)); };
    c.domain_bits = 4 + 2 * number(cap::kNd);
    c.write_buffer_flush = has(cap::kRwbf);
    c.caching_mode = has(cap::kCm);
    c.second_stage_modes = number(cap::kSagaw);
    c.mgaw = number(cap::kMgaw) + 1;
    c.zero_length_reads = has(cap::kZlr);
    c.fault_offset = number(cap::kFro) * 16;
    c.second_stage_2m = (number(cap::kSslps) & 1U) != 0;
    c.second_stage_1g = (number(cap::kSslps) & 2U) != 0;
    c.page_selective = has(cap::kPsi);
    c.fault_records = number(cap::kNfr) + 1;
    c.max_address_mask = number(cap::kMamv);
    c.first_stage_1g = has(cap::kFs1gp);
    c.first_stage_5_levels = has(cap::kFs5lp);
    c.flush_on_srtp = has(cap::kEsrtps);
}

void read_ecap(Capabilities& c) {
    const auto has = [&](const Field& f) { return f.get(c.ecap_value) != 0; };
    c.coherent = has(ecap::kC);
    c.queued_invalidation = has(ecap::kQi);
    c.device_tlb = has(ecap::kDt);
    c.interrupt_cache = has(ecap::kIr);
    c.x2apic = has(ecap::kEim);
    c.pass_through = has(ecap::kPt);
    c.snoop_control = has(ecap::kSc);
    c.iotlb_offset = static_cast<std::uint32_t>(ecap::kIro.get(c.ecap_value)) * 16;
    c.nested = has(ecap::kNest);
    c.page_requests = has(ecap::kPrs);
    c.supervisor = has(ecap::kSrs);
    c.no_write_flag = has(ecap::kNwfs);
    c.extended_accessed = has(ecap::kEafs);
    c.pasid_bits = static_cast<unsigned>(ecap::kPss.get(c.ecap_value)) + 1;
    c.pasid = has(ecap::kPasid);
    c.device_tlb_throttle = has(ecap::kDit);
    c.page_request_drain = has(ecap::kPds);
    c.scalable = has(ecap::kSmts);
    c.second_stage_ad = has(ecap::kSsads);
    c.second_stage = has(ecap::kSsts);
    c.first_stage = has(ecap::kFsts);
    c.snooped_walks = has(ecap::kSmpwcs);
    c.rid_pasid = has(ecap::kRps);
    c.abort_dma = has(ecap::kAdms);
    c.rid_privilege = has(ecap::kRprivs);
    c.translated_with_pasid = has(ecap::kPtrs);
    c.second_stage_io_rw = has(ecap::kSsirws);
    c.stop_markers = has(ecap::kSms);
}

}  // namespace

unsigned Capabilities::second_stage_levels(std::uint8_t aw) const {
    // AW counts like SAGAW's bits: 1 is three levels.
    const bool offered =
        aw >= kAddressWidth39 && aw <= kAddressWidth57 && (second_stage_modes & (1U << aw)) != 0;
    return offered ? 2U + aw : 0;
}

std::uint8_t Capabilities::widest_second_stage() const {
    for (const std::uint8_t aw : {kAddressWidth57, kAddressWidth48, kAddressWidth39}) {
        if (second_stage_levels(aw) != 0) {
            return aw;
        }
    }
    return 0;
}

unsigned Capabilities::second_stage_width(std::uint8_t aw) const {
    return std::min(mgaw, 30U + 9U * aw);
}

unsigned Capabilities::recorded_address_bits() const {
    unsigned bits = 30U + 9U * widest_second_stage();
    if (first_stage) {
        bits = std::max(bits, first_stage_5_levels ? 57U : 48U);
    }
    return bits;
}

Capabilities make_capabilities(const VtdParams& params) {
    Capabilities c;
    c.version = static_cast<std::uint32_t>(params.version);
    c.haw = static_cast<unsigned>(params.host_address_width);
    c.hardwired_addresses = params.hardwired_addresses;
    c.cap_value = params.raw_cap != 0 ? params.raw_cap : cap_of(params);
    c.ecap_value = params.raw_ecap != 0 ? params.raw_ecap : ecap_of(params);
    read_cap(c);
    read_ecap(c);
    return c;
}

}  // namespace ioasim::vtd
