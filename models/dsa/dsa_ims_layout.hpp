// Interrupt message storage of the accelerator (SIOV): message and owner of each interrupt handle
// that descriptors of the IMS portals name. A table in BAR0 whose place OFFSETS tells and whose
// size GENCAP does; an entry fires only for descriptors of the PASID that stands in it, so that a
// VM cannot fire another one's. DSA Architecture Specification (GENCAP, OFFSETS, IMS); the offset
// of the table is this model's choice.
#pragma once

#include <cstdint>

#include "core/base/bits.hpp"

namespace ioasim::dsa {

namespace ims {
constexpr std::uint64_t kTable = 0x8000;   // in BAR0
constexpr std::uint64_t kEntryBytes = 16;  //
constexpr std::uint64_t kUnit = 256;       // entries: what GENCAP counts in
constexpr std::uint64_t kAddressLow = 0;   // of an entry
constexpr std::uint64_t kAddressHigh = 4;  //
constexpr std::uint64_t kData = 8;         //
constexpr std::uint64_t kControl = 12;     //
constexpr unsigned kMasked = 0;            // bits of the control word; 31:12 PASID
constexpr unsigned kPasidEnable = 3;       //
}  // namespace ims

constexpr std::uint64_t gencap_with_ims(std::uint64_t gencap, std::uint64_t units) {
    return set_bits(gencap, 30, 25, units);
}
constexpr std::uint64_t ims_units_of_gencap(std::uint64_t gencap) {
    return get_bits(gencap, 30, 25);
}
// Fourth value of OFFSETS.
constexpr std::uint64_t offsets_with_ims(std::uint64_t low) {
    return set_bits(low, 63, 48, ims::kTable >> 8U);
}
constexpr std::uint64_t ims_of_offsets(std::uint64_t low) {
    return get_bits(low, 63, 48) << 8U;
}
constexpr std::uint32_t encode_ims_control(bool masked, bool pasid_enable, std::uint32_t pasid) {
    return static_cast<std::uint32_t>(set_bits(
        set_bit(set_bit(0, ims::kMasked, masked), ims::kPasidEnable, pasid_enable), 31, 12, pasid));
}

}  // namespace ioasim::dsa
