// The register page as storage with access rules (VT-d specification 11.2, 11.3): which bits
// software may write, which it clears by writing 1, and where 64-bit accesses are legal. What a
// write sets off is the unit's business.
#pragma once

#include <array>
#include <cstdint>

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

class RegisterFile {
public:
    explicit RegisterFile(const Capabilities& caps);

    // 32-bit accesses aligned to 4; 64-bit ones aligned to 8 and only where a 64-bit register is.
    static bool legal(std::uint32_t offset, unsigned size);

    std::uint32_t get(std::uint32_t offset) const { return words_[offset / 4]; }
    std::uint64_t get64(std::uint32_t offset) const {
        return (std::uint64_t{get(offset + 4)} << 32U) | get(offset);
    }
    // By the unit: no rules.
    void set(std::uint32_t offset, std::uint32_t value) { words_[offset / 4] = value; }
    void set64(std::uint32_t offset, std::uint64_t value) {
        set(offset, static_cast<std::uint32_t>(value));
        set(offset + 4, static_cast<std::uint32_t>(value >> 32U));
    }
    // By software: applies the writable and the write-1-to-clear bits of the word.
    void write(std::uint32_t offset, std::uint32_t value);

private:
    std::array<std::uint32_t, kRegisterBytes / 4> words_{};
};

}  // namespace ioasim::vtd
