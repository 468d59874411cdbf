// Figures of measurements in the units of their metrics. Not a number: the measurement has none.
#pragma once

#include "models/platform/experiment.hpp"

namespace ioasim::tools {

double rate_mops(const platform::Measurement& m);
double throughput_gbps(const platform::Measurement& m);
double latency_ns(const platform::Measurement& m, const platform::Experiment& e);

}  // namespace ioasim::tools
