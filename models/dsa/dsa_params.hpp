// Sizes, capabilities and latencies of a DSA device (owner kind "device").
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"
#include "models/pcie/link_params_if.hpp"

namespace ioasim::dsa {

struct DsaParams : pcie::LinkParams {
    // Capabilities.
    std::uint64_t total_entries = 0;
    std::uint64_t groups = 0;
    std::uint64_t read_buffers = 0;
    std::uint64_t max_transfer_shift = 0;
    std::uint64_t max_batch_shift = 0;
    bool overlapping_copy = false;
    bool event_log = false;
    std::uint64_t interrupt_handles = 0;
    std::uint64_t halt_reset = 0;
    std::uint64_t msix_vectors = 0;
    // Memory requests.
    std::uint64_t read_buffer_bytes = 0;
    std::uint64_t max_read_request = 0;
    std::uint64_t engine_depth = 0;
    // Latencies.
    TimePs register_access;
    TimePs portal_accept;
    TimePs dispatch;
    TimePs engine_setup;
    TimePs completion;
    TimePs command;
    TimePs completion_timeout;
};

const ParamTable<DsaParams>& dsa_param_table();

}  // namespace ioasim::dsa
