// Configuration space of a root port with a slot, as a driver of slots needs it (PCI Express base
// specification 6.0, 7.5.1.3, 7.5.3; PCI 3.0 6.8.1), and which function that is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/types.hpp"

namespace ioasim::pcie {

// Offsets in the configuration space of a root port.
namespace slot {
constexpr std::uint32_t kVendor = 0x00;       // 16
constexpr std::uint32_t kHeaderType = 0x0E;   // 8
constexpr std::uint32_t kTypeOne = 1;         //
constexpr std::uint32_t kLinkStatus = 0x52;   // 16, in the PCI Express capability at 40h
constexpr std::uint32_t kSlotControl = 0x58;  // 16
constexpr std::uint32_t kSlotStatus = 0x5A;   // 16, changes are cleared by writing 1
constexpr std::uint32_t kMsiControl = 0x82;   // 16
constexpr std::uint32_t kMsiAddress = 0x84;   // 32
constexpr std::uint32_t kMsiData = 0x88;      // 16

constexpr std::uint32_t kLinkActive = 1U << 13U;              // LNKSTA: data link layer is up
constexpr std::uint32_t kPresenceChangedEnable = 1U << 3U;    // SLTCTL
constexpr std::uint32_t kHotPlugInterruptEnable = 1U << 5U;   //
constexpr std::uint32_t kLinkStateChangedEnable = 1U << 12U;  //
constexpr std::uint32_t kPresenceChanged = 1U << 3U;          // SLTSTA
constexpr std::uint32_t kPresent = 1U << 6U;                  //
constexpr std::uint32_t kLinkStateChanged = 1U << 8U;         //
constexpr std::uint32_t kMsiEnable = 1U << 0U;                // Message Control
}  // namespace slot

// Slots are told apart by the port's device number on a bus of their own.
constexpr std::uint16_t kRootPortBus = 0x80;
constexpr Rid root_port_of(std::size_t device) {
    return Rid{static_cast<std::uint16_t>(kRootPortBus << 8U | device << 3U)};
}

}  // namespace ioasim::pcie
