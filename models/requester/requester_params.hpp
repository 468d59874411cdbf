// Sizes and times of a test requester.
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "models/pcie/link_params_if.hpp"

namespace ioasim::requester {

struct RequesterParams : pcie::LinkParams {
    std::uint64_t max_read_request = 0;
    std::uint64_t tags = 0;
    TimePs completion_timeout;
    TimePs tag_quarantine;
    TimePs register_access;
    TimePs reset_time;
    std::uint64_t atc_entries = 0;
    std::uint64_t atc_translations = 0;
    TimePs atc_invalidation;
    bool atc_global = false;
    std::uint64_t pasid_width = 0;
    std::uint64_t page_capacity = 0;
    std::uint64_t page_group = 0;
    std::uint64_t page_retries = 0;
    TimePs engine_latency;
    std::uint64_t engine_bandwidth = 0;
    std::uint64_t engine_outstanding = 0;
};

// Owner kind "requester".
const ParamTable<RequesterParams>& requester_param_table();

}  // namespace ioasim::requester
