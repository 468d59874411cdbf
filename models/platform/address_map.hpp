// Where the platform puts devices into host physical addresses: below the hole's end at 4 GiB, as
// PC firmware does. RAM lies below the hole and from 4 GiB on.
#pragma once

#include <cstdint>

#include "models/dsa/dsa_layout.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {

// Configuration space of 256 buses, below what the devices claim.
constexpr std::uint64_t kConfigurationWindow = 0xC000'0000;
constexpr std::uint64_t kDeviceRegisters = 0xE000'0000;  // BAR0 of the first device
constexpr std::uint64_t kDevicePortals = 0xD000'0000;    // BAR2 of the first device
constexpr std::uint64_t kPortalWindow = 64 * dsa::kPortalsOfWqBytes;
constexpr std::uint64_t kKernelBase = 0x10'0000;  // below 1 MiB: firmware
constexpr std::uint64_t kMaxDevices = 32;
constexpr std::uint64_t kMaxIommus = 16;

constexpr std::uint64_t device_registers(std::size_t index) {
    return kDeviceRegisters + index * dsa::kBar0Bytes;
}
constexpr std::uint64_t device_portals(std::size_t index) {
    return kDevicePortals + index * kPortalWindow;
}
constexpr std::uint64_t iommu_registers(std::size_t index) {
    return vtd::kDefaultRegisterBase + index * vtd::kRegisterBytes;
}

}  // namespace ioasim::platform
