#include "tools/cli/points/figures.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace ioasim::tools {
namespace {

double nothing() {
    return std::numeric_limits<double>::quiet_NaN();
}
double ns(TimePs time) {
    return static_cast<double>(time.ps()) / 1e3;
}

}  // namespace

double rate_mops(const platform::Measurement& m) {
    return m.elapsed == TimePs{} ? nothing()
                                 : static_cast<double>(m.operations) * 1e3 / ns(m.elapsed);
}

double throughput_gbps(const platform::Measurement& m) {
    return m.elapsed == TimePs{} ? nothing() : static_cast<double>(m.bytes) / ns(m.elapsed);
}

double latency_ns(const platform::Measurement& m, const platform::Experiment& e) {
    if (m.samples.empty()) {
        return nothing();
    }
    std::vector<double> sorted;
    for (const TimePs sample : m.samples) {
        sorted.push_back(ns(sample));
    }
    double value = sorted.back();
    if (e.stat == platform::StatOf::Mean) {
        value = 0;
        for (const double sample : sorted) {
            value += sample / static_cast<double>(sorted.size());
        }
    } else if (e.stat != platform::StatOf::Single) {
        std::sort(sorted.begin(), sorted.end());
        const std::size_t n = sorted.size();
        value = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    }
    const std::uint64_t members =
        e.normalize == platform::NormalizeBy::PerDescriptor ? std::max(e.batch_size, 1U) : 1;
    return value / static_cast<double>(members);
}

}  // namespace ioasim::tools
