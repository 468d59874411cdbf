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
    TimePs register_access;
};

// Owner kind "requester".
const ParamTable<RequesterParams>& requester_param_table();

}  // namespace ioasim::requester
