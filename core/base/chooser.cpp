#include "core/base/chooser.hpp"

#include <fmt/format.h>

namespace ioasim {

std::size_t ReplayChooser::recorded(std::string_view what, std::size_t count) {
    const std::uint64_t number = next_++;
    if (!wrong_.empty() || done_ == deviations_.size() || deviations_[done_].at != number) {
        return 0;
    }
    const Deviation& wanted = deviations_[done_];
    if (wanted.what != what || wanted.pick >= count) {
        wrong_ = fmt::format("choice {} is {} of {} here, not pick {} of {}", number, what, count,
                             wanted.pick, wanted.what);
        return 0;
    }
    ++done_;
    return wanted.pick;
}

std::string ReplayChooser::mismatch() const {
    if (!wrong_.empty() || done_ == deviations_.size()) {
        return wrong_;
    }
    return fmt::format("the run has {} choices, and none with number {}", next_,
                       deviations_[done_].at);
}

}  // namespace ioasim
