// What of a run goes into its traces: scope, window, length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::traces {

// What of a run goes into a trace.
struct TraceSelection {
    // Globs (* and ?) over event names and components ("vtd.*", "vm1", "dsa0/wq0"; a component
    // takes along what is below it). Empty: everything.
    std::vector<std::string> scopes;
    // The window: from the one to the other, both inclusive. What began before it is shown as it
    // stands when the window opens.
    TimePs from;
    TimePs to = TimePs::max();
    // Only so many events before the end; they are kept in memory until then. 0: all.
    std::uint64_t last = 0;
    // No file becomes larger: it ends, whole, where the next event does not fit.
    std::uint64_t limit = ~std::uint64_t{0};

    bool everything() const {
        return scopes.empty() && from == TimePs{} && to == TimePs::max() && last == 0;
    }
};

}  // namespace ioasim::traces
