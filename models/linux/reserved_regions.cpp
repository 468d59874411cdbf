#include "models/linux/reserved_regions.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ioasim::os {
namespace {

// `above` starts behind `below` and leaves a gap.
bool apart(const ReservedRegion& below, const ReservedRegion& above, ReservedRegions::Touch touch) {
    if (touch == ReservedRegions::Touch::IncrementsEnd) {
        return above.first > below.last + 1;
    }
    return above.first > below.last && above.first - 1 > below.last;
}

}  // namespace

const char* region_word(RegionType type) {
    switch (type) {
        case RegionType::Direct:
            return "direct";
        case RegionType::DirectRelaxable:
            return "direct-relaxable";
        case RegionType::Reserved:
            return "reserved";
        case RegionType::Msi:
        case RegionType::SoftwareMsi:
            return "msi";
    }
    return "?";
}

bool parse_region_type(const std::string& word, RegionType& out) {
    for (const RegionType type :
         {RegionType::Direct, RegionType::DirectRelaxable, RegionType::Reserved, RegionType::Msi}) {
        if (word == region_word(type)) {
            out = type;
            return true;
        }
    }
    out = RegionType::SoftwareMsi;
    return word == "software-msi";
}

void ReservedRegions::insert(const ReservedRegion& region, Touch touch) {
    const auto behind = [](const ReservedRegion& fresh, const ReservedRegion& old) {
        return fresh.first < old.first || (fresh.first == old.first && fresh.type <= old.type);
    };
    const auto place = std::find_if(list_.begin(), list_.end(),
                                    [&](const ReservedRegion& old) { return behind(region, old); });
    list_.insert(place, region);
    std::vector<ReservedRegion> merged;
    for (const ReservedRegion& next : list_) {
        const auto below = std::find_if(merged.rbegin(), merged.rend(), [&](const auto& before) {
            return before.type == next.type;
        });
        if (next.type != region.type || below == merged.rend() || apart(*below, next, touch)) {
            merged.push_back(next);
        } else {
            below->last = std::max(below->last, next.last);
        }
    }
    list_ = std::move(merged);
}

std::string ReservedRegions::text() const {
    std::string all;
    for (const ReservedRegion& region : list_) {
        all += fmt::format("{}{:#x}-{:#x} {}", all.empty() ? "" : ", ", region.first, region.last,
                           region_word(region.type));
    }
    return all;
}

bool IovaRanges::contains(const IovaRange& wanted) const {
    return std::any_of(list_.begin(), list_.end(),
                       [&wanted](const IovaRange& range) { return range.contains(wanted); });
}

void IovaRanges::clip(const IovaRange& to) {
    std::vector<IovaRange> left;
    for (const IovaRange& range : list_) {
        if (range.overlaps(to)) {
            left.push_back({std::max(range.first, to.first), std::min(range.last, to.last)});
        }
    }
    list_ = std::move(left);
}

void IovaRanges::exclude(const IovaRange& hole) {
    std::vector<IovaRange> left;
    for (const IovaRange& range : list_) {
        if (!range.overlaps(hole)) {
            left.push_back(range);
            continue;
        }
        if (range.first < hole.first) {
            left.push_back({range.first, hole.first - 1});
        }
        if (range.last > hole.last) {
            left.push_back({hole.last + 1, range.last});
        }
    }
    list_ = std::move(left);
}

std::string IovaRanges::text() const {
    std::string all;
    for (const IovaRange& range : list_) {
        all += fmt::format("{}{:#x}-{:#x}", all.empty() ? "" : ", ", range.first, range.last);
    }
    return all;
}

}  // namespace ioasim::os
