#include "models/platform/bench_params.hpp"

namespace ioasim::platform {

const ParamTable<BenchParams>& bench_param_table() {
    static const ParamTable<BenchParams> table = [] {
        ParamTable<BenchParams> t{"software"};
        t.time("dma_api.map", &BenchParams::dma_map, 0_ps, 1_ms, 44_ns,
               "mapping and preparing a descriptor through the DMA API",
               "half of the 88 ns that the API adds to a 4-KiB copy (DSA-2LM, USENIX ATC 2025)");
        t.time("dma_api.unmap", &BenchParams::dma_unmap, 0_ps, 1_ms, 44_ns,
               "what the DMA API does after a completion",
               "half of the 88 ns that the API adds to a 4-KiB copy (DSA-2LM, USENIX ATC 2025)");
        t.time("sleep_poll.sleep", &BenchParams::sleep, 0_ps, 1_ms, 1_us,
               "how long a kernel thread sleeps before it looks at the record, beside going to "
               "sleep and waking up",
               "derived: 6 us for a 4-KiB checksum by sleeping and polling (Para-ksm, USENIX ATC "
               "2025)");
        t.time("crc.line", &BenchParams::crc_line, 0_ps, 1_us, 20_ns,
               "a core's checksum over 64 bytes in its caches",
               "derived: offload takes 6 us and 2.7 times as long as a core (Para-ksm, USENIX ATC "
               "2025)");
        t.time("compare.line", &BenchParams::compare_line, 0_ps, 1_us, 4_ns,
               "a core's comparison of 64 bytes in its caches",
               "modelling choice: two loads of 32 bytes from each side");
        return t;
    }();
    return table;
}

}  // namespace ioasim::platform
