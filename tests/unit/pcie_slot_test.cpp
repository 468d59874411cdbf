// The registers of a root port with a slot.
#include <doctest/doctest.h>

#include "models/pcie/root_port.hpp"

namespace ioasim::pcie {
namespace {

RootPort armed() {
    RootPort port;
    port.write(slot::kMsiAddress, 0xFEE0'1000, 4);
    port.write(slot::kMsiData, 0x51, 2);
    port.write(slot::kMsiControl, slot::kMsiEnable, 2);
    port.write(slot::kSlotControl, slot::kHotPlugInterruptEnable | slot::kLinkStateChangedEnable,
               2);
    return port;
}

TEST_CASE("a slot shows a present function and an active link until it is pulled") {
    RootPort port = armed();
    CHECK(port.read(slot::kVendor, 2) == 0x8086);
    CHECK((port.read(slot::kHeaderType, 1) & 0x7FU) == slot::kTypeOne);
    CHECK((port.read(slot::kSlotStatus, 2) & slot::kPresent) != 0);
    CHECK((port.read(slot::kLinkStatus, 2) & slot::kLinkActive) != 0);
    const auto message = port.link_down();
    REQUIRE(message);
    CHECK(message->address == 0xFEE0'1000);
    CHECK(message->data == 0x51);
    CHECK_FALSE(port.up());
    CHECK((port.read(slot::kSlotStatus, 2) & slot::kPresent) == 0);
    CHECK((port.read(slot::kLinkStatus, 2) & slot::kLinkActive) == 0);
}

TEST_CASE("changes stay until 1 is written to them, one by one") {
    RootPort port = armed();
    static_cast<void>(port.link_down());
    const std::uint32_t both = slot::kPresenceChanged | slot::kLinkStateChanged;
    CHECK((port.read(slot::kSlotStatus, 2) & both) == both);
    port.write(slot::kSlotStatus, slot::kPresenceChanged, 2);
    CHECK((port.read(slot::kSlotStatus, 2) & both) == slot::kLinkStateChanged);
    port.write(slot::kSlotStatus, slot::kLinkStateChanged, 2);
    CHECK((port.read(slot::kSlotStatus, 2) & both) == 0);
}

TEST_CASE("no message without each of its enables") {
    for (const std::uint32_t offset : {slot::kMsiControl, slot::kSlotControl}) {
        RootPort port = armed();
        port.write(offset, 0, 2);
        CHECK_FALSE(port.link_down());
    }
    RootPort port = armed();
    port.write(slot::kSlotControl, slot::kHotPlugInterruptEnable, 2);  // of which change?
    CHECK_FALSE(port.link_down());
}

}  // namespace
}  // namespace ioasim::pcie
