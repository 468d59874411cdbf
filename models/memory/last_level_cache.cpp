#include "models/memory/last_level_cache.hpp"

#include <algorithm>

namespace ioasim::memory {
namespace {

constexpr std::size_t kProcessor = 0;
constexpr std::size_t kDevice = 1;

std::uint64_t count(std::uint64_t lines) {
    return static_cast<std::uint64_t>(__builtin_popcountll(lines));
}

// Lines `first` to `last` of a page.
std::uint64_t mask(std::uint64_t first, std::uint64_t last) {
    return (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first);
}

}  // namespace

LastLevelCache::LastLevelCache(std::uint64_t bytes, std::uint64_t device_bytes)
    : capacity_(bytes / kCacheLineBytes),
      device_capacity_(std::min(device_bytes, bytes) / kCacheLineBytes) {}

template <class Visit>
void LastLevelCache::each_page(Hpa address, std::size_t size, Visit visit) {
    if (size == 0) {
        return;
    }
    const std::uint64_t end = (address.value() + size - 1) / kCacheLineBytes;
    constexpr std::uint64_t kLines = kPageSize / kCacheLineBytes;
    std::uint64_t line = address.value() / kCacheLineBytes;
    while (line <= end) {
        const std::uint64_t last = std::min(end, line / kLines * kLines + kLines - 1);
        visit(line / kLines, mask(line % kLines, last % kLines));
        line = last + 1;
    }
}

LastLevelCache::Places LastLevelCache::places(std::uint64_t page) const {
    const auto found = by_page_.find(page);
    return found == by_page_.end() ? kNowhere : found->second;
}

void LastLevelCache::unlink(std::uint32_t index, std::size_t filler) {
    Sector& s = sectors_[index];
    (s.older == kNone ? order_[filler].oldest : sectors_[s.older].newer) = s.newer;
    (s.newer == kNone ? order_[filler].newest : sectors_[s.newer].older) = s.older;
}

void LastLevelCache::link_newest(std::uint32_t index, std::size_t filler) {
    Order& order = order_[filler];
    Sector& s = sectors_[index];
    s.stamp = ++touches_;
    s.older = order.newest;
    s.newer = kNone;
    (order.newest == kNone ? order.oldest : sectors_[order.newest].newer) = index;
    order.newest = index;
}

std::uint32_t LastLevelCache::find_or_add(std::uint64_t page, std::size_t filler) {
    std::uint32_t& index = by_page_.try_emplace(page, kNowhere).first->second[filler];
    if (index != kNone) {
        unlink(index, filler);
        link_newest(index, filler);
        return index;
    }
    if (free_.empty()) {
        index = static_cast<std::uint32_t>(sectors_.size());
        sectors_.emplace_back();
    } else {
        index = free_.back();
        free_.pop_back();
        sectors_[index] = Sector{};
    }
    sectors_[index].page = page;
    link_newest(index, filler);
    return index;
}

void LastLevelCache::remove_lines(std::uint32_t index, std::size_t filler, std::uint64_t lines,
                                  std::vector<CacheLines>& out) {
    Sector& s = sectors_[index];
    const std::uint64_t gone = s.lines & lines;
    if ((gone & s.written) != 0) {
        out.push_back({s.page * kPageSize, gone & s.written});
    }
    s.lines &= ~gone;
    s.written &= ~gone;
    lines_[filler] -= count(gone);
    if (s.lines == 0) {
        unlink(index, filler);
        const auto of_page = by_page_.find(s.page);
        of_page->second[filler] = kNone;
        if (of_page->second == kNowhere) {
            by_page_.erase(of_page);
        }
        free_.push_back(index);
    }
}

void LastLevelCache::evict(std::size_t filler, std::vector<CacheLines>& out) {
    const std::uint32_t index = order_[filler].oldest;
    const std::uint64_t lines = sectors_[index].lines;
    remove_lines(index, filler, lines & (~lines + 1), out);  // the lowest
}

void LastLevelCache::make_room(std::vector<CacheLines>& out) {
    while (lines_[kDevice] > device_capacity_) {
        evict(kDevice, out);
    }
    while (lines() > capacity_) {
        const std::uint32_t mine = order_[kProcessor].oldest;
        const std::uint32_t device = order_[kDevice].oldest;
        const bool of_device =
            mine == kNone || (device != kNone && sectors_[device].stamp < sectors_[mine].stamp);
        evict(of_device ? kDevice : kProcessor, out);
    }
}

std::uint64_t LastLevelCache::held(Hpa address, std::size_t size) const {
    std::uint64_t hits = 0;
    if (lines() == 0) {
        return hits;
    }
    each_page(address, size, [&](std::uint64_t page, std::uint64_t lines) {
        for (const std::uint32_t index : places(page)) {
            hits += index == kNone ? 0 : count(sectors_[index].lines & lines);
        }
    });
    return hits;
}

// Those of the page's lines that are here; they are the last to go now.
std::uint64_t LastLevelCache::touch_page(std::uint64_t page, std::uint64_t lines, bool written) {
    std::uint64_t all = 0;
    const Places of_page = places(page);
    for (std::size_t filler = 0; filler < kFillers; ++filler) {
        const std::uint32_t index = of_page[filler];
        const std::uint64_t here = index == kNone ? 0 : sectors_[index].lines & lines;
        if (here == 0) {
            continue;
        }
        all |= here;
        sectors_[index].written |= written ? here : 0;
        unlink(index, filler);
        link_newest(index, filler);
    }
    return all;
}

std::uint64_t LastLevelCache::touch(Hpa address, std::size_t size, bool written) {
    std::uint64_t hits = 0;
    if (lines() == 0) {
        return hits;
    }
    each_page(address, size, [&](std::uint64_t page, std::uint64_t lines) {
        hits += count(touch_page(page, lines, written));
    });
    return hits;
}

std::uint64_t LastLevelCache::fill(Hpa address, std::size_t size, Filler filler, bool written,
                                   std::vector<CacheLines>& out) {
    const auto into = static_cast<std::size_t>(filler);
    const std::uint64_t room = filler == Filler::Device ? device_capacity_ : capacity_;
    std::uint64_t hits = 0;
    if (capacity_ == 0) {
        return hits;
    }
    each_page(address, size, [&](std::uint64_t page, std::uint64_t lines) {
        const std::uint64_t here = touch_page(page, lines, written);
        hits += count(here);
        const std::uint64_t missing = lines & ~here;
        if (missing == 0 || room == 0) {
            return;
        }
        Sector& s = sectors_[find_or_add(page, into)];
        s.lines |= missing;
        s.written |= written ? missing : 0;
        lines_[into] += count(missing);
        make_room(out);
    });
    return hits;
}

void LastLevelCache::drop(Hpa address, std::size_t size, std::vector<CacheLines>& out) {
    if (lines() == 0) {
        return;
    }
    each_page(address, size, [&](std::uint64_t page, std::uint64_t lines) {
        const Places of_page = places(page);
        for (std::size_t filler = 0; filler < kFillers; ++filler) {
            const std::uint32_t index = of_page[filler];
            if (index != kNone) {
                remove_lines(index, filler, lines, out);
            }
        }
    });
}

}  // namespace ioasim::memory
