// Little-endian fields in byte images, as registers and structures in memory have them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ioasim {

template <std::size_t N>
constexpr std::uint64_t get_le(const std::array<std::uint8_t, N>& bytes, std::size_t offset,
                               std::size_t size) {
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < size; ++i) {
        v |= std::uint64_t{bytes[offset + i]} << (8 * i);
    }
    return v;
}
template <std::size_t N>
constexpr void put_le(std::array<std::uint8_t, N>& bytes, std::size_t offset, std::size_t size,
                      std::uint64_t value) {
    for (std::size_t i = 0; i < size; ++i) {
        bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

}  // namespace ioasim
