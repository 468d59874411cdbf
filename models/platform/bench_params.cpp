#include "models/platform/bench_params.hpp"

namespace ioasim::platform {

const ParamTable<BenchParams>& bench_param_table() {
    static const ParamTable<BenchParams> table = [] {
        ParamTable<BenchParams> t{"software"};
        t.timing("dma_api.map", &BenchParams::dma_map,
                 "mapping and preparing a descriptor through the DMA API");
        t.timing("dma_api.unmap", &BenchParams::dma_unmap,
                 "what the DMA API does after a completion");
        t.timing("sleep_poll.sleep", &BenchParams::sleep,
                 "how long a kernel thread sleeps before it looks at the record, beside going to "
                 "sleep and waking up");
        t.timing("crc.line", &BenchParams::crc_line,
                 "a core's checksum over 64 bytes in its caches");
        t.timing("compare.line", &BenchParams::compare_line,
                 "a core's comparison of 64 bytes in its caches");
        return t;
    }();
    return table;
}

}  // namespace ioasim::platform
