// The 64-byte work descriptor and the 32-byte completion record. Intel DSA Architecture
// Specification (descriptor formats), Linux include/uapi/linux/idxd.h.
// Encoders write the named fields and leave reserved bytes 0; decoding keeps what validation needs.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/bits.hpp"
#include "core/base/little_endian.hpp"

namespace ioasim::dsa {

using DescriptorBytes = std::array<std::uint8_t, 64>;
using RecordBytes = std::array<std::uint8_t, 32>;

using ioasim::get_le;
using ioasim::put_le;

enum class Opcode : std::uint8_t {
    Noop = 0x00,
    Batch = 0x01,
    Drain = 0x02,
    Memmove = 0x03,
    Fill = 0x04,
    Compare = 0x05,
    ComparePattern = 0x06,
    CreateDelta = 0x07,
    ApplyDelta = 0x08,
    Dualcast = 0x09,
    CrcGenerate = 0x10,
    CopyCrc = 0x11,
    DifCheck = 0x12,
    DifInsert = 0x13,
    DifStrip = 0x14,
    DifUpdate = 0x15,
    CacheFlush = 0x20,
};

// The 24-bit flags field.
namespace flag {
constexpr std::uint32_t kFence = 1U << 0U;
constexpr std::uint32_t kBlockOnFault = 1U << 1U;
constexpr std::uint32_t kRecordAddressValid = 1U << 2U;
constexpr std::uint32_t kRequestRecord = 1U << 3U;
constexpr std::uint32_t kRequestInterrupt = 1U << 4U;
constexpr std::uint32_t kRecordSteering = 1U << 5U;
constexpr std::uint32_t kCheckResult = 1U << 7U;
constexpr std::uint32_t kCacheControl = 1U << 8U;
constexpr std::uint32_t kAddress1Class = 1U << 9U;
constexpr std::uint32_t kAddress2Class = 1U << 10U;
constexpr std::uint32_t kAddress3Class = 1U << 11U;
constexpr std::uint32_t kRecordClass = 1U << 12U;
constexpr std::uint32_t kStrictOrdering = 1U << 13U;
constexpr std::uint32_t kDestinationReadback = 1U << 14U;
constexpr std::uint32_t kDestinationSteering = 1U << 15U;
// Specific to operations.
constexpr std::uint32_t kReadSeed = 1U << 16U;          // CRC: the seed is in memory
constexpr std::uint32_t kBypassReflection = 1U << 17U;  // CRC: seed and result as they are
constexpr std::uint32_t kBypassDataReflection = 1U << 18U;
constexpr std::uint32_t kReadback1Valid = 1U << 16U;  // drain
constexpr std::uint32_t kReadback2Valid = 1U << 17U;
constexpr std::uint32_t kSuppressImplicitA = 1U << 18U;  // and read-backs of its own choice
constexpr std::uint32_t kSuppressImplicitB = 1U << 19U;
}  // namespace flag

// Bytes 40 to 63 of a descriptor, whose meaning depends on the operation: offsets from 40.
using SpecificBytes = std::array<std::uint8_t, 24>;
namespace specific {
constexpr std::size_t kExpectedResult = 0;       // 1: compare
constexpr std::size_t kDeltaAddress = 0;         // 8: create delta
constexpr std::size_t kMaxDeltaSize = 8;         // 4
constexpr std::size_t kExpectedResultMask = 16;  // 1: bit N, result N is as expected
constexpr std::size_t kDeltaSize = 0;            // 4: apply delta
constexpr std::size_t kDestination2 = 0;         // 8: dualcast
constexpr std::size_t kCrcSeed = 0;              // 4
constexpr std::size_t kCrcSeedAddress = 8;       // 8
constexpr std::size_t kDifSourceFlags = 0;       // 1
constexpr std::size_t kDifDestinationFlags = 1;  // 1
constexpr std::size_t kDifFlags = 2;             // 1
constexpr std::size_t kDifSourceTags = 8;        // 4 reference, 2 application mask, 2 application
constexpr std::size_t kDifDestinationTags = 16;
}  // namespace specific

// Protection information: flags of a block, of what is checked, of what is written.
namespace dif {
constexpr std::uint8_t kBlockSizeMask = 3;  // 512, 520, 4096, 4104 bytes of data
constexpr std::uint8_t kReservedFlags = 0xF0;
constexpr std::uint8_t kReservedDestinationFlags = 0x07;
constexpr std::uint8_t kInvertSeed = 1U << 2U;
constexpr std::uint8_t kInvertResult = 1U << 3U;
constexpr std::uint8_t kAllOnesIsError = 1U << 0U;  // source
constexpr std::uint8_t kSkipAllOnes = 1U << 1U;
constexpr std::uint8_t kSkipApplicationOnes = 1U << 2U;
constexpr std::uint8_t kSkipTagsOnes = 1U << 3U;
constexpr std::uint8_t kApplicationCounts = 1U << 4U;  // source and destination
constexpr std::uint8_t kGuardUnchecked = 1U << 5U;
constexpr std::uint8_t kReferenceUnchecked = 1U << 6U;
constexpr std::uint8_t kReferenceFixed = 1U << 7U;   // source and destination
constexpr std::uint8_t kPassApplication = 1U << 3U;  // destination
constexpr std::uint8_t kPassGuard = 1U << 5U;
constexpr std::uint8_t kPassReference = 1U << 6U;
// DIF status in the result byte of a record.
constexpr std::uint8_t kGuardWrong = 1U << 0U;
constexpr std::uint8_t kApplicationWrong = 1U << 1U;
constexpr std::uint8_t kReferenceWrong = 1U << 2U;
constexpr std::uint8_t kAllOnesFound = 1U << 3U;
constexpr std::uint32_t kTupleBytes = 8;
}  // namespace dif

struct Descriptor {
    std::uint32_t pasid = 0;
    bool privileged = false;
    std::uint32_t flags = 0;
    std::uint8_t opcode = 0;
    std::uint64_t record = 0;       // completion record address
    std::uint64_t source = 0;       // or pattern (fill), source 1 (compare)
    std::uint64_t destination = 0;  // or source 2 (compare), pattern (compare pattern)
    std::uint32_t size = 0;
    std::uint16_t interrupt_handle = 0;
    SpecificBytes specific{};
    bool reserved_zero = true;  // decoded: bits 30:20 and bytes 38-39 are 0
};

constexpr DescriptorBytes encode(const Descriptor& d) {
    DescriptorBytes b{};
    put_le(b, 0, 4, set_bit(d.pasid & 0xFFFFFU, 31, d.privileged));
    put_le(b, 4, 4, (d.flags & 0xFF'FFFFU) | (std::uint32_t{d.opcode} << 24U));
    put_le(b, 8, 8, d.record);
    put_le(b, 16, 8, d.source);
    put_le(b, 24, 8, d.destination);
    put_le(b, 32, 4, d.size);
    put_le(b, 36, 2, d.interrupt_handle);
    for (std::size_t i = 0; i < d.specific.size(); ++i) {
        b[40 + i] = d.specific[i];
    }
    return b;
}
constexpr Descriptor decode_descriptor(const DescriptorBytes& b) {
    const std::uint64_t d0 = get_le(b, 0, 4);
    Descriptor d;
    d.pasid = static_cast<std::uint32_t>(get_bits(d0, 19, 0));
    d.privileged = get_bit(d0, 31);
    d.flags = static_cast<std::uint32_t>(get_le(b, 4, 3));
    d.opcode = b[7];
    d.record = get_le(b, 8, 8);
    d.source = get_le(b, 16, 8);
    d.destination = get_le(b, 24, 8);
    d.size = static_cast<std::uint32_t>(get_le(b, 32, 4));
    d.interrupt_handle = static_cast<std::uint16_t>(get_le(b, 36, 2));
    for (std::size_t i = 0; i < d.specific.size(); ++i) {
        d.specific[i] = b[40 + i];
    }
    d.reserved_zero = get_bits(d0, 30, 20) == 0 && get_le(b, 38, 2) == 0;
    return d;
}

// Status codes of completion records (dword 0, bits 5:0); bit 7 of the byte: the fault was a write.
enum class Status : std::uint8_t {
    Pending = 0x00,
    Success = 0x01,
    ResultNotExpected = 0x02,
    PageFault = 0x03,  // block on fault off: partial completion
    PageRequestInvalid = 0x04,
    BatchMemberFailed = 0x05,
    BatchListFault = 0x06,
    DeltaNotIncreasing = 0x07,
    DeltaBeyondSize = 0x08,
    DifError = 0x09,
    UnsupportedOpcode = 0x10,
    InvalidFlags = 0x11,
    ReservedNotZero = 0x12,
    InvalidSize = 0x13,
    InvalidCount = 0x14,  // of a batch
    InvalidDeltaSize = 0x15,
    OverlappingBuffers = 0x16,
    DualcastMismatch = 0x17,  // destinations differ in bits 11:0
    BatchMisaligned = 0x18,
    InvalidInterruptHandle = 0x19,
    RecordPageFault = 0x1A,
    RecordMisaligned = 0x1B,
    AddressMisaligned = 0x1C,
    PrivilegeOff = 0x1D,
    ReadbackPageFault = 0x1F,
    HardwareError = 0x20,       // a read that got no data, whatever the cause, but for those below
    HardwareWriteError = 0x21,  // of a write, which a read-back alone can tell
    TranslationFailure = 0x22,
    DrainSawFaults = 0x26,  // event log only
    BatchSawFaults = 0x27,  // event log only
};
constexpr std::uint8_t kStatusMask = 0x7F;
constexpr std::uint8_t kStatusWrite = 0x80;

struct CompletionRecord {
    Status status = Status::Pending;
    bool fault_write = false;
    std::uint8_t result = 0;  // compare: 1 = different; delta: 2 = too big; copy: 1 = backwards
    std::uint32_t bytes_completed = 0;  // 0 when all is done; batch: descriptors
    std::uint64_t fault_address = 0;
    std::uint32_t invalid_flags = 0;
    std::array<std::uint64_t, 2> values{};  // bytes 16 to 31: delta size, CRC, tags
};

constexpr std::uint64_t kRecordBytes = 32;
constexpr RecordBytes encode(const CompletionRecord& r) {
    RecordBytes b{};
    b[0] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(r.status) |
                                     (r.fault_write ? kStatusWrite : 0U));
    b[1] = r.result;
    put_le(b, 4, 4, r.bytes_completed);
    put_le(b, 8, 8, r.fault_address);
    put_le(b, 16, 8, r.values[0] | (r.invalid_flags & 0xFF'FFFFU));
    put_le(b, 24, 8, r.values[1]);
    return b;
}
constexpr CompletionRecord decode_record(const RecordBytes& b) {
    CompletionRecord r;
    r.status = static_cast<Status>(b[0] & kStatusMask);
    r.fault_write = (b[0] & kStatusWrite) != 0;
    r.result = b[1];
    r.bytes_completed = static_cast<std::uint32_t>(get_le(b, 4, 4));
    r.fault_address = get_le(b, 8, 8);
    r.values = {get_le(b, 16, 8), get_le(b, 24, 8)};
    if (r.status == Status::InvalidFlags) {
        r.invalid_flags = static_cast<std::uint32_t>(get_le(b, 16, 3));
    }
    return r;
}

}  // namespace ioasim::dsa
