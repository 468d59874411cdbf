#include "models/pcie/root_port.hpp"

#include "core/base/bits.hpp"

namespace ioasim::pcie {
namespace {

constexpr std::uint32_t kVendorIntel = 0x8086;
constexpr std::uint32_t kExpressId = 0x10;
constexpr std::uint32_t kExpress = 0x40;
constexpr std::uint32_t kMsi = 0x80;
constexpr std::uint32_t kMsiId = 0x05;
constexpr std::uint32_t kCapabilityPointer = 0x34;
// Version 2, root port of a root complex, with a slot.
constexpr std::uint32_t kExpressFlags = 2U | 4U << 4U | 1U << 8U;
constexpr std::uint32_t kHighHalf = 16;
constexpr std::uint32_t kControls =
    slot::kPresenceChangedEnable | slot::kHotPlugInterruptEnable | slot::kLinkStateChangedEnable;

}  // namespace

std::uint32_t RootPort::dword(std::uint32_t offset) const {
    switch (offset) {
        case slot::kVendor:
            return kVendorIntel;
        case slot::kHeaderType & ~3U:
            return slot::kTypeOne << kHighHalf;
        case kCapabilityPointer:
            return kExpress;
        case kExpress:
            return kExpressId | kMsi << 8U | kExpressFlags << kHighHalf;
        case slot::kLinkStatus & ~3U:
            return (up_ ? slot::kLinkActive : 0) << kHighHalf;
        case slot::kSlotControl:
            return slot_control_ | (changes_ | (up_ ? slot::kPresent : 0)) << kHighHalf;
        case kMsi:
            return kMsiId | msi_control_ << kHighHalf;
        case slot::kMsiAddress:
            return msi_address_;
        case slot::kMsiData:
            return msi_data_;
        default:
            return 0;
    }
}

std::uint32_t RootPort::read(std::uint32_t offset, unsigned size) const {
    const unsigned low = (offset & 3U) * 8;
    return static_cast<std::uint32_t>(get_bits(dword(offset & ~3U), low + size * 8 - 1, low));
}

void RootPort::write(std::uint32_t offset, std::uint32_t value, unsigned) {
    switch (offset) {
        case slot::kSlotControl:
            slot_control_ = value & kControls;
            break;
        case slot::kSlotStatus:
            changes_ &= ~value;
            break;
        case slot::kMsiControl:
            msi_control_ = value & slot::kMsiEnable;
            break;
        case slot::kMsiAddress:
            msi_address_ = value & ~3U;
            break;
        case slot::kMsiData:
            msi_data_ = value & 0xFFFFU;
            break;
        default:
            break;
    }
}

std::optional<RootPort::Message> RootPort::link_down() {
    up_ = false;
    changes_ |= slot::kPresenceChanged | slot::kLinkStateChanged;
    const bool wanted = (slot_control_ & slot::kHotPlugInterruptEnable) != 0 &&
                        (slot_control_ & ~slot::kHotPlugInterruptEnable) != 0 && msi_control_ != 0;
    return wanted ? std::optional<Message>({msi_address_, msi_data_}) : std::nullopt;
}

}  // namespace ioasim::pcie
