// Costs of experiments' software that no model under it has (owner "software").
#pragma once

#include "core/base/params.hpp"
#include "core/base/time.hpp"

namespace ioasim::platform {

struct BenchParams {
    std::uint64_t core_clock = 0;  // MHz at which the costs of cores and software are given
    TimePs dma_map;                // before a submission through the DMA API
    TimePs dma_unmap;              // after its completion
    TimePs sleep;                  // of a kernel thread that sleeps, then polls
    TimePs crc_line;               // a core's checksum of a line
    TimePs compare_line;           // a core's comparison of two lines
    // Faults of processors and devices.
    TimePs exception;   // into the kernel and back
    TimePs page_cache;  // a page that is there: finding and mapping it
    TimePs anonymous;   // a page that has to be made
    TimePs storage;     // a page that has to be read
    // Primitives.
    TimePs pipe;  // a byte into or out of a pipe
    // Exits of a guest's guest.
    TimePs nested_exit;    // the hypervisor at the bottom hands an exit to the one above
    TimePs nested_resume;  // and makes the state that its VMRESUME enters
    std::uint64_t nested_kernel_exits = 0;  // that the upper one's handling costs beside
    std::uint64_t nested_user_exits = 0;    // and its way to user space and back
};

const ParamTable<BenchParams>& bench_param_table();

}  // namespace ioasim::platform
