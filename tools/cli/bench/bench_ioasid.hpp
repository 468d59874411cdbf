// `bench ioasid`: the IOASID core's logic in zero time beside the original V4 code, as the number
// of IDs and sets grows.
#pragma once

namespace ioasim::tools {

int bench_ioasid(bool strict);

}  // namespace ioasim::tools
