// PASID translation structures of VMX: what KVM writes and the CPU walks. Intel SDM vol. 3, chapter
// 26 (PASID translation in VMX non-root operation). Addresses are host physical; the walk is not
// subject to EPT.
//
//   PASID [19]     selects the low or the high directory (one 4-KiB page each)
//   PASID [18:10]  index of an 8-byte directory entry
//   PASID [9:0]    index of a 4-byte table entry
#pragma once

#include <cstdint>

#include "core/base/bits.hpp"
#include "core/base/types.hpp"

namespace ioasim::cpu {

constexpr std::uint64_t kPasidDirectoryEntryBytes = 8;
constexpr std::uint64_t kPasidTableEntryBytes = 4;
constexpr unsigned kPhysicalAddressBits = 52;

constexpr bool uses_high_directory(Pasid pasid) {
    return get_bit(pasid.value(), 19);
}
constexpr Hpa directory_entry_address(Hpa directory, Pasid pasid) {
    return directory + get_bits(pasid.value(), 18, 10) * kPasidDirectoryEntryBytes;
}
constexpr Hpa table_entry_address(Hpa table, Pasid pasid) {
    return table + get_bits(pasid.value(), 9, 0) * kPasidTableEntryBytes;
}

// VM entry checks both directory addresses (SDM vol. 3, 27.2.1.1): bits 11:0 zero, nothing beyond
// the physical-address width. Else it fails, and no instruction of the guest executes.
constexpr bool is_directory_address(Hpa directory) {
    return (directory.value() & ~bit_mask(kPhysicalAddressBits - 1, 12)) == 0;
}

// Directory entry: bit 0 present, bits 51:12 address of a table page, the rest reserved.
struct PasidDirectoryEntry {
    bool present = false;
    Hpa table;
};
constexpr std::uint64_t encode(PasidDirectoryEntry e) {
    return (e.table.value() & bit_mask(kPhysicalAddressBits - 1, 12)) | (e.present ? 1U : 0U);
}
constexpr PasidDirectoryEntry decode_pasid_directory(std::uint64_t v) {
    return {get_bit(v, 0), Hpa{v & bit_mask(kPhysicalAddressBits - 1, 12)}};
}
constexpr std::uint64_t kPasidDirectoryReserved =
    bit_mask(11, 1) | bit_mask(63, kPhysicalAddressBits);

// Table entry: bits 19:0 translated PASID, bit 31 valid, the rest reserved.
struct PasidTableEntry {
    bool valid = false;
    Pasid pasid;
};
constexpr std::uint32_t encode(PasidTableEntry e) {
    return (e.pasid.value() & 0xFFFFFU) | (e.valid ? 0x8000'0000U : 0U);
}
constexpr PasidTableEntry decode_pasid_table(std::uint32_t v) {
    return {get_bit(v, 31), Pasid{v & 0xFFFFFU}};
}
constexpr std::uint32_t kPasidTableReserved = static_cast<std::uint32_t>(bit_mask(30, 20));

}  // namespace ioasim::cpu
