// The device TLB of a function, which the specification calls its address translation cache (PCI
// Express base specification 10.1.1, 10.2.3, 10.3): translations that completions brought, and the
// invalidations that are under way.
//
// An entry is found by PASID (or none), privilege and address; its size is the completion's. An
// invalidation takes entries of its PASID, or of any with its Global bit where the function
// understands that; without a PASID those that have none. It is answered when its entries are gone
// and every read that left with one of their addresses came back; writes are posted ahead of the
// answer on the same link. Answers that become possible together go in one completion, which has a
// bit for each ITag. Plain data; the owner brings time and sends.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/pcie/translations_if.hpp"

namespace ioasim::requester {

using pcie::AtcEntry;
using pcie::Invalidation;
using pcie::reaches;

class DeviceTlb {
public:
    explicit DeviceTlb(std::size_t entries) : capacity_(entries) {}

    const AtcEntry* find(std::optional<Pasid> pasid, bool privileged, std::uint64_t address);
    // What had to go for it: what covered the same, or the one that was used least recently.
    std::vector<AtcEntry> fill(const AtcEntry& entry);
    // Those that the invalidation covers.
    std::vector<AtcEntry> invalidate(std::optional<Pasid> pasid, const pcie::InvalidateBody& body,
                                     bool knows_global);
    std::vector<AtcEntry> clear();
    std::size_t size() const { return entries_.size(); }

private:
    struct Line {
        AtcEntry entry;
        std::uint64_t used = 0;
    };
    std::size_t capacity_;
    std::uint64_t uses_ = 0;
    std::vector<Line> entries_;
};

}  // namespace ioasim::requester
