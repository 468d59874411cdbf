#include "models/dsa/arbiter.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace ioasim::dsa {

const GroupArbiter::Candidate* GroupArbiter::next(const std::vector<Candidate>& candidates) const {
    const Candidate* first = nullptr;
    for (const Candidate& c : candidates) {
        const bool left = used_[c.wq] < c.priority;
        if (left && c.wq >= turn_) {
            return &c;
        }
        if (left && first == nullptr) {
            first = &c;
        }
    }
    return first;
}

std::uint32_t GroupArbiter::pick(const std::vector<Candidate>& candidates) {
    SIM_CHECK(!candidates.empty(), "arbiter without a candidate");
    const Candidate* chosen = next(candidates);
    if (chosen == nullptr) {
        std::fill(used_.begin(), used_.end(), 0);
        chosen = next(candidates);
        SIM_CHECK(chosen != nullptr, "workqueue {} has no priority", candidates.front().wq);
    }
    ++used_[chosen->wq];
    turn_ = chosen->wq + 1;
    return chosen->wq;
}

}  // namespace ioasim::dsa
