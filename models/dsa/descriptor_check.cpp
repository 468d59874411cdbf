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
constexpr std::uint32_t kOperand = kAlways | flag::kBlockOnFault | flag::kStrictOrdering;
constexpr std::uint32_t kReads = flag::kAddress1Class;
constexpr std::uint32_t kWrites = flag::kCacheControl | flag::kAddress2Class |
                                  flag::kDestinationSteering | flag::kDestinationReadback;
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

// What an operation defines: flags, and bytes 40 to 63 (one bit a byte). The rest must be 0.
struct OpRule {
    std::uint32_t flags;
    std::uint32_t specific;
};
OpRule rule_of(Opcode op) {
    switch (op) {
        case Opcode::Noop:
            return {kAlways, 0};
        case Opcode::Batch:
            return {kAlways | flag::kAddress1Class, 0};
        case Opcode::Drain:
            return {kAlways | flag::kReadback1Valid | flag::kReadback2Valid, 0};
        case Opcode::Memmove:
            return {kOperand | kReads | kWrites, 0};
        case Opcode::Fill:
            return {kOperand | kWrites, 0};
        case Opcode::Compare:
            return {kOperand | kReads | flag::kAddress2Class | flag::kCheckResult,
                    bytes(specific::kExpectedResult, 1)};
        case Opcode::ComparePattern:
            return {kOperand | kReads | flag::kCheckResult, bytes(specific::kExpectedResult, 1)};
        case Opcode::CreateDelta:
            return {kOperand | kReads | flag::kAddress2Class | flag::kAddress3Class |
                        flag::kCacheControl | flag::kCheckResult | flag::kDestinationSteering |
                        flag::kDestinationReadback,
                    bytes(specific::kDeltaAddress, 8) | bytes(specific::kMaxDeltaSize, 4) |
                        bytes(specific::kExpectedResultMask, 1)};
        case Opcode::ApplyDelta:
            return {kOperand | kReads | kWrites, bytes(specific::kDeltaSize, 4)};
        case Opcode::Dualcast:
            return {kOperand | kReads | kWrites | flag::kAddress3Class,
                    bytes(specific::kDestination2, 8)};
        case Opcode::CrcGenerate:
            return {kOperand | kReads | flag::kAddress3Class | kCrcFlags,
                    bytes(specific::kCrcSeed, 4) | bytes(specific::kCrcSeedAddress, 8)};
        case Opcode::CopyCrc:
            return {kOperand | kReads | kWrites | flag::kAddress3Class | kCrcFlags,
                    bytes(specific::kCrcSeed, 4) | bytes(specific::kCrcSeedAddress, 8)};
        case Opcode::DifCheck:
            return {kOperand | kReads, kDifSource};
        case Opcode::DifInsert:
            return {kOperand | kReads | kWrites, kDifDestination};
        case Opcode::DifStrip:
            return {kOperand | kReads | kWrites, kDifSource};
        case Opcode::DifUpdate:
            return {kOperand | kReads | kWrites, kDifSource | kDifDestination};
        case Opcode::CacheFlush:
            return {kOperand | flag::kAddress2Class | flag::kCacheControl, 0};
    }
    return {kAlways, 0};
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
    std::uint32_t invalid = given & ~allowed;
    if ((given & flag::kRecordAddressValid) == 0) {
        invalid |= given & flag::kRequestRecord;  // a record that has no place
    }
    const bool forbidden = !work.privileged && !registers.user_interrupts();
    return invalid | (forbidden ? given & flag::kRequestInterrupt : 0);
}

bool specific_zero(const Descriptor& d, std::uint32_t defined) {
    for (std::size_t i = 0; i < d.specific.size(); ++i) {
        if (d.specific[i] != 0 && (defined >> i & 1U) == 0) {
            return false;
        }
    }
    return true;
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

Status check_delta(const Descriptor& d) {
    const bool create = static_cast<Opcode>(d.opcode) == Opcode::CreateDelta;
    const std::uint64_t record = create ? get_le(d.specific, specific::kDeltaAddress, 8) : d.source;
    if (d.size % kDeltaUnit != 0 || d.size > kMaxDeltaRegion) {
        return Status::InvalidSize;
    }
    if (d.source % kDeltaUnit != 0 || d.destination % kDeltaUnit != 0 || record % kDeltaUnit != 0) {
        return Status::AddressMisaligned;
    }
    const std::uint64_t bytes_of_record =
        get_le(d.specific, create ? specific::kMaxDeltaSize : specific::kDeltaSize, 4);
    const std::uint64_t most = std::uint64_t{d.size} / kDeltaUnit * kDeltaEntryBytes;
    if (bytes_of_record % kDeltaEntryBytes != 0 ||
        (create ? bytes_of_record < kMinDeltaRecord
                : bytes_of_record == 0 || bytes_of_record > most)) {
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
        return check_delta(d);
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
                            ? OpRule{~std::uint32_t{0}, ~std::uint32_t{0}}
                            : rule_of(op);
    if (const std::uint32_t invalid = invalid_flags(work, registers, rule); invalid != 0) {
        return failure(Status::InvalidFlags, invalid);
    }
    if (!d.reserved_zero || !specific_zero(d, rule.specific)) {
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
