// Who gets a transaction: address ranges and requester ids of the root complex's ports. Plain data,
// no time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/pcie/pcie_if.hpp"

namespace ioasim::pcie {

using PortId = std::uint32_t;

class RoutingTable {
public:
    // Ranges of different ports must not overlap.
    void claim(PortId port, BarRange range);
    // The port whose range holds all of [address, address + length); none when no range does.
    std::optional<PortId> by_address(std::uint64_t address, std::uint64_t length) const;

    void add_function(PortId port, Rid rid);
    std::optional<PortId> by_function(Rid rid) const;

private:
    struct Claim {
        BarRange range;
        PortId port;
    };
    struct Function {
        Rid rid;
        PortId port;
    };
    std::vector<Claim> claims_;        // by base
    std::vector<Function> functions_;  // by rid
};

}  // namespace ioasim::pcie
