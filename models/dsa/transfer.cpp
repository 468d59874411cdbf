#include "models/dsa/transfer.hpp"

#include <algorithm>

namespace ioasim::dsa {

namespace {

constexpr std::uint32_t kCrcPolynomial = 0x1EDC6F41;
constexpr std::uint16_t kGuardPolynomial = 0x8BB7;

constexpr std::uint32_t reflect32(std::uint32_t v) {
    std::uint32_t out = 0;
    for (unsigned i = 0; i < 32; ++i) {
        out |= ((v >> i) & 1U) << (31 - i);
    }
    return out;
}
constexpr std::uint8_t reflect8(std::uint8_t v) {
    return static_cast<std::uint8_t>(reflect32(v) >> 24U);
}

std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t v = i << 24U;
        for (unsigned bit = 0; bit < 8; ++bit) {
            v = (v & 0x80000000U) != 0 ? (v << 1U) ^ kCrcPolynomial : v << 1U;
        }
        table[i] = v;
    }
    return table;
}

std::array<std::uint16_t, 256> make_guard_table() {
    std::array<std::uint16_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t v = i << 8U;
        for (unsigned bit = 0; bit < 8; ++bit) {
            v = (v & 0x8000U) != 0 ? (v << 1U) ^ kGuardPolynomial : v << 1U;
        }
        table[i] = static_cast<std::uint16_t>(v);
    }
    return table;
}

std::uint16_t next_guard(std::uint16_t guard, std::uint8_t byte) {
    static const std::array<std::uint16_t, 256> table = make_guard_table();
    return static_cast<std::uint16_t>((guard << 8U) ^ table[((guard >> 8U) ^ byte) & 0xFFU]);
}

template <class Bytes>
std::uint32_t get_be(const Bytes& bytes, std::size_t offset, std::size_t size) {
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < size; ++i) {
        v = (v << 8U) | bytes[offset + i];
    }
    return v;
}
template <class Bytes>
void put_be(Bytes& bytes, std::size_t offset, std::size_t size, std::uint32_t value) {
    for (std::size_t i = 0; i < size; ++i) {
        bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
    }
}

bool has_source_tuple(Opcode op) {
    return op != Opcode::DifInsert;
}
bool has_destination_tuple(Opcode op) {
    return op == Opcode::DifInsert || op == Opcode::DifUpdate;
}

}  // namespace

void Crc32c::start(std::uint32_t seed, std::uint32_t flags) {
    plain_ = (flags & flag::kBypassReflection) != 0;
    plain_data_ = (flags & flag::kBypassDataReflection) != 0;
    state_ = plain_ ? seed : reflect32(~seed);
}

void Crc32c::add(const std::vector<std::uint8_t>& bytes) {
    static const std::array<std::uint32_t, 256> table = make_crc_table();
    for (const std::uint8_t byte : bytes) {
        const std::uint8_t b = plain_data_ ? byte : reflect8(byte);
        state_ = (state_ << 8U) ^ table[((state_ >> 24U) ^ b) & 0xFFU];
    }
}

std::uint32_t Crc32c::value() const {
    return plain_ ? state_ : ~reflect32(state_);
}

// --- DIF ---

std::uint32_t DifStream::data_bytes(const Descriptor& descriptor) {
    constexpr std::array<std::uint32_t, 4> kSizes{512, 520, 4096, 4104};
    return kSizes.at(descriptor.specific[specific::kDifFlags] & dif::kBlockSizeMask);
}

std::uint32_t DifStream::source_block(const Descriptor& descriptor) {
    const bool tuple = has_source_tuple(static_cast<Opcode>(descriptor.opcode));
    return data_bytes(descriptor) + (tuple ? dif::kTupleBytes : 0);
}

std::uint32_t DifStream::destination_block(const Descriptor& descriptor) {
    const auto op = static_cast<Opcode>(descriptor.opcode);
    if (op == Opcode::DifCheck) {
        return 0;
    }
    return data_bytes(descriptor) + (has_destination_tuple(op) ? dif::kTupleBytes : 0);
}

void DifStream::Tags::move_on(std::uint32_t blocks) {
    reference += (flags & dif::kReferenceFixed) != 0 ? 0 : blocks;
    application = static_cast<std::uint16_t>(application +
                                             ((flags & dif::kApplicationCounts) != 0 ? blocks : 0));
}

std::uint64_t DifStream::Tags::packed() const {
    return reference | (std::uint64_t{mask} << 32U) | (std::uint64_t{application} << 48U);
}

DifStream::Tags DifStream::read_tags(const Descriptor& descriptor, std::size_t flags,
                                     std::size_t offset) {
    Tags tags;
    tags.flags = descriptor.specific[flags];
    tags.reference = static_cast<std::uint32_t>(get_le(descriptor.specific, offset, 4));
    tags.mask = static_cast<std::uint16_t>(get_le(descriptor.specific, offset + 4, 2));
    tags.application = static_cast<std::uint16_t>(get_le(descriptor.specific, offset + 6, 2));
    return tags;
}

