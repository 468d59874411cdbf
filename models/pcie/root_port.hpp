// The registers of a root port with a slot, from which a function can be pulled (PCI Express base
// specification 6.0, 7.5.1.3 type 1 header, 7.5.3 PCI Express capability with slot registers,
// 6.7 hot-plug; PCI 3.0 6.8.1 message signalled interrupts): the link's state, what changed, and
// the interrupt that tells it. Plain data without time.
//
// Only what a driver of slots needs. Left out: power, attention button and indicators, the latch,
// bus numbers and windows (the one function behind the port keeps the number that it has), adding
// a function while the system runs.
#pragma once

#include <cstdint>
#include <optional>

#include "models/pcie/slot_layout.hpp"

namespace ioasim::pcie {

class RootPort {
public:
    struct Message {
        std::uint64_t address = 0;
        std::uint32_t data = 0;
    };

    std::uint32_t read(std::uint32_t offset, unsigned size) const;
    void write(std::uint32_t offset, std::uint32_t value, unsigned size);
    // The function is gone: the state, and the interrupt if software wants it.
    std::optional<Message> link_down();
    bool up() const { return up_; }

private:
    std::uint32_t dword(std::uint32_t offset) const;

    bool up_ = true;
    std::uint32_t slot_control_ = 0;
    std::uint32_t changes_ = 0;
    std::uint32_t msi_control_ = 0;
    std::uint32_t msi_address_ = 0;
    std::uint32_t msi_data_ = 0;
};

}  // namespace ioasim::pcie
