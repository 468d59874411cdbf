// The register page as storage with access rules (VT-d specification 11.2, 11.3): which bits
// software may write, which it clears by writing 1, and where 64-bit accesses are legal. A register
// of a capability that the unit lacks reads 0 and ignores writes. What a write sets off is the
// unit's business.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

class RegisterFile {
public:
    explicit RegisterFile(const Capabilities& caps);

    // 32-bit accesses aligned to 4; 64-bit ones aligned to 8 and only where a 64-bit register is.
    bool legal(std::uint32_t offset, unsigned size) const;

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
    struct Rule {
        std::uint32_t offset;
        unsigned bytes;
        std::uint64_t writable;
        std::uint64_t clear_on_one;
    };
    void add(std::uint32_t offset, unsigned bytes, std::uint64_t writable = 0,
             std::uint64_t clear_on_one = 0) {
        rules_.push_back({offset, bytes, writable, clear_on_one});
    }
    void add_event(const Capabilities& caps, bool present, std::uint32_t control);
    void add_queue(const Capabilities& caps);
    void add_page_queue(const Capabilities& caps);
    const Rule* rule_at(std::uint32_t offset) const;

    std::array<std::uint32_t, kRegisterBytes / 4> words_{};
    std::vector<Rule> rules_;
    std::uint32_t records_begin_ = 0;
    std::uint32_t records_end_ = 0;
};

}  // namespace ioasim::vtd
