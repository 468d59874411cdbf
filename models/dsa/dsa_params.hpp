// Sizes, capabilities and latencies of a DSA device (owner kind "device").
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"
#include "models/pcie/link_params_if.hpp"

namespace ioasim::dsa {

constexpr std::uint32_t kMaxTranslatedAhead = 3;  // pages of an operand

struct DsaParams : pcie::LinkParams {
    // Capabilities.
    std::uint64_t total_entries = 0;
    std::uint64_t groups = 0;
    std::uint64_t read_buffers = 0;
    std::uint64_t max_transfer_shift = 0;
    std::uint64_t max_batch_shift = 0;
    bool overlapping_copy = false;
    bool event_log = false;
    bool block_on_fault = false;
    std::uint64_t perfmon_counters = 0;
    std::uint64_t interrupt_handles = 0;
    std::uint64_t halt_reset = 0;
    std::uint64_t msix_vectors = 0;
    std::uint64_t message_storage = 0;
    // Memory requests.
    std::uint64_t read_tags = 0;
    std::uint64_t read_buffer_bytes = 0;
    std::uint64_t max_read_request = 0;
    std::uint64_t engine_depth = 0;
    // Address translation by the device.
    std::uint64_t ats_requests = 0;
    std::uint64_t ats_ahead = 0;
    TimePs ats_lookup;
    TimePs ats_issue;
    TimePs ats_invalidation;
    std::uint64_t page_capacity = 0;
    std::uint64_t page_retries = 0;
    TimePs page_retry;
    // Latencies.
    TimePs register_access;
    TimePs portal_accept;
    TimePs dispatch;
    TimePs engine_setup;
    TimePs completion;
    TimePs command;
    TimePs completion_timeout;
    TimePs tag_quarantine;
    TimePs reset_time;
};

const ParamTable<DsaParams>& dsa_param_table();

}  // namespace ioasim::dsa
