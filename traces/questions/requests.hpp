// What became of the requests of a descriptor behind the device: which were translated, which were
// blocked, and whether its record came to memory. Writes are posted: the unit judges them when the
// device has long reported the end.
#pragma once

#include <cstdint>

#include "traces/questions/scene.hpp"

namespace ioasim::traces {

struct RequestFates {
    static constexpr std::size_t kNever = ~std::size_t{0};

    std::size_t first = kNever;  // requests
    std::size_t last = kNever;
    std::uint64_t count = 0;
    std::uint64_t hits = 0;     // translated from the IOTLB
    std::uint64_t walks = 0;    // translated by a walk
    std::uint64_t asked = 0;    // translation requests of the device that were answered
    std::uint64_t blocked = 0;  // writes too
    std::uint64_t blocked_writes = 0;
    std::size_t first_fault = kNever;
    std::size_t end = 0;  // the last event of any of them
    // Of the record that the device wrote; both kNever: no event tells.
    std::size_t record_blocked = kNever;
    std::size_t record_in_memory = kNever;

    // Without any of these in this trace.
    std::uint64_t open() const { return count - hits - walks - asked - blocked; }
};

// `record`: the dsa.access that wrote the record; kNever: there was none.
RequestFates request_fates(const Scene& scene, const std::string& device, std::uint64_t descriptor,
                           std::size_t record);

}  // namespace ioasim::traces
