// What a unit can do: the parameters in the form in which the hardware uses them, and as CAP and
// ECAP show them (VT-d specification 11.4.2, 11.4.3).
#pragma once

#include <cstdint>

#include "models/vtd/vtd_layout.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {

// Version 6.0: reads and writes are always drained, register-based invalidation answers with an
// error, requests that ask for execution fail on the PASID entry.
constexpr std::uint32_t kVersion = 0x60;

struct Capabilities {
    unsigned haw = 0;
    unsigned mgaw = 0;
    unsigned pasid_bits = 0;
    unsigned domain_bits = 0;
    unsigned fault_records = 0;
    unsigned max_address_mask = 0;
    bool first_stage = false;
    bool second_stage = false;
    bool nested = false;
    bool pass_through = false;
    bool five_level = false;
    bool first_stage_1g = false;
    bool second_stage_large = false;
    bool second_stage_ad = false;
    bool supervisor = false;
    bool snoop_control = false;
    bool snooped_walks = false;
    bool rid_pasid = false;
    bool caching_mode = false;
    bool flush_on_srtp = false;
    bool device_tlb = false;
    bool interrupt_cache = false;
    bool page_requests = false;
    bool page_request_drain = false;
    bool device_tlb_throttle = false;
    bool stop_markers = false;
    bool page_selective = true;
    bool abort_dma = false;
    bool scalable = true;
    unsigned max_handle_mask = 0;

    std::uint64_t cap() const;
    std::uint64_t ecap() const;
    // Bits of a table address that a host address may not have.
    std::uint64_t above_host_width() const { return haw >= 64 ? 0 : ~std::uint64_t{0} << haw; }
    // Levels of an AW code, 0 when not supported.
    unsigned second_stage_levels(std::uint8_t aw) const;
    // Addresses of the second stage have this many bits at most under an AW code.
    unsigned second_stage_width(std::uint8_t aw) const;
};

Capabilities make_capabilities(const VtdParams& params);

}  // namespace ioasim::vtd
