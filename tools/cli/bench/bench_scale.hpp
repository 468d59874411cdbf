// `ioasim bench scale`: host time and memory of many virtual machines with many IDs each.
#pragma once

namespace ioasim::tools {

int bench_scale(bool strict);

}  // namespace ioasim::tools
