#include "models/dsa/arbiter.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace ioasim::dsa {

namespace {
// Divisible by every priority 1..15, so that shares are exact.
constexpr std::uint64_t kStride = 360360;
}  // namespace

std::uint32_t GroupArbiter::pick(const std::vector<Candidate>& candidates) {
    SIM_CHECK(!candidates.empty(), "arbiter without a candidate");
    const auto pass_of = [this](const Candidate& c) {
        return std::max(pass_[c.wq], virtual_time_);
    };
    const auto chosen = std::min_element(
        candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
            const std::uint64_t pass_a = pass_of(a);
            const std::uint64_t pass_b = pass_of(b);
            return pass_a != pass_b ? pass_a < pass_b : a.arrival < b.arrival;
        });
    virtual_time_ = pass_of(*chosen);
    pass_[chosen->wq] = virtual_time_ + kStride / std::max(1U, chosen->priority);
    return chosen->wq;
}

}  // namespace ioasim::dsa
