// `bench hop`: one message hop (link, inbox, advance of the module, link again) beside a bare event
// of the kernel.
#pragma once

namespace ioasim::tools {

int bench_hop(bool strict);

// Nanoseconds of one hop in a ring with so many messages.
double hop_ns(unsigned in_flight);

}  // namespace ioasim::tools
