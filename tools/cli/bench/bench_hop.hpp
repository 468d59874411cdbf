// `bench hop`: one message hop (link, inbox, advance of the module, link again) beside a bare event
// of the kernel.
#pragma once

namespace ioasim::tools {

int bench_hop(bool strict);

}  // namespace ioasim::tools