void DifStream::begin(const Descriptor& descriptor) {
    op_ = static_cast<Opcode>(descriptor.opcode);
    flags_ = descriptor.specific[specific::kDifFlags];
    source_ = first_source_ =
        read_tags(descriptor, specific::kDifSourceFlags, specific::kDifSourceTags);
    destination_ = first_destination_ =
        read_tags(descriptor, specific::kDifDestinationFlags, specific::kDifDestinationTags);
    data_bytes_ = data_bytes(descriptor);
    block_ = source_block(descriptor);
    at_ = 0;
    guard_ = (flags_ & dif::kInvertSeed) != 0 ? 0xFFFF : 0;
    output_.clear();
    good_ = 0;
    status_ = 0;
}

bool DifStream::take(const std::vector<std::uint8_t>& in, std::vector<std::uint8_t>& out) {
    for (const std::uint8_t byte : in) {
        if (at_ < data_bytes_) {
            guard_ = next_guard(guard_, byte);
            if (op_ != Opcode::DifCheck) {
                output_.push_back(byte);
            }
        } else {
            tuple_.at(at_ - data_bytes_) = byte;
        }
        if (++at_ == block_ && !end_block(out)) {
            return false;
        }
    }
    return true;
}

bool DifStream::end_block(std::vector<std::uint8_t>& out) {
    const auto guard = static_cast<std::uint16_t>(
        (flags_ & dif::kInvertResult) != 0 ? ~std::uint32_t{guard_} : guard_);
    if (has_source_tuple(op_)) {
        status_ = check(tuple_, guard);
        if (status_ != 0) {
            return false;
        }
    }
    out.insert(out.end(), output_.begin(), output_.end());
    if (has_destination_tuple(op_)) {
        const Tuple made = make(tuple_, guard);
        out.insert(out.end(), made.begin(), made.end());
    }
    output_.clear();
    good_ += block_;
    at_ = 0;
    guard_ = (flags_ & dif::kInvertSeed) != 0 ? 0xFFFF : 0;
    source_.move_on(1);
    destination_.move_on(1);
    return true;
}

std::uint8_t DifStream::check(const Tuple& tuple, std::uint16_t guard) const {
    const std::uint32_t application = get_be(tuple, 2, 2);
    const std::uint32_t reference = get_be(tuple, 4, 4);
    const bool application_ones = application == 0xFFFF;
    const bool tags_ones = application_ones && reference == 0xFFFFFFFF;
    const bool all_ones = tags_ones && get_be(tuple, 0, 2) == 0xFFFF;
    const std::uint8_t f = source_.flags;
    if (all_ones && (f & dif::kSkipAllOnes) != 0) {
        return (f & dif::kAllOnesIsError) != 0 ? dif::kAllOnesFound : 0;
    }
    if ((application_ones && (f & dif::kSkipApplicationOnes) != 0) ||
        (tags_ones && (f & dif::kSkipTagsOnes) != 0)) {
        return 0;
    }
    std::uint32_t wrong = 0;
    if ((f & dif::kGuardUnchecked) == 0 && get_be(tuple, 0, 2) != guard) {
        wrong |= dif::kGuardWrong;
    }
    if (((application ^ source_.application) & ~std::uint32_t{source_.mask} & 0xFFFFU) != 0) {
        wrong |= dif::kApplicationWrong;
    }
    if ((f & dif::kReferenceUnchecked) == 0 && reference != source_.reference) {
        wrong |= dif::kReferenceWrong;
    }
    return static_cast<std::uint8_t>(wrong);
}

DifStream::Tuple DifStream::make(const Tuple& source, std::uint16_t guard) const {
    // Masked bits of the application tag are 0 (appendix B).
    const bool update = op_ == Opcode::DifUpdate;
    Tuple made{};
    put_be(made, 0, 2, guard);
    put_be(made, 2, 2, destination_.application & ~std::uint32_t{destination_.mask});
    put_be(made, 4, 4, destination_.reference);
    const auto pass = [&](std::uint8_t flag, std::size_t offset, std::size_t size) {
        if (update && (destination_.flags & flag) != 0) {
            std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(offset), size,
                        made.begin() + static_cast<std::ptrdiff_t>(offset));
        }
    };
    pass(dif::kPassGuard, 0, 2);
    pass(dif::kPassApplication, 2, 2);
    pass(dif::kPassReference, 4, 4);
    return made;
}

std::array<std::uint64_t, 2> DifStream::tags(std::uint32_t blocks) const {
    Tags source = first_source_;
    Tags destination = first_destination_;
    source.move_on(blocks);
    destination.move_on(blocks);
    return {has_source_tuple(op_) ? source.packed() : 0,
            has_destination_tuple(op_) ? destination.packed() : 0};
}

}  // namespace ioasim::dsa
