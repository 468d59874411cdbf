// What functions with a device TLB keep (PCI Express base specification 10.2, 10.3): translations
// that completions brought, and invalidations that are under way. How many translations there are,
// and which one goes for another, is each function's own.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/time.hpp"
#include "models/pcie/ats_layout.hpp"

namespace ioasim::pcie {

struct AtcEntry {
    std::optional<Pasid> pasid;
    bool privileged = false;
    std::uint64_t first = 0;  // of the untranslated range
    std::uint64_t last = 0;
    TranslationEntry translation;

    std::uint64_t at(std::uint64_t address) const {
        return translation.address + (address - first);
    }
};

// Whether an invalidation reaches what has this PASID and lies in [first, last]. With its Global
// bit, where the function understands that, it reaches any PASID.
inline bool reaches(const std::optional<Pasid>& invalidated, const InvalidateBody& body,
                    bool knows_global, const std::optional<Pasid>& pasid, std::uint64_t first,
                    std::uint64_t last) {
    const bool any_pasid = knows_global && body.global;
    if (any_pasid ? !pasid.has_value() : invalidated != pasid) {
        return false;
    }
    const AtsRange range = body.range();
    return first <= range.last && range.first <= last;
}

struct Invalidation {
    std::uint32_t itag = 0;
    Rid function;
    std::optional<Pasid> pasid;
    InvalidateBody body;
    TimePs due;            // it takes effect then
    bool applied = false;  // the entries are gone
    std::uint32_t dropped = 0;
    std::vector<std::uint32_t> behind;  // tags of reads that must come back first
    std::optional<TimePs> answer_at;
};

}  // namespace ioasim::pcie
