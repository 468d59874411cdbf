#include "models/dsa/descriptor_check.hpp"

#include <algorithm>

#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/transfer.hpp"

namespace ioasim::dsa {

namespace {

// Flags that every operation defines.
constexpr std::uint32_t kAlways = flag::kRecordAddressValid | flag::kRequestRecord |
                                  flag::kRequestInterrupt | flag::kRecordSteering |
                                  flag::kRecordClass;
// Of operations with memory operands.
constexpr std::uint32_t kOperand = kAlways | flag::kBlockOnFault;
constexpr std::uint32_t kReads = flag::kAddress1Class;
// The destination's class of an operation that creates a delta record is the third one.
constexpr std::uint32_t kWritesAnywhere = flag::kStrictOrdering | flag::kCacheControl |
                                          flag::kDestinationSteering | flag::kDestinationReadback;
constexpr std::uint32_t kWrites = kWritesAnywhere | flag::kAddress2Class;
// What yields a result has a record.
constexpr std::uint32_t kRecord = flag::kRecordAddressValid | flag::kRequestRecord;
constexpr std::uint32_t kCrcFlags =
    flag::kReadSeed | flag::kBypassReflection | flag::kBypassDataReflection;

// `length` bytes of the operation-specific area from `offset`.
constexpr std::uint32_t bytes(std::size_t offset, std::size_t length) {
    return static_cast<std::uint32_t>(((std::uint64_t{1} << length) - 1) << offset);
}
constexpr std::uint32_t kDifSource = bytes(specific::kDifSourceFlags, 1) |
                                     bytes(specific::kDifFlags, 1) |
                                     bytes(specific::kDifSourceTags, 8);
constexpr std::uint32_t kDifDestination = bytes(specific::kDifDestinationFlags, 1) |
                                          bytes(specific::kDifFlags, 1) |
                                          bytes(specific::kDifDestinationTags, 8);

// Fields of bytes 8 to 37 that a descriptor leaves without a meaning.
namespace unused {
constexpr std::uint32_t kRecord = 1U << 0U;
constexpr std::uint32_t kSource = 1U << 1U;
constexpr std::uint32_t kDestination = 1U << 2U;
constexpr std::uint32_t kSize = 1U << 3U;
constexpr std::uint32_t kHandle = 1U << 4U;
}  // namespace unused

// What an operation defines: flags, and bytes 40 to 63 (one bit a byte). The rest must be 0, as the
// fields that it does not use. Tables 5-3 and 5-5.
struct OpRule {
    std::uint32_t flags = 0;
    std::uint32_t specific = 0;
    std::uint32_t unused = 0;
    std::uint32_t required = 0;  // flags
};
OpRule rule_of(Opcode op) {
    switch (op) {
        case Opcode::Noop:
            return {kAlways, 0, unused::kSource | unused::kDestination | unused::kSize};
        case Opcode::Batch:
            return {kAlways | flag::kAddress1Class, 0, unused::kDestination};
        case Opcode::Drain:
            return {kAlways | flag::kReadback1Valid | flag::kReadback2Valid |
                        flag::kSuppressImplicitA | flag::kSuppressImplicitB,
                    0, unused::kSize};
        case Opcode::Memmove:
            return {kOperand | kReads | kWrites, 0};
        case Opcode::Fill:
            return {kOperand | kWrites, 0};
        case Opcode::Compare:
            return {kOperand | kReads | flag::kAddress2Class | flag::kCheckResult,
                    bytes(specific::kExpectedResult, 1), 0, kRecord};
        case Opcode::ComparePattern:
            return {kOperand | kReads | flag::kCheckResult, bytes(specific::kExpectedResult, 1), 0,
                    kRecord};
        case Opcode::CreateDelta:
            return {kOperand | kReads | flag::kAddress2Class | flag::kAddress3Class |
                        kWritesAnywhere | flag::kCheckResult,
                    bytes(specific::kDeltaAddress, 8) | bytes(specific::kMaxDeltaSize, 4) |
                        bytes(specific::kExpectedResultMask, 1),
                    0, kRecord};
        case Opcode::ApplyDelta:
            return {kOperand | kReads | kWrites, bytes(specific::kDeltaSize, 4)};
        case Opcode::Dualcast:
            return {kOperand | kReads | kWrites | flag::kAddress3Class,
                    bytes(specific::kDestination2, 8)};
        case Opcode::CrcGenerate:
            return {kOperand | kReads | kCrcFlags, 0, unused::kDestination, kRecord};
        case Opcode::CopyCrc:
            return {kOperand | kReads | kWrites | kCrcFlags, 0, 0, kRecord};
        case Opcode::DifCheck:
            return {kOperand | kReads, kDifSource, unused::kDestination, kRecord};
        case Opcode::DifInsert:
            return {kOperand | kReads | kWrites, kDifDestination};
        case Opcode::DifStrip:
            return {kOperand | kReads | kWrites, kDifSource};
        case Opcode::DifUpdate:
            return {kOperand | kReads | kWrites, kDifSource | kDifDestination};
        case Opcode::CacheFlush:  // of the hints, only "durable, with read-back" (table 8-4)
            return {kOperand | flag::kAddress2Class | flag::kStrictOrdering |
                        flag::kDestinationReadback,
                    0, unused::kSource};
    }
    return {kAlways, 0};
}

// With what depends on the flags: table 5-4.
OpRule rule_for(const Descriptor& d) {
    const auto op = static_cast<Opcode>(d.opcode);
    const auto has = [&d](std::uint32_t flag) { return (d.flags & flag) != 0; };
    OpRule rule = rule_of(op);
    if (!has(flag::kRecordAddressValid)) {
        rule.flags &= ~(flag::kRequestRecord | flag::kRecordClass);
        rule.unused |= unused::kRecord;
    }
    rule.unused |= has(flag::kRequestInterrupt) ? 0 : unused::kHandle;
    if (op == Opcode::Drain) {
        rule.flags |= has(flag::kReadback1Valid) ? flag::kAddress1Class : 0;
        rule.flags |= has(flag::kReadback2Valid) ? flag::kAddress2Class : 0;
        rule.unused |= has(flag::kReadback1Valid) ? 0 : unused::kSource;
        rule.unused |= has(flag::kReadback2Valid) ? 0 : unused::kDestination;
        // Nobody would hear of its end.
        rule.required = has(flag::kRequestRecord | flag::kRequestInterrupt) ? 0 : kRecord;
    }
    if (op == Opcode::CrcGenerate || op == Opcode::CopyCrc) {
        const bool read = has(flag::kReadSeed);
        rule.flags |= read ? flag::kAddress3Class : 0;
        rule.specific |= read ? bytes(specific::kCrcSeedAddress, 8) : bytes(specific::kCrcSeed, 4);
    }
    return rule;
}

CompletionRecord failure(Status status, std::uint32_t invalid_flags = 0) {
    CompletionRecord record;
    record.status = status;
    record.invalid_flags = invalid_flags;
    return record;
}

std::uint32_t invalid_flags(const Work& work, const Registers& registers, const OpRule& rule) {
    const std::uint32_t given = work.descriptor.flags;
    std::uint32_t allowed = rule.flags;
    if (work.batch) {
        allowed |= flag::kFence;
    }
    if (!work.block_on_fault) {
        allowed &= ~flag::kBlockOnFault;
    }
    // A descriptor without a PASID is no user's.
    if (work.pasid && !work.privileged && !registers.user_interrupts()) {
        allowed &= ~flag::kRequestInterrupt;
    }
    return (given & ~allowed) | (~given & rule.required);
}

bool unused_zero(const Descriptor& d, const OpRule& rule) {
    const auto zero = [&rule](std::uint32_t field, std::uint64_t value) {
        return (rule.unused & field) == 0 || value == 0;
    };
    for (std::size_t i = 0; i < d.specific.size(); ++i) {
        if (d.specific[i] != 0 && (rule.specific >> i & 1U) == 0) {
            return false;
        }
    }
    return zero(unused::kRecord, d.record) && zero(unused::kSource, d.source) &&
           zero(unused::kDestination, d.destination) && zero(unused::kSize, d.size) &&
           zero(unused::kHandle, d.interrupt_handle);
}

// The flags of protection information have reserved bits too.
bool dif_flags_zero(const Descriptor& d) {
    const bool writes_tuple = static_cast<Opcode>(d.opcode) == Opcode::DifInsert ||
                              static_cast<Opcode>(d.opcode) == Opcode::DifUpdate;
    return (d.specific[specific::kDifFlags] & dif::kReservedFlags) == 0 &&
           (!writes_tuple ||
            (d.specific[specific::kDifDestinationFlags] & dif::kReservedDestinationFlags) == 0);
}

bool same_page_offset(std::uint64_t a, std::uint64_t b) {
    return a % kPageSize == b % kPageSize;
}

std::uint64_t destination2(const Descriptor& d) {
    return get_le(d.specific, specific::kDestination2, 8);
}

// --- sizes ---

Status check_batch(const Work& work, const DsaParams& params) {
    const Descriptor& d = work.descriptor;
    const std::uint64_t limit =
        std::uint64_t{1} << std::min<std::uint64_t>(work.max_batch_shift, params.max_batch_shift);
    if (d.source % DescriptorBytes{}.size() != 0) {
        return Status::BatchMisaligned;
    }
    return d.size < 2 || d.size > limit ? Status::InvalidCount : Status::Success;
}

// A delta record may be anywhere: one that goes on begins 10 bytes times n behind another.
Status check_delta(const Descriptor& d, std::uint64_t limit) {
    const bool create = static_cast<Opcode>(d.opcode) == Opcode::CreateDelta;
    const std::uint64_t record = create ? get_le(d.specific, specific::kDeltaAddress, 8) : d.source;
    if (d.size > kMaxDeltaRegion) {
        return Status::InvalidSize;
    }
    if (d.size % kDeltaUnit != 0 || d.destination % kDeltaUnit != 0 ||
        (create && d.source % kDeltaUnit != 0)) {
        return Status::AddressMisaligned;
    }
    const std::uint64_t bytes_of_record =
        get_le(d.specific, create ? specific::kMaxDeltaSize : specific::kDeltaSize, 4);
    const bool whole = create ? bytes_of_record >= kMinDeltaRecord
                              : bytes_of_record != 0 && bytes_of_record % kDeltaEntryBytes == 0;
    if (!whole || bytes_of_record > limit) {
        return Status::InvalidDeltaSize;
    }
    if (create) {
        const bool hits = overlap(d.source, d.size, record, bytes_of_record) ||
                          overlap(d.destination, d.size, record, bytes_of_record);
        return hits ? Status::OverlappingBuffers : Status::Success;
    }
    return overlap(d.destination, d.size, record, bytes_of_record) ? Status::OverlappingBuffers
                                                                   : Status::Success;
}

Status check_dif(const Descriptor& d) {
    const std::uint32_t block = DifStream::source_block(d);
    if (d.size % block != 0) {
        return Status::InvalidSize;
    }
    const std::uint64_t written = std::uint64_t{d.size} / block * DifStream::destination_block(d);
    return written != 0 && overlap(d.source, d.size, d.destination, written)
               ? Status::OverlappingBuffers
               : Status::Success;
}

Status check_dualcast(const Descriptor& d) {
    if (!same_page_offset(d.destination, destination2(d))) {
        return Status::DualcastMismatch;
    }
    const bool hits = overlap(d.source, d.size, d.destination, d.size) ||
                      overlap(d.source, d.size, destination2(d), d.size) ||
                      overlap(d.destination, d.size, destination2(d), d.size);
    return hits ? Status::OverlappingBuffers : Status::Success;
}

Status check_operands(const Work& work, const DsaParams& params) {
    const Descriptor& d = work.descriptor;
    const auto op = static_cast<Opcode>(d.opcode);
    if (op == Opcode::Noop || op == Opcode::Drain) {
        return Status::Success;
    }
    if (op == Opcode::Batch) {
        return check_batch(work, params);
    }
    const std::uint64_t limit = std::uint64_t{1} << std::min<std::uint64_t>(
                                    work.max_transfer_shift, params.max_transfer_shift);
    if (d.size == 0 || d.size > limit) {
        return Status::InvalidSize;
    }
    const bool copies = op == Opcode::Memmove || op == Opcode::CopyCrc;
    // GENCAP: of the operations, a memory move alone may overlap.
    if (copies && !(op == Opcode::Memmove && params.overlapping_copy) &&
        overlap(d.source, d.size, d.destination, d.size)) {
        return Status::OverlappingBuffers;
    }
    if (op == Opcode::CreateDelta || op == Opcode::ApplyDelta) {
        return check_delta(d, limit);
    }
    const bool reads_seed =
        (op == Opcode::CrcGenerate || op == Opcode::CopyCrc) && (d.flags & flag::kReadSeed) != 0;
    if (reads_seed && get_le(d.specific, specific::kCrcSeedAddress, 8) % kCrcBytes != 0) {
        return Status::AddressMisaligned;
    }
    if (op == Opcode::Dualcast) {
        return check_dualcast(d);
    }
    return traits_of(op).blocks ? check_dif(d) : Status::Success;
}

}  // namespace

bool overlap(std::uint64_t a, std::uint64_t a_bytes, std::uint64_t b, std::uint64_t b_bytes) {
    return a < b ? b - a < a_bytes : a - b < b_bytes;
}

bool has_record_address(const Descriptor& descriptor) {
    return (descriptor.flags & flag::kRecordAddressValid) != 0 &&
           descriptor.record % kRecordBytes == 0;
}

OpTraits traits_of(Opcode op) {
    switch (op) {
        case Opcode::Noop:
        case Opcode::Batch:
        case Opcode::Drain:
            return {};
        case Opcode::Fill:
            return {false, false, true, false};
        case Opcode::Memmove:
        case Opcode::ApplyDelta:
        case Opcode::Dualcast:
        case Opcode::CopyCrc:
            return {true, false, true, false};
        case Opcode::Compare:
            return {true, true, false, false};
        case Opcode::CreateDelta:
            return {true, true, true, false};
        case Opcode::ComparePattern:
        case Opcode::CrcGenerate:
        case Opcode::CacheFlush:
            return {true, false, false, false};
        case Opcode::DifCheck:
            return {true, false, false, true};
        case Opcode::DifInsert:
        case Opcode::DifStrip:
        case Opcode::DifUpdate:
            return {true, false, true, true};
    }
    return {};
}

std::uint32_t stream_bytes(const Descriptor& descriptor) {
    return static_cast<Opcode>(descriptor.opcode) == Opcode::ApplyDelta
               ? static_cast<std::uint32_t>(get_le(descriptor.specific, specific::kDeltaSize, 4))
               : descriptor.size;
}

std::optional<CompletionRecord> refuse(const Work& work, const Registers& registers,
                                       const DeviceShared& shared) {
    const Descriptor& d = work.descriptor;
    const auto op = static_cast<Opcode>(d.opcode);
    if ((d.flags & flag::kRecordAddressValid) != 0 && d.record % kRecordBytes != 0) {
        return failure(Status::RecordMisaligned);
    }
    // A batch holds neither batches nor drains.
    const bool nested = work.batch && (op == Opcode::Batch || op == Opcode::Drain);
    if (!supports(d.opcode) || nested || !work.allows(d.opcode)) {
        return failure(Status::UnsupportedOpcode);
    }
    if (work.privileged && work.pasid && !work.may_be_privileged &&
        !shared.probes.has(kPrivilegeAlways)) {
        return failure(Status::PrivilegeOff);
    }
    const OpRule rule = shared.probes.has(kReservedIgnored)
                            ? OpRule{~std::uint32_t{0}, ~std::uint32_t{0}, 0, 0}
                            : rule_for(d);
    if (const std::uint32_t invalid = invalid_flags(work, registers, rule); invalid != 0) {
        return failure(Status::InvalidFlags, invalid);
    }
    if (!d.reserved_zero || !unused_zero(d, rule) ||
        (traits_of(op).blocks && !shared.probes.has(kReservedIgnored) && !dif_flags_zero(d))) {
        return failure(Status::ReservedNotZero);
    }
    if ((d.flags & flag::kRequestInterrupt) != 0 &&
        !registers.interrupts().valid(interrupt_of(work), work.pasid)) {
        return failure(Status::InvalidInterruptHandle);
    }
    const Status status = check_operands(work, shared.params);
    return status == Status::Success ? std::nullopt : std::optional(failure(status));
}

}  // namespace ioasim::dsa
