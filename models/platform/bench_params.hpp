// Costs of experiments' software that no model under it has (owner "software").
#pragma once

#include "core/base/params.hpp"
#include "core/base/time.hpp"

namespace ioasim::platform {

struct BenchParams {
    TimePs dma_map;       // before a submission through the DMA API
    TimePs dma_unmap;     // after its completion
    TimePs sleep;         // of a kernel thread that sleeps, then polls
    TimePs crc_line;      // a core's checksum of a line
    TimePs compare_line;  // a core's comparison of two lines
};

const ParamTable<BenchParams>& bench_param_table();

}  // namespace ioasim::platform
