// What a trace costs: a run with one of each format beside the same run without.
#pragma once

namespace ioasim::tools {

int bench_traces(bool strict);

}  // namespace ioasim::tools
