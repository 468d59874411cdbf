#include "models/requester/requester_atc.hpp"

#include <algorithm>

namespace ioasim::requester {

const AtcEntry* DeviceTlb::find(std::optional<Pasid> pasid, bool privileged,
                                std::uint64_t address) {
    for (Line& line : entries_) {
        const AtcEntry& e = line.entry;
        if (e.pasid == pasid && e.privileged == privileged && e.first <= address &&
            address <= e.last) {
            line.used = ++uses_;
            return &line.entry;
        }
    }
    return nullptr;
}

std::vector<AtcEntry> DeviceTlb::fill(const AtcEntry& entry) {
    std::vector<AtcEntry> gone;
    const auto covered = [&](const Line& line) {
        const AtcEntry& e = line.entry;
        const bool same = e.pasid == entry.pasid && e.privileged == entry.privileged &&
                          e.first <= entry.last && entry.first <= e.last;
        if (same) {
            gone.push_back(e);
        }
        return same;
    };
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(), covered), entries_.end());
    if (entries_.size() == capacity_) {
        const auto oldest =
            std::min_element(entries_.begin(), entries_.end(),
                             [](const Line& a, const Line& b) { return a.used < b.used; });
        gone.push_back(oldest->entry);
        entries_.erase(oldest);
    }
    entries_.push_back({entry, ++uses_});
    return gone;
}

std::vector<AtcEntry> DeviceTlb::invalidate(std::optional<Pasid> pasid,
                                            const pcie::InvalidateBody& body, bool knows_global) {
    std::vector<AtcEntry> gone;
    const auto hit = [&](const Line& line) {
        const AtcEntry& e = line.entry;
        const bool covered = reaches(pasid, body, knows_global, e.pasid, e.first, e.last);
        if (covered) {
            gone.push_back(e);
        }
        return covered;
    };
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(), hit), entries_.end());
    return gone;
}

std::vector<AtcEntry> DeviceTlb::clear() {
    std::vector<AtcEntry> gone;
    for (const Line& line : entries_) {
        gone.push_back(line.entry);
    }
    entries_.clear();
    return gone;
}

}  // namespace ioasim::requester
