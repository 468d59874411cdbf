#include "core/base/random.hpp"

#include "core/base/check.hpp"

namespace ioasim {

std::uint64_t stable_hash(std::string_view text, std::uint64_t start) {
    std::uint64_t hash = start;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001B3ULL;
    }
    return hash;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view component, std::string_view purpose)
    : state_(stable_hash(purpose, stable_hash("/", stable_hash(component)) ^ seed)) {}

std::uint64_t RandomStream::next() {
    // SplitMix64 (Steele, Lea, Flood 2014): full period, passes BigCrush, one word of state.
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
    SIM_CHECK(bound > 0, "a random draw needs at least one value");
    const std::uint64_t biased = (~bound + 1) % bound;  // 2^64 mod bound
    std::uint64_t value = next();
    while (value < biased) {
        value = next();
    }
    return value % bound;
}

std::uint64_t RandomStream::between(std::uint64_t low, std::uint64_t high) {
    SIM_CHECK(low <= high, "random range {}..{} is empty", low, high);
    const std::uint64_t span = high - low;
    return span == ~std::uint64_t{0} ? next() : low + below(span + 1);
}

bool RandomStream::chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
}

}  // namespace ioasim
