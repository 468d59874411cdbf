// Addresses of streams: reads of page tables a block.
#include <doctest/doctest.h>

#include "models/platform/nic_patterns.hpp"

using namespace ioasim;

TEST_CASE("stream addresses: reads of page tables a block, by what an entry of each level keeps") {
    for (const std::uint64_t milli : {1000, 1760, 2500, 4360, 5000}) {
        const platform::StreamAddresses s = platform::stream_addresses(milli, 4096, 1);
        REQUIRE(s.blocks.size() == 1000);
        std::uint64_t reads = 0;
        for (std::size_t i = 1; i < s.blocks.size(); ++i) {
            std::uint64_t own = 1;
            for (unsigned level = 2; level <= s.levels; ++level) {
                const unsigned shift = 12 + 9 * (level - 1);
                own = s.blocks[i] >> shift == s.blocks[i - 1] >> shift ? own : level;
            }
            reads += own;
        }
        CHECK(reads == doctest::Approx(static_cast<double>(milli)).epsilon(0.005));
    }
    CHECK(platform::stream_addresses(5001, 4096, 1).blocks.empty());
}
