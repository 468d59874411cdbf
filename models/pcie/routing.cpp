#include "models/pcie/routing.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace ioasim::pcie {

void RoutingTable::claim(PortId port, BarRange range) {
    SIM_CHECK(range.size != 0 && range.base + range.size > range.base,
              "empty or wrapping range {:#x}+{:#x}", range.base, range.size);
    const auto after = std::find_if(claims_.begin(), claims_.end(),
                                    [&](const Claim& c) { return c.range.base > range.base; });
    const bool hits_next = after != claims_.end() && range.base + range.size > after->range.base;
    const bool hits_previous =
        after != claims_.begin() &&
        std::prev(after)->range.base + std::prev(after)->range.size > range.base;
    SIM_CHECK(!hits_next && !hits_previous, "range {:#x}+{:#x} overlaps another", range.base,
              range.size);
    claims_.insert(after, {range, port});
}

std::optional<PortId> RoutingTable::by_address(std::uint64_t address, std::uint64_t length) const {
    const auto after =
        std::upper_bound(claims_.begin(), claims_.end(), address,
                         [](std::uint64_t a, const Claim& c) { return a < c.range.base; });
    if (after == claims_.begin()) {
        return std::nullopt;
    }
    const BarRange& range = std::prev(after)->range;
    const std::uint64_t offset = address - range.base;
    if (offset >= range.size || length > range.size - offset) {
        return std::nullopt;
    }
    return std::prev(after)->port;
}

void RoutingTable::add_function(PortId port, Rid rid) {
    const auto at = std::lower_bound(functions_.begin(), functions_.end(), rid,
                                     [](const Function& f, Rid r) { return f.rid < r; });
    SIM_CHECK(at == functions_.end() || at->rid != rid, "two functions with id {:#06x}",
              rid.value());
    functions_.insert(at, {rid, port});
}

std::optional<PortId> RoutingTable::by_function(Rid rid) const {
    const auto at = std::lower_bound(functions_.begin(), functions_.end(), rid,
                                     [](const Function& f, Rid r) { return f.rid < r; });
    if (at == functions_.end() || at->rid != rid) {
        return std::nullopt;
    }
    return at->port;
}

}  // namespace ioasim::pcie
