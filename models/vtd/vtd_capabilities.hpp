// What a unit can do: VER, CAP and ECAP (VT-d specification 11.4.1 to 11.4.3), and the same in the
// form in which the hardware uses it. The registers are made from the parameters or given as
// numbers; everything else is read from the registers, so that the unit is what it reports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/vtd/vtd_layout.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {

struct Capabilities {
    std::uint32_t version = 0;
    unsigned haw = 0;
    bool hardwired_addresses = false;  // registers keep no address bits beyond haw
    std::uint64_t cap_value = 0;
    std::uint64_t ecap_value = 0;

    // CAP.
    unsigned domain_bits = 0;
    bool write_buffer_flush = false;
    bool caching_mode = false;
    unsigned second_stage_modes = 0;  // SAGAW
    unsigned mgaw = 0;
    bool zero_length_reads = false;
    std::uint32_t fault_offset = 0;  // of the fault records
    bool second_stage_2m = false;
    bool second_stage_1g = false;
    bool page_selective = false;
    unsigned fault_records = 0;
    unsigned max_address_mask = 0;
    bool first_stage_1g = false;
    bool first_stage_5_levels = false;
    bool flush_on_srtp = false;
    // ECAP.
    bool coherent = false;
    bool queued_invalidation = false;
    bool device_tlb = false;
    bool interrupt_cache = false;
    bool x2apic = false;
    bool pass_through = false;
    bool snoop_control = false;
    std::uint32_t iotlb_offset = 0;  // of IVA; IOTLB follows
    bool nested = false;
    bool page_requests = false;
    bool supervisor = false;
    bool no_write_flag = false;
    bool extended_accessed = false;
    unsigned pasid_bits = 0;
    bool pasid = false;
    bool device_tlb_throttle = false;
    bool page_request_drain = false;
    bool scalable = false;
    bool second_stage_ad = false;
    bool second_stage = false;  // in scalable mode; legacy mode always has it
    bool first_stage = false;
    bool snooped_walks = false;
    bool rid_pasid = false;
    bool abort_dma = false;
    bool rid_privilege = false;
    bool translated_with_pasid = false;
    bool second_stage_io_rw = false;
    bool stop_markers = false;

    std::uint64_t cap() const { return cap_value; }
    std::uint64_t ecap() const { return ecap_value; }
    unsigned major() const { return version >> 4U; }
    // From this version on CCMD and IOTLB answer with an error.
    bool register_invalidation() const { return major() < 6; }
    // Bits of a table address that a host address may not have.
    std::uint64_t above_host_width() const { return haw >= 64 ? 0 : ~std::uint64_t{0} << haw; }
    // Levels of an AW code, 0 when not supported.
    unsigned second_stage_levels(std::uint8_t aw) const;
    // The AW code of the widest second stage, 0 without any.
    std::uint8_t widest_second_stage() const;
    // Addresses of the second stage have this many bits at most under an AW code.
    unsigned second_stage_width(std::uint8_t aw) const;
    // Address bits that a fault record keeps: those of the widest table (11.4.7.8).
    unsigned recorded_address_bits() const;
};

Capabilities make_capabilities(const VtdParams& params);

// What is wrong with the capabilities of `params`: bits that the model lacks, fields that do not go
// together (11.4.2, 11.4.3). Each names the field and its parameter.
std::vector<std::string> capability_problems(const VtdParams& params);

}  // namespace ioasim::vtd
