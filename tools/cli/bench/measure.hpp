// Host time for benchmarks: CPU time of this process, so that busy neighbours count little, and the
// best of some repetitions, since everything else only adds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace ioasim::tools {

constexpr int kRepetitions = 5;

// Nanoseconds per unit of the fastest repetition. `prepare` makes what `work(prepared)` runs and is
// not measured; `work` returns how many units it did.
template <class Prepare, class Work>
double best_ns_per_unit(Prepare prepare, Work work) {
    double best = 0;
    for (int i = 0; i < kRepetitions; ++i) {
        const auto prepared = prepare();
        const std::clock_t start = std::clock();
        const std::uint64_t units = work(*prepared);
        const auto ticks = static_cast<double>(std::clock() - start);
        const double each = ticks * 1e9 / CLOCKS_PER_SEC / static_cast<double>(units);
        best = i == 0 ? each : std::min(best, each);
    }
    return best;
}

}  // namespace ioasim::tools
