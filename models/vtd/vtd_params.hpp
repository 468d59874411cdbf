// Sizes, capabilities and latencies of a remapping unit. Capabilities appear in CAP and ECAP and
// decide which table fields are reserved.
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"
#include "models/vtd/set_associative.hpp"

namespace ioasim::vtd {

// What an invalidation takes beyond what it names.
enum class Coarseness : std::uint8_t { Exact, Tag, Everything };

// How a read ends that is not allowed.
enum class BlockedRead : std::uint8_t { Unsupported, Abort, Ones };

struct VtdParams {
    // What the unit reports and offers: version, CAP, ECAP. A raw register replaces its parameters.
    std::uint64_t version = 0;
    static constexpr std::uint64_t kNotRaw = ~std::uint64_t{0};
    std::uint64_t raw_cap = kNotRaw;
    std::uint64_t raw_ecap = kNotRaw;
    std::uint64_t host_address_width = 0;
    bool hardwired_addresses = false;
    // CAP.
    std::uint64_t domain_bits = 0;
    bool write_buffer_flush = false;
    bool caching_mode = false;
    bool second_stage_3_levels = false;
    bool second_stage_4_levels = false;
    bool second_stage_5_levels = false;
    std::uint64_t guest_address_width = 0;
    bool zero_length_reads = false;
    std::uint64_t fault_record_offset = 0;
    bool second_stage_2m = false;
    bool second_stage_1g = false;
    bool page_selective = false;
    std::uint64_t fault_records = 0;
    std::uint64_t max_address_mask = 0;
    bool write_drain = false;
    bool read_drain = false;
    bool first_stage_1g = false;
    bool first_stage_5_levels = false;
    bool flush_on_sirtp = false;
    bool flush_on_srtp = false;
    // ECAP.
    bool coherent = false;
    bool queued_invalidation = false;
    bool device_tlb = false;
    bool interrupt_cache = false;
    bool x2apic = false;
    bool pass_through = false;
    bool snoop_control = false;
    std::uint64_t iotlb_offset = 0;
    std::uint64_t max_handle_mask = 0;
    bool nested = false;
    bool page_requests = false;
    bool supervisor = false;
    bool no_write_flag = false;
    bool extended_accessed = false;
    std::uint64_t pasid_bits = 0;
    bool pasid = false;
    bool device_tlb_throttle = false;
    bool page_request_drain = false;
    bool scalable = false;
    bool second_stage_ad = false;
    bool second_stage = false;
    bool first_stage = false;
    bool snooped_walks = false;
    bool rid_pasid = false;
    bool abort_dma = false;
    bool rid_privilege = false;
    bool translated_with_pasid = false;
    bool second_stage_io_rw = false;
    bool stop_markers = false;
    // Caches.
    std::uint64_t context_entries = 0;
    std::uint64_t context_ways = 0;
    std::uint64_t pasid_entries = 0;
    std::uint64_t pasid_ways = 0;
    std::uint64_t iotlb_entries = 0;
    std::uint64_t iotlb_ways = 0;
    std::uint64_t iotlb_largest_level = 0;
    std::uint64_t first_stage_entries = 0;  // of each level
    std::uint64_t first_stage_ways = 0;
    std::uint64_t second_stage_entries = 0;
    std::uint64_t second_stage_ways = 0;
    Replacement replacement = Replacement::LeastRecentlyUsed;
    Coarseness coarseness = Coarseness::Exact;
    bool share_rid_pasid = false;
    std::uint64_t self_eviction = 0;
    std::uint64_t walk_ahead = 0;  // pages
    // Address translation services.
    std::uint64_t read_completion_boundary = 0;
    std::uint64_t ats_translations = 0;
    std::uint64_t pass_through_level = 0;
    // Concurrency.
    std::uint64_t walkers = 0;
    std::uint64_t requests = 0;
    bool in_order = false;
    // Latencies.
    TimePs iotlb_lookup;
    TimePs walk_setup;
    TimePs walk_step;
    TimePs register_access;
    TimePs command;
    TimePs invalidation;
    // Invalidation queue.
    std::uint64_t queue_prefetch = 0;
    std::uint64_t pending_waits = 0;
    std::uint64_t itags = 0;
    TimePs device_tlb_timeout;
    // Page requests and faults.
    TimePs page_request_handling;
    std::uint64_t page_request_writes = 0;
    bool fault_compression = false;
    BlockedRead blocked_read = BlockedRead::Unsupported;
    // The link to memory.
    TimePs memory_link_latency;
    std::uint64_t memory_link_bandwidth = 0;
    // The link to the root complex.
    TimePs fabric_link_latency;
    std::uint64_t fabric_link_bandwidth = 0;
};

// Owner kind "iommu".
const ParamTable<VtdParams>& vtd_param_table();

}  // namespace ioasim::vtd
