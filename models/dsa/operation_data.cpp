// What each operation does with a chunk of its data.
#include <algorithm>
#include <utility>

#include "models/dsa/operation.hpp"

namespace ioasim::dsa {

void Operation::consume(Chunk& chunk) {
    const Descriptor& d = work_.descriptor;
    switch (opcode()) {
        case Opcode::CopyCrc:  // its CRC is that of what has been written
        case Opcode::Memmove:
            push(Field::Destination, d.destination + chunk.offset, std::move(chunk.data[0]),
                 chunk.length, true);
            return;
        case Opcode::CrcGenerate:
            crc_.add(chunk.data[0]);
            done_ += chunk.length;
            return;
        case Opcode::Dualcast:
            dualcast(chunk);
            return;
        case Opcode::Compare:
        case Opcode::ComparePattern:
            compare(chunk);
            return;
        case Opcode::CreateDelta:
            create_delta(chunk);
            return;
        case Opcode::ApplyDelta:
            apply_delta(chunk);
            return;
        case Opcode::DifCheck:
        case Opcode::DifInsert:
        case Opcode::DifStrip:
        case Opcode::DifUpdate:
            dif(chunk);
            return;
        default:  // a cache flush: that the page may be read is all there is to know
            done_ += chunk.length;
    }
}

void Operation::compare(const Chunk& chunk) {
    const Descriptor& d = work_.descriptor;
    const bool pattern = opcode() == Opcode::ComparePattern;
    std::uint32_t same = 0;
    while (same < chunk.length) {
        const std::uint8_t wanted =
            pattern ? static_cast<std::uint8_t>(d.destination >> (8 * ((chunk.offset + same) % 8)))
                    : chunk.data[1][same];
        if (chunk.data[0][same] != wanted) {
            break;
        }
        ++same;
    }
    done_ += same;
    if (same < chunk.length) {
        record_.result = 1;
        stop_ = true;
    }
}

void Operation::dualcast(const Chunk& chunk) {
    // Both destinations have the same offset in their pages: pieces go out in pairs.
    const std::uint64_t first = work_.descriptor.destination + chunk.offset;
    const std::uint64_t second = specific(specific::kDestination2, 8) + chunk.offset;
    std::uint32_t at = 0;
    while (at < chunk.length) {
        const std::uint32_t length = std::min(chunk.length - at, bytes_to_page_end(first + at));
        const auto from = chunk.data[0].begin() + static_cast<std::ptrdiff_t>(at);
        const std::vector<std::uint8_t> piece(from, from + length);
        push(Field::Destination, first + at, piece, second_left_out_ ? length : 0, false);
        if (!second_left_out_) {
            writes_.back().paired = true;
            push(Field::Third, second + at, piece, length, false);
        }
        at += length;
    }
}

void Operation::create_delta(const Chunk& chunk) {
    std::vector<std::uint8_t> entries;
    const auto limit = static_cast<std::uint32_t>(specific(specific::kMaxDeltaSize, 4));
    std::uint32_t at = 0;
    while (at < chunk.length && !stop_) {
        const auto old = chunk.data[0].begin() + static_cast<std::ptrdiff_t>(at);
        const auto changed = chunk.data[1].begin() + static_cast<std::ptrdiff_t>(at);
        if (!std::equal(changed, changed + kDeltaUnit, old)) {
            const auto created = static_cast<std::uint32_t>(delta_bytes_ + entries.size());
            if (created + kDeltaEntryBytes > limit) {
                record_.result = 2;
                stop_ = true;
                break;
            }
            const std::uint32_t unit = (chunk.offset + at) / kDeltaUnit;
            record_.result = 1;
            entries.push_back(static_cast<std::uint8_t>(unit));
            entries.push_back(static_cast<std::uint8_t>(unit >> 8U));
            entries.insert(entries.end(), changed, changed + kDeltaUnit);
        }
        at += kDeltaUnit;
    }
    if (entries.empty()) {
        done_ += at;
        return;
    }
    const std::uint64_t to = specific(specific::kDeltaAddress, 8) + delta_bytes_;
    const auto bytes = static_cast<std::uint32_t>(entries.size());
    delta_bytes_ += bytes;
    push(Field::Third, to, std::move(entries), at, false);
    writes_.back().delta = bytes;
}

void Operation::apply_delta(const Chunk& chunk) {
    const Descriptor& d = work_.descriptor;
    carry_.insert(carry_.end(), chunk.data[0].begin(), chunk.data[0].end());
    std::size_t at = 0;
    while (carry_.size() - at >= kDeltaEntryBytes) {
        const auto entry = carry_.begin() + static_cast<std::ptrdiff_t>(at);
        const std::uint32_t unit = entry[0] | (std::uint32_t{entry[1]} << 8U);
        const bool behind = last_offset_ && unit <= *last_offset_;
        if (behind || unit * kDeltaUnit >= d.size) {
            record_.status = behind ? Status::DeltaNotIncreasing : Status::DeltaBeyondSize;
            stop_ = true;
            break;
        }
        last_offset_ = unit;
        push(Field::Destination, d.destination + std::uint64_t{unit} * kDeltaUnit,
             {entry + 2, entry + kDeltaEntryBytes}, kDeltaEntryBytes, false);
        at += kDeltaEntryBytes;
    }
    carry_.erase(carry_.begin(), carry_.begin() + static_cast<std::ptrdiff_t>(at));
}

void Operation::dif(const Chunk& chunk) {
    std::vector<std::uint8_t> out;
    const Descriptor& d = work_.descriptor;
    const std::uint32_t from = DifStream::source_block(d);
    const std::uint32_t to = DifStream::destination_block(d);
    const std::uint32_t before = dif_.good_bytes() / from;
    if (!dif_.take(chunk.data[0], out)) {
        record_.status = Status::DifError;
        record_.result = dif_.status();
        stop_ = true;
    }
    // Bytes completed are whole blocks, of which all has been written.
    const std::uint32_t blocks = dif_.good_bytes() / from - before;
    if (to == 0) {
        done_ += blocks * from;
        return;
    }
    for (std::uint32_t i = 0; i < blocks; ++i) {
        const auto block = out.begin() + static_cast<std::ptrdiff_t>(std::size_t{i} * to);
        push(Field::Destination, d.destination + std::uint64_t{before + i} * to,
             {block, block + to}, from, false);
    }
}

}  // namespace ioasim::dsa
