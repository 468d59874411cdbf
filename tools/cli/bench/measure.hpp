// Host time for benchmarks: CPU time of this process, so that busy neighbours count little.
// Repetitions give the best, since everything else only adds, or the median, where figures are
// compared with medians.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <vector>

#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

constexpr int kRepetitions = 5;

// A signal came: what would be measured from here on is not. Thrown by every measurement.
struct Interrupted {
    int signal;
};

// Nanoseconds per unit of one run of `work`, which returns how many units it did.
template <class Work>
double ns_per_unit(Work&& work) {
    const std::clock_t start = std::clock();
    const std::uint64_t units = work();
    const auto ticks = static_cast<double>(std::clock() - start);
    if (signal_seen() != 0) {
        throw Interrupted{signal_seen()};
    }
    return ticks * 1e9 / CLOCKS_PER_SEC / static_cast<double>(units);
}

// Of the fastest repetition. `prepare` makes what `work(prepared)` runs and is not measured.
template <class Prepare, class Work>
double best_ns_per_unit(Prepare prepare, Work work) {
    double best = 0;
    for (int i = 0; i < kRepetitions; ++i) {
        const auto prepared = prepare();
        const double each = ns_per_unit([&] { return work(*prepared); });
        best = i == 0 ? each : std::min(best, each);
    }
    return best;
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Of the median repetition of something that can simply be done again.
template <class Work>
double median_ns_per_unit(Work work) {
    std::vector<double> all;
    for (int i = 0; i < kRepetitions; ++i) {
        all.push_back(ns_per_unit(work));
    }
    return median(all);
}

}  // namespace ioasim::tools
