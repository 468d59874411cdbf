// What operations compute from the data that passes: CRC-32C, protection information of blocks
// (T10 DIF), delta records. Plain C++ without addresses; Operation moves the bytes.
//
// CRC: polynomial 11EDC6F41h (RFC 3720, 12.1). DIF: guard with polynomial 18BB7h (SBC-3, 4.22).
// DSA Architecture Specification: CRC, DIF and delta operations; the bits of the DIF flags are
// those of Intel's Data Mover Library. Left out: DIX.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/dsa/dsa_descriptor_layout.hpp"

namespace ioasim::dsa {

constexpr std::uint32_t kCrcBytes = 4;

class Crc32c {
public:
    // `flags` of the descriptor: without bypass, seed and result are those of the common CRC-32C,
    // so that a result is the seed of what follows.
    void start(std::uint32_t seed, std::uint32_t flags);
    void add(const std::vector<std::uint8_t>& bytes);
    std::uint32_t value() const;

private:
    std::uint32_t state_ = 0;
    bool plain_ = false;       // seed and result neither inverted nor reflected
    bool plain_data_ = false;  // bytes not reflected
};

// One of check, insert, strip, update over blocks of data with 8-byte tuples behind them. Bytes
// come in any portions; a block's output appears when the block has been checked.
class DifStream {
public:
    void begin(const Descriptor& descriptor);
    // False: a block is wrong; nothing of it was output and nothing more may come.
    bool take(const std::vector<std::uint8_t>& in, std::vector<std::uint8_t>& out);
    // DIF status of the wrong block.
    std::uint8_t status() const { return status_; }
    // Bytes of the source in blocks that were right.
    std::uint32_t good_bytes() const { return good_; }
    // Bytes 16 to 31 of the completion record: the tags of the block behind so many.
    std::array<std::uint64_t, 2> tags(std::uint32_t blocks) const;

    static std::uint32_t data_bytes(const Descriptor& descriptor);
    // Bytes of a block in the source, and in the destination (0: none is written).
    static std::uint32_t source_block(const Descriptor& descriptor);
    static std::uint32_t destination_block(const Descriptor& descriptor);

private:
    struct Tags {
        std::uint8_t flags = 0;
        std::uint32_t reference = 0;
        std::uint16_t mask = 0;  // bits of the application tag that do not count
        std::uint16_t application = 0;
        void move_on(std::uint32_t blocks);
        std::uint64_t packed() const;
    };
    using Tuple = std::array<std::uint8_t, dif::kTupleBytes>;
    static Tags read_tags(const Descriptor& descriptor, std::size_t flags, std::size_t offset);
    std::uint8_t check(const Tuple& tuple, std::uint16_t guard) const;
    Tuple make(const Tuple& source, std::uint16_t guard) const;
    bool end_block(std::vector<std::uint8_t>& out);

    Opcode op_ = Opcode::DifCheck;
    std::uint8_t flags_ = 0;
    Tags first_source_, first_destination_;  // of the first block
    Tags source_, destination_;              // of the present one
    std::uint32_t data_bytes_ = 0;
    std::uint32_t block_ = 0;  // of the source
    std::uint32_t at_ = 0;     // in the block
    std::uint16_t guard_ = 0;
    Tuple tuple_{};
    std::vector<std::uint8_t> output_;  // of the block
    std::uint32_t good_ = 0;
    std::uint8_t status_ = 0;
};

// An entry of a delta record: which quadword of the region, and its new value.
constexpr std::uint32_t kDeltaEntryBytes = 10;
constexpr std::uint32_t kDeltaUnit = 8;
constexpr std::uint32_t kMaxDeltaRegion = 0x10000 * kDeltaUnit;
constexpr std::uint32_t kMinDeltaRecord = 80;

}  // namespace ioasim::dsa
