// `ioasim bench NAME [--strict]`: host time of parts of the simulator. Ratios within a run are
// always judged; absolute figures are printed, and judged only with --strict, since they are a
// machine's.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

// The names with what they measure, a line each.
std::string bench_names();

// 0: within the budget, 1: not, 2: usage, 128 + its number: a signal came. Results go to stdout,
// one figure a line.
int run_bench(const std::vector<std::string>& args);

}  // namespace ioasim::tools
