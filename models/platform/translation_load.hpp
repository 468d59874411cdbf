// One device, one remapping unit, memory, and nothing else: what `bench vtd` times. The device
// reads 64 bytes at a time through nested tables of four levels each, round its pages; either every
// page is in the IOTLB, or the unit has no caches and walks in full each time.
#pragma once

#include <cstdint>
#include <memory>

namespace ioasim::platform {

class TranslationLoad {
public:
    enum class Kind : std::uint8_t { IotlbHits, ColdNestedWalks };

    // `in_flight` reads at a time until `reads` are answered.
    TranslationLoad(Kind kind, unsigned in_flight, std::uint64_t reads);
    ~TranslationLoad();

    // Returns the reads that succeeded.
    std::uint64_t run();
    // Messages between the modules so far, without those that brought the unit up.
    std::uint64_t messages() const;

    // What one read needs: device, unit, memory, unit, device, and two for each read of a walk.
    static unsigned messages_needed(Kind kind);

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace ioasim::platform
