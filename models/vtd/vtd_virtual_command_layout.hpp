// The virtual command registers in their two layouts. VT-d 3.3 moved the registers, widened status
// and operands and took a bit of VCCAP for each command; virtual machine monitors and guests of
// either time exist. Registers and fields of the newer one: vtd_register_layout.hpp.
#pragma once

#include <cstdint>

#include "models/vtd/vtd_register_layout.hpp"

namespace ioasim::vtd {

struct VirtualCommandLayout {
    std::uint32_t capability;  // offsets: VCCAP,
    std::uint32_t command;     // VCMD,
    std::uint32_t response;    // VCRSP
    Field status;              // of VCRSP
    Field operand_pasid;       // of VCMD, for free
    Field result_pasid;        // of VCRSP, of allocate
    std::uint64_t no_pasid;    // status: none available, or not one to free
    std::uint64_t capabilities;
};

// 11.4.45 to 11.4.48, revision 3.3 and later.
inline constexpr VirtualCommandLayout kVirtualCommands{
    reg::kVccap,          reg::kVcmd,
    reg::kVcrsp,          vcmd::kStatus,
    vcmd::kOperandPasid,  vcmd::kResultPasid,
    vcmd::kStatusNoPasid, vcmd::kCapNull | vcmd::kCapAllocate | vcmd::kCapFree};

// Revisions 3.0 to 3.2; bit 0 of VCCAP stands for both commands.
inline constexpr VirtualCommandLayout kEarlyVirtualCommands{
    0xE00, 0xE10, 0xE20, Field{2, 1}, Field{27, 8}, Field{27, 8}, 2, 1};

inline constexpr const VirtualCommandLayout& virtual_commands(bool early) {
    return early ? kEarlyVirtualCommands : kVirtualCommands;
}

}  // namespace ioasim::vtd
