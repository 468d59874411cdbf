// Tables of interrupt messages of a Data Streaming Accelerator, and whose each message is. PCI
// Express Base Specification 7.7.2 (MSI-X); DSA Architecture Specification (MSIX_PERM, Interrupt
// Message Storage).
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bits.hpp"

namespace ioasim::dsa {

// --- MSI-X table in BAR0 (PCI Express Base Specification 7.7.2): 16 bytes a vector ---
constexpr std::uint64_t kMsixEntryBytes = 16;
constexpr std::uint64_t kMsixAddressLow = 0;
constexpr std::uint64_t kMsixAddressHigh = 4;
constexpr std::uint64_t kMsixData = 8;
constexpr std::uint64_t kMsixControl = 12;  // bit 0: masked
constexpr std::uint32_t kMsixMasked = 1;
// What an entry sends, and how its fields (all but the control word) hold it.
struct MsixMessage {
    std::uint64_t address = 0;
    std::uint32_t data = 0;

    constexpr std::uint32_t field(std::uint64_t offset) const {
        return offset == kMsixAddressLow    ? static_cast<std::uint32_t>(address)
               : offset == kMsixAddressHigh ? static_cast<std::uint32_t>(address >> 32U)
                                            : data;
    }
    constexpr void set_field(std::uint64_t offset, std::uint32_t value) {
        if (offset == kMsixData) {
            data = value;
        } else {
            const unsigned low = offset == kMsixAddressHigh ? 32 : 0;
            address = set_bits(address, low + 31, low, value);
        }
    }
};
// MSIX_PERM: which PASID a vector belongs to. With "Ignore" an end of a descriptor sends nothing
// and leaves nothing pending.
constexpr std::uint64_t kMsixPermBytes = 8;
constexpr unsigned kMsixPermIgnore = 2;
constexpr unsigned kMsixPermPasidEnable = 3;
constexpr std::uint32_t encode_msix_perm(bool pasid_enable, std::uint32_t pasid) {
    return static_cast<std::uint32_t>(
        set_bits(set_bit(0, kMsixPermPasidEnable, pasid_enable), 31, 12, pasid));
}

// --- interrupt message storage: 16 bytes an entry, as one of the MSI-X table, and with the PASID
// in its control word. Its address stays one of interrupts. ---
constexpr std::uint64_t kImsEntryBytes = 16;
constexpr std::uint64_t kImsControl = 12;
constexpr unsigned kImsMasked = 0;
constexpr unsigned kImsPending = 1;  // read only
constexpr unsigned kImsIgnore = 2;
constexpr unsigned kImsPasidEnable = 3;
constexpr std::uint32_t encode_ims_control(bool masked, std::optional<std::uint32_t> pasid) {
    return static_cast<std::uint32_t>(
        set_bits(set_bit(set_bit(0, kImsMasked, masked), kImsPasidEnable, pasid.has_value()), 31,
                 12, pasid.value_or(0)));
}
constexpr std::uint64_t kImsResetAddress = 0xFEE0'0000;
// What an address field takes: 00000000FEEh above bit 19, and no bits 1:0. None: it stays.
constexpr std::optional<std::uint32_t> ims_address_field(std::uint64_t field, std::uint32_t value) {
    if (field == kMsixAddressHigh) {
        return value == 0 ? std::optional<std::uint32_t>(0) : std::nullopt;
    }
    return value >> 20U == kImsResetAddress >> 20U ? std::optional<std::uint32_t>(value & ~3U)
                                                   : std::nullopt;
}
constexpr std::uint64_t ims_address(std::uint64_t table, std::uint32_t entry, std::uint64_t field) {
    return table + entry * kImsEntryBytes + field;
}
// Request and Release Interrupt Handle: the operand is of interrupt message storage.
constexpr std::uint32_t kHandleOfStorage = 1U << 16U;

}  // namespace ioasim::dsa
