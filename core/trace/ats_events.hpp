// Events of translated requests at the remapping unit.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct VtdTranslatedRequest {
    static constexpr EventName kName{
        "vtd.translated_request", Category::Vtd,
        "A request with an address that the device says is translated was let through."};
    Name iommu;
    Rid rid;
    Hpa address;
    std::uint32_t length = 0;
    bool write = false;
    IOASIM_FIELDS(iommu, rid, address, length, write)
};

}  // namespace ioasim::trace
