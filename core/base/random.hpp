// Named random streams: a draw depends on (seed, component, purpose) and on how often that stream
// was asked, never on what other components do. Integers only, own generator, so that every host
// draws the same numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace ioasim {

class RandomStream {
public:
    RandomStream(std::uint64_t seed, std::string_view component, std::string_view purpose);

    std::uint64_t next();
    // Uniform in [0, bound); bound > 0. Unbiased by rejection.
    std::uint64_t below(std::uint64_t bound);
    // Uniform in [low, high], low <= high.
    std::uint64_t between(std::uint64_t low, std::uint64_t high);
    // True with probability numerator / denominator.
    bool chance(std::uint64_t numerator, std::uint64_t denominator);

private:
    std::uint64_t state_;
};

// 64-bit FNV-1a; stable across hosts and builds, used for stream seeds and configuration hashes.
std::uint64_t stable_hash(std::string_view text, std::uint64_t start = 0xCBF29CE484222325ULL);

}  // namespace ioasim
