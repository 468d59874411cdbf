// Bit fields of registers and table entries, named as the specifications name them: [high:low].
#pragma once

#include <cstdint>

namespace ioasim {

constexpr std::uint64_t bit_mask(unsigned high, unsigned low) {
    return (~std::uint64_t{0} >> (63 - high)) & (~std::uint64_t{0} << low);
}

constexpr std::uint64_t get_bits(std::uint64_t value, unsigned high, unsigned low) {
    return (value & bit_mask(high, low)) >> low;
}

constexpr bool get_bit(std::uint64_t value, unsigned bit) {
    return ((value >> bit) & 1U) != 0;
}

constexpr std::uint64_t set_bits(std::uint64_t value, unsigned high, unsigned low,
                                 std::uint64_t field) {
    return (value & ~bit_mask(high, low)) | ((field << low) & bit_mask(high, low));
}

constexpr std::uint64_t set_bit(std::uint64_t value, unsigned bit, bool on = true) {
    return set_bits(value, bit, bit, on ? 1 : 0);
}

}  // namespace ioasim
