// A traffic generator inside the test requester: blocks of reads or writes one after another, many
// under way, as device benchmarks do (pcie-bench, SIGCOMM'18). Plain data and arithmetic; the core
// makes the requests (requester_traffic.cpp).
//
// Blocks lie in a window: in order, at random (a generator of 64 bits, seeded by software), or at
// the addresses of a list in the data window, again and again. A block is timed from when it begins
// to when its last byte is there, or has left. Latencies of the last blocks are kept in a journal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/time.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::requester {

// What the registers said when the traffic began.
struct TrafficPlan {
    std::uint64_t base = 0;
    std::uint64_t window = 0;
    std::uint32_t block = 0;
    std::uint64_t blocks = 0;   // with those that are not counted
    std::uint64_t ignored = 0;  // the first ones: not counted
    std::uint32_t outstanding = 1;
    bool write = false;
    bool engine = false;
    traffic::Order order = traffic::Order::Sequential;
    std::uint64_t seed = 0;
    std::uint32_t listed = 0;

    bool valid() const {
        const bool list = order == traffic::Order::List;
        return block >= 1 && block <= kMaxLength && blocks != 0 &&
               (list ? listed >= 1 && listed <= kMaxLength / 8 : window >= block);
    }
};

// SplitMix64 (Steele, Lea, Flood, OOPSLA'14): every seed does.
class TrafficRandom {
public:
    explicit TrafficRandom(std::uint64_t seed = 0) : state_(seed) {}
    std::uint64_t below(std::uint64_t bound) {
        std::uint64_t z = state_ += 0x9E37'79B9'7F4A'7C15ULL;
        z = (z ^ (z >> 30U)) * 0xBF58'476D'1CE4'E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D0'49BB'1331'11EBULL;
        return (z ^ (z >> 31U)) % bound;
    }

private:
    std::uint64_t state_;
};

struct TrafficBlock {
    bool taken = false;
    std::uint64_t number = 0;
    std::uint64_t address = 0;
    std::uint32_t issued = 0;
    std::uint32_t under_way = 0;  // bytes that are asked for and have not come
    TimePs begun;
};

// What registers tell of it.
struct TrafficCount {
    std::uint64_t ended = 0;
    std::uint64_t failed = 0;
    std::uint64_t counted = 0;
    TimePs since;  // when counting began
    TimePs until;  // when the last counted block ended
    TimePs sum;
    TimePs shortest;
    TimePs longest;

    void count(TimePs now, TimePs latency) {
        shortest = counted == 0 ? latency : std::min(shortest, latency);
        longest = std::max(longest, latency);
        sum += latency;
        until = now;
        ++counted;
    }
};

}  // namespace ioasim::requester
