// `bench vtd`: a read of a device through the remapping unit, by an IOTLB hit and by a cold nested
// walk, beside as many message hops and as many bare events of the kernel.
#pragma once

namespace ioasim::tools {

int bench_vtd(bool strict);

}  // namespace ioasim::tools
