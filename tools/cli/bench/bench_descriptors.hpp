// `bench descriptors`: host time of a 64-byte copy through ENQCMD, a shared workqueue, nested
// translation and a warm device TLB, tracing off, checkers on; alone, and with many processes and
// devices. What runs is scenarios/bench/descriptors.json.
#pragma once

namespace ioasim::tools {

int bench_descriptors(bool strict);

}  // namespace ioasim::tools
