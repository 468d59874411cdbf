// Addresses of streams: reads of page tables a block.
#include <doctest/doctest.h>

#include "models/platform/nic_patterns.hpp"

using namespace ioasim;

TEST_CASE("stream addresses: reads of page tables a block, by what an entry of each level keeps") {
    for (const std::uint64_t walkers : {1, 2, 5}) {
        for (const std::uint64_t milli : {1000, 1760, 2500, 4360, 5000}) {
            CAPTURE(milli);
            const platform::StreamAddresses s = platform::stream_addresses(milli, 4096, walkers);
            REQUIRE(s.blocks.size() == 1000);
            std::uint64_t reads = 0;
            for (std::size_t i = walkers; i < s.blocks.size(); ++i) {
                // A walker has its own entry of each level: of the block before in its turn.
                const std::uint64_t before = s.blocks[i - walkers];
                std::uint64_t own = 1;
                for (unsigned level = 2; level <= s.levels; ++level) {
                    const unsigned shift = 12 + 9 * (level - 1);
                    own = s.blocks[i] >> shift == before >> shift ? own : level;
                }
                reads += own;
            }
            CHECK(reads == doctest::Approx(static_cast<double>(milli)).epsilon(0.01));
        }
    }
    CHECK(platform::stream_addresses(5001, 4096, 1).blocks.empty());
}
