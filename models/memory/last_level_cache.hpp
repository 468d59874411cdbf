// Which lines of memory a last-level cache holds. It has no data: bytes stay in memory and are
// coherent; residence decides how long an access takes and whether memory's rate is used.
//
// Lines are kept by page and by who brought them: processors may fill the whole cache, writes of
// devices a share of it (Intel Data Direct I/O: some of the ways). Reads of devices bring nothing.
// What has to go is a line of the page that was touched longest ago, of the device share when that
// is full, else of both. Left out: sets (no conflict misses), what the processors' own caches hold
// beyond it, fills of lines that a device writes in part.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/base/types.hpp"

namespace ioasim::memory {

constexpr std::uint64_t kCacheLineBytes = 64;

inline std::uint64_t lines_touched(Hpa address, std::size_t size) {
    return size == 0 ? 0
                     : (address.value() + size - 1) / kCacheLineBytes -
                           address.value() / kCacheLineBytes + 1;
}

// Lines [0, 64) of the page at `page`, a bit each.
struct CacheLines {
    std::uint64_t page = 0;
    std::uint64_t lines = 0;
};

class LastLevelCache {
public:
    enum class Filler : std::uint8_t { Processor, Device };

    // `bytes` 0: there is none. `device_bytes`: the share that writes of devices may fill.
    LastLevelCache(std::uint64_t bytes, std::uint64_t device_bytes);

    bool present() const { return capacity_ != 0; }
    // Lines of the range that are here.
    std::uint64_t held(Hpa address, std::size_t size) const;
    // The same, and they are the last to go now. Written ones will have to go back to memory.
    std::uint64_t touch(Hpa address, std::size_t size, bool written);
    // All lines of the range are here from now on; returns how many were before. Lines that go back
    // to memory for them are appended to `out`.
    std::uint64_t fill(Hpa address, std::size_t size, Filler filler, bool written,
                       std::vector<CacheLines>& out);
    // The range is not here any more; written lines of it are appended to `out`.
    void drop(Hpa address, std::size_t size, std::vector<CacheLines>& out);

    std::uint64_t lines() const { return lines_[0] + lines_[1]; }
    std::uint64_t device_lines() const { return lines_[1]; }

private:
    static constexpr std::uint32_t kNone = ~0U;
    static constexpr std::size_t kFillers = 2;
    struct Sector {
        std::uint64_t page = 0;
        std::uint64_t lines = 0;
        std::uint64_t written = 0;
        std::uint64_t stamp = 0;
        std::uint32_t older = kNone;
        std::uint32_t newer = kNone;
    };
    struct Order {
        std::uint32_t oldest = kNone;
        std::uint32_t newest = kNone;
    };

    // A page's sector of each filler, or kNone.
    using Places = std::array<std::uint32_t, kFillers>;
    static constexpr Places kNowhere{kNone, kNone};

    Places places(std::uint64_t page) const;
    std::uint32_t find_or_add(std::uint64_t page, std::size_t filler);
    void unlink(std::uint32_t index, std::size_t filler);
    void link_newest(std::uint32_t index, std::size_t filler);
    void remove_lines(std::uint32_t index, std::size_t filler, std::uint64_t lines,
                      std::vector<CacheLines>& out);
    void evict(std::size_t filler, std::vector<CacheLines>& out);
    void make_room(std::vector<CacheLines>& out);
    std::uint64_t touch_page(std::uint64_t page, std::uint64_t lines, bool written);
    // Calls visit(page, lines) for each page of the range.
    template <class Visit>
    static void each_page(Hpa address, std::size_t size, Visit visit);

    std::uint64_t capacity_ = 0;  // lines
    std::uint64_t device_capacity_ = 0;
    std::array<std::uint64_t, kFillers> lines_{};
    std::array<Order, kFillers> order_;
    std::uint64_t touches_ = 0;
    std::vector<Sector> sectors_;
    std::vector<std::uint32_t> free_;
    std::unordered_map<std::uint64_t, Places> by_page_;
};

}  // namespace ioasim::memory
