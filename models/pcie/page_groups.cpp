#include "models/pcie/page_groups_if.hpp"

#include <algorithm>

namespace ioasim::pcie {

std::optional<std::uint16_t> PageRequestGroups::open(std::optional<Pasid> pasid,
                                                     std::uint32_t requests) {
    if (groups_.size() == kPageGroupCount) {
        return std::nullopt;
    }
    const auto used = [this](std::uint16_t index) {
        return std::any_of(groups_.begin(), groups_.end(),
                           [index](const Group& g) { return g.index == index; });
    };
    while (used(next_)) {
        next_ = static_cast<std::uint16_t>((next_ + 1U) % kPageGroupCount);
    }
    const std::uint16_t index = next_;
    next_ = static_cast<std::uint16_t>((next_ + 1U) % kPageGroupCount);
    groups_.push_back({index, pasid, requests, false});
    requests_ += requests;
    return index;
}

PageRequestGroups::Match PageRequestGroups::answer(std::uint16_t group,
                                                   std::optional<Pasid> pasid) {
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) {
        return g.index == group && g.pasid == pasid;
    });
    if (found == groups_.end()) {
        return Match::Unexpected;
    }
    const bool abandoned = found->abandoned;
    requests_ -= found->requests;
    groups_.erase(found);
    return abandoned ? Match::Abandoned : Match::Waited;
}

void PageRequestGroups::abandon(std::optional<Pasid> pasid) {
    for (Group& group : groups_) {
        group.abandoned = group.abandoned || group.pasid == pasid;
    }
}

bool PageRequestGroups::waits(std::optional<Pasid> pasid) const {
    return std::any_of(groups_.begin(), groups_.end(),
                       [&](const Group& g) { return g.pasid == pasid && !g.abandoned; });
}

void PageRequestGroups::forget_all() {
    groups_.clear();
    requests_ = 0;
}

}  // namespace ioasim::pcie
