#include "models/linux/vfio_info.hpp"

namespace ioasim::os {
namespace {

constexpr std::uint32_t kCapHeaderBytes = 8;  // id, version, next
constexpr std::uint32_t kChainBound = 64;     // a longer one runs in circles

void put(std::vector<std::uint8_t>& out, std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

std::uint64_t get(const std::vector<std::uint8_t>& in, std::size_t at, unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes && at + i < in.size(); ++i) {
        value |= std::uint64_t{in[at + i]} << (8 * i);
    }
    return value;
}

// One capability; `place` is its offset, `last` ends the chain.
void put_capability(std::vector<std::uint8_t>& chain, std::uint32_t place, bool last,
                    std::uint16_t id, std::uint16_t version,
                    const std::vector<std::uint8_t>& body) {
    const auto bytes = static_cast<std::uint32_t>(kCapHeaderBytes + body.size());
    put(chain, id, 2);
    put(chain, version, 2);
    put(chain, last ? 0 : place + bytes, 4);
    chain.insert(chain.end(), body.begin(), body.end());
}

std::vector<std::uint8_t> chain_of(const IovaRanges& ranges, std::uint16_t version,
                                   std::uint64_t dma_available) {
    std::vector<std::uint8_t> chain;
    if (!ranges.empty()) {
        std::vector<std::uint8_t> body;
        put(body, ranges.list().size(), 4);
        put(body, 0, 4);
        for (const IovaRange& range : ranges.list()) {
            put(body, range.first, 8);
            put(body, range.last, 8);
        }
        put_capability(chain, kVfioInfoBytes, false, kVfioCapIovaRange, version, body);
    }
    std::vector<std::uint8_t> available;
    put(available, dma_available, 4);
    put(available, 0, 4);  // to a multiple of 8
    put_capability(chain, kVfioInfoBytes + static_cast<std::uint32_t>(chain.size()), true,
                   kVfioCapDmaAvail, 1, available);
    return chain;
}

void read_ranges(const std::vector<std::uint8_t>& bytes, std::size_t at, VfioInfo& out) {
    const std::uint64_t count = get(bytes, at + kCapHeaderBytes, 4);
    const std::size_t first = at + kCapHeaderBytes + 8;
    for (std::uint64_t i = 0; i < count && first + 16 * (i + 1) <= bytes.size(); ++i) {
        const std::size_t entry = first + static_cast<std::size_t>(16 * i);
        out.ranges.push_back({get(bytes, entry, 8), get(bytes, entry + 8, 8)});
    }
}

}  // namespace

std::vector<std::uint8_t> encode_info(std::uint32_t argsz, std::uint64_t page_sizes,
                                      const IovaRanges& ranges, std::uint16_t ranges_version,
                                      std::uint64_t dma_available) {
    const std::vector<std::uint8_t> chain = chain_of(ranges, ranges_version, dma_available);
    const auto whole = static_cast<std::uint32_t>(kVfioInfoBytes + chain.size());
    const bool fits = argsz >= whole;
    std::vector<std::uint8_t> out;
    put(out, fits ? argsz : whole, 4);
    put(out, kVfioInfoPageSizes | kVfioInfoCaps, 4);
    put(out, page_sizes, 8);
    put(out, fits ? kVfioInfoBytes : 0, 4);
    put(out, 0, 4);
    if (fits) {
        out.insert(out.end(), chain.begin(), chain.end());
    }
    if (out.size() > argsz) {
        out.resize(argsz);
    }
    return out;
}

bool decode_info(const std::vector<std::uint8_t>& bytes, VfioInfo& out) {
    out = {};
    out.argsz = static_cast<std::uint32_t>(get(bytes, 0, 4));
    out.flags = static_cast<std::uint32_t>(get(bytes, 4, 4));
    out.page_sizes = get(bytes, 8, 8);
    out.cap_offset = static_cast<std::uint32_t>(get(bytes, 16, 4));
    std::uint32_t at = out.cap_offset;
    for (std::uint32_t i = 0; at != 0; ++i) {
        if (i == kChainBound || at + kCapHeaderBytes > bytes.size()) {
            return false;
        }
        const auto id = static_cast<std::uint16_t>(get(bytes, at, 2));
        if (id == kVfioCapIovaRange) {
            out.ranges_version = static_cast<std::uint16_t>(get(bytes, at + 2, 2));
            read_ranges(bytes, at, out);
        } else if (id == kVfioCapDmaAvail) {
            out.dma_available = static_cast<std::uint32_t>(get(bytes, at + kCapHeaderBytes, 4));
        }
        at = static_cast<std::uint32_t>(get(bytes, at + 4, 4));
    }
    return true;
}

}  // namespace ioasim::os
