// Which of several messages a module sees first, where that is left open: those that come by
// different links within a window. One that is served before its time had a link that was so much
// faster. What a message caused can never come before it: only messages that were under way before
// the first of them arrived take part, and those of one link keep their order.
#pragma once

#include <memory>

#include "core/base/chooser.hpp"

namespace ioasim::sim {

class ArrivalOrder {
public:
    ArrivalOrder(const std::unique_ptr<Chooser>& chooser, TimePs window)
        : chooser_(chooser), window_(window) {}
    TimePs window() const { return window_; }
    std::size_t choose(std::size_t count) const {
        return chooser_->choose({"link.arrival", count});
    }

private:
    const std::unique_ptr<Chooser>& chooser_;  // a run may still be given another
    TimePs window_;
};

}  // namespace ioasim::sim
