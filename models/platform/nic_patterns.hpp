// The patterns with a discrete function, for the table in experiment_patterns.cpp: a test requester
// on its own link makes traffic, software sets it up and reads its registers.
#pragma once

#include "models/platform/experiment_patterns.hpp"

namespace ioasim::platform {

PlatformConfig nic_platform(const Experiment& experiment);

// Page-table reads that a block of a stream can cost: a walk through all levels, and one more for
// each further page.
std::uint64_t most_walk_reads(std::uint64_t block_bytes);
// What the function takes as one request.
std::uint64_t most_block_bytes();

// Reads at random places of a window, timed one by one or as many as the function can.
void run_dma_read(Harness& harness);
// Blocks one after another; page-table reads of each by the choice of addresses.
void run_dma_stream(Harness& harness);

// Where the blocks of a stream lie, so that each costs so many page-table reads (in thousandths, on
// average) when paging-structure caches have an entry for each level and walker, and the IOTLB has
// none of them.
struct StreamAddresses {
    unsigned levels = 4;
    std::vector<std::uint64_t> blocks;
    std::vector<std::uint64_t> regions;  // of 2 MiB, mapped with small pages
};
// Empty: no tables can cost that much.
StreamAddresses stream_addresses(std::uint64_t reads_milli, std::uint64_t block_bytes,
                                 std::uint64_t walkers);

}  // namespace ioasim::platform
