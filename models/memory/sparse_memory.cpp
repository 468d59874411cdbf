#include "models/memory/sparse_memory.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/check.hpp"

namespace ioasim::memory {
namespace {

constexpr std::size_t kChunkBlocks = 1024;
constexpr std::uint64_t kAllBlocks = ~std::uint64_t{0};

bool all_zero(const std::uint8_t* bytes, std::size_t size) {
    return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

// Position of block `index` among the present ones.
unsigned rank_of(std::uint64_t present, unsigned index) {
    const std::uint64_t below = present & ((std::uint64_t{1} << index) - 1);
    return static_cast<unsigned>(__builtin_popcountll(below));
}

}  // namespace

SparseMemory::SparseMemory(std::vector<MemoryRange> ranges)
    : ranges_(std::move(ranges)), table_(1024) {}

bool SparseMemory::contains(Hpa address, std::size_t size) const {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const MemoryRange& r) {
        return address >= r.base && size <= r.bytes &&
               address.value() - r.base.value() <= r.bytes - size;
    });
}

void SparseMemory::poison(Hpa address, std::size_t size) {
    SIM_CHECK(size != 0 && contains(address, size), "poison at {:#x}+{} outside of memory",
              address.value(), size);
    const std::uint64_t last = (address.value() + size - 1) / kBlockBytes;
    for (std::uint64_t line = address.value() / kBlockBytes; line <= last; ++line) {
        poisoned_.insert(line);
    }
}

bool SparseMemory::poisoned(Hpa address, std::size_t size) const {
    if (poisoned_.empty() || size == 0) {
        return false;
    }
    const auto first = poisoned_.lower_bound(address.value() / kBlockBytes);
    return first != poisoned_.end() && *first <= (address.value() + size - 1) / kBlockBytes;
}

void SparseMemory::heal(Hpa address, std::size_t size) {
    const std::uint64_t first = (address.value() + kBlockBytes - 1) / kBlockBytes;
    const std::uint64_t end = (address.value() + size) / kBlockBytes;
    if (first < end) {
        poisoned_.erase(poisoned_.lower_bound(first), poisoned_.lower_bound(end));
    }
}

std::uint64_t SparseMemory::host_bytes() const {
    return table_.size() * sizeof(Page) + chunks_.size() * kChunkBlocks * kBlockBytes;
}

std::size_t SparseMemory::home(std::uint64_t number) const {
    // Fibonacci hashing: neighbouring pages spread over the table.
    const std::uint64_t mixed = number * 0x9E37'79B9'7F4A'7C15ULL;
    return static_cast<std::size_t>(mixed >> 20U) & (table_.size() - 1);
}

const SparseMemory::Page* SparseMemory::find(std::uint64_t number) const {
    for (std::size_t i = home(number);; i = (i + 1) & (table_.size() - 1)) {
        const Page& page = table_[i];
        if (page.number_plus_one == number + 1) {
            return &page;
        }
        if (page.number_plus_one == 0) {
            return nullptr;
        }
    }
}

SparseMemory::Page& SparseMemory::find_or_add(std::uint64_t number) {
    if ((pages_ + 1) * 4 > table_.size() * 3) {
        grow_table();
    }
    for (std::size_t i = home(number);; i = (i + 1) & (table_.size() - 1)) {
        Page& page = table_[i];
        if (page.number_plus_one == number + 1) {
            return page;
        }
        if (page.number_plus_one == 0) {
            page.number_plus_one = number + 1;
            ++pages_;
            return page;
        }
    }
}

void SparseMemory::grow_table() {
    std::vector<Page> old(table_.size() * 2);
    old.swap(table_);
    for (const Page& page : old) {
        if (page.number_plus_one == 0) {
            continue;
        }
        std::size_t i = home(page.number_plus_one - 1);
        while (table_[i].number_plus_one != 0) {
            i = (i + 1) & (table_.size() - 1);
        }
        table_[i] = page;
    }
}

void SparseMemory::erase(std::uint64_t number) {
    const std::size_t mask = table_.size() - 1;
    std::size_t hole = home(number);
    while (table_[hole].number_plus_one != number + 1) {
        hole = (hole + 1) & mask;
    }
    --pages_;
    // Close the gap: a later page of the same probe chain moves up unless it is already home.
    for (std::size_t next = (hole + 1) & mask; table_[next].number_plus_one != 0;
         next = (next + 1) & mask) {
        const std::size_t wanted = home(table_[next].number_plus_one - 1);
        if (((next - wanted) & mask) >= ((next - hole) & mask)) {
            table_[hole] = table_[next];
            hole = next;
        }
    }
    table_[hole] = Page{};
}

SparseMemory::Block* SparseMemory::take_run(unsigned run_class) {
    std::vector<Block*>& free = free_runs_[run_class];
    if (free.empty()) {
        // Not cleared here: a block is filled when it is added.
        chunks_.emplace_back(new Block[kChunkBlocks]);
        Block* const chunk = chunks_.back().get();
        const std::size_t run = std::size_t{1} << run_class;
        for (std::size_t i = kChunkBlocks; i != 0; i -= run) {
            free.push_back(chunk + i - run);
        }
    }
    Block* const run = free.back();
    free.pop_back();
    return run;
}

void SparseMemory::give_run(Block* run, unsigned run_class) {
    free_runs_[run_class].push_back(run);
}

void SparseMemory::move_run(Page& page, unsigned run_class) {
    Block* const run = take_run(run_class);
    if (page.run != nullptr) {
        const auto held = static_cast<std::size_t>(__builtin_popcountll(page.present));
        std::copy(page.run, page.run + held, run);
        give_run(page.run, page.run_class);
    }
    page.run = run;
    page.run_class = run_class;
}

SparseMemory::Block& SparseMemory::add_block(Page& page, unsigned index) {
    const auto held = static_cast<unsigned>(__builtin_popcountll(page.present));
    if (page.run == nullptr) {
        move_run(page, 0);
    } else if (held == (1U << page.run_class)) {
        move_run(page, page.run_class + 1);
    }
    const unsigned rank = rank_of(page.present, index);
    std::copy_backward(page.run + rank, page.run + held, page.run + held + 1);
    page.present |= std::uint64_t{1} << index;
    page.run[rank].fill(0);
    ++blocks_;
    return page.run[rank];
}

void SparseMemory::remove_block(Page& page, unsigned index) {
    const auto held = static_cast<unsigned>(__builtin_popcountll(page.present));
    const unsigned rank = rank_of(page.present, index);
    std::copy(page.run + rank + 1, page.run + held, page.run + rank);
    page.present &= ~(std::uint64_t{1} << index);
    --blocks_;
    if (page.present == 0) {
        give_run(page.run, page.run_class);
        erase(page.number_plus_one - 1);
    } else if (page.run_class >= 2 && held - 1 <= (1U << page.run_class) / 4) {
        move_run(page, page.run_class - 1);
    }
}

void SparseMemory::read_page(const Page& page, std::size_t offset, std::uint8_t* out,
                             std::size_t size) const {
    if (page.present == kAllBlocks) {
        std::memcpy(out, page.run[0].data() + offset, size);
        return;
    }
    while (size != 0) {
        const auto index = static_cast<unsigned>(offset / kBlockBytes);
        const std::size_t within = offset % kBlockBytes;
        const std::size_t part = std::min(size, kBlockBytes - within);
        if ((page.present >> index & 1U) != 0) {
            std::memcpy(out, page.run[rank_of(page.present, index)].data() + within, part);
        } else {
            std::memset(out, 0, part);
        }
        out += part;
        offset += part;
        size -= part;
    }
}

void SparseMemory::read(Hpa address, void* out, std::size_t size) const {
    SIM_CHECK(contains(address, size), "read of {:#x}+{} outside of memory", address.value(), size);
    auto* bytes = static_cast<std::uint8_t*>(out);
    std::uint64_t at = address.value();
    while (size != 0) {
        const std::size_t offset = at % kPageSize;
        const std::size_t part = std::min<std::size_t>(size, kPageSize - offset);
        const Page* const page = find(at / kPageSize);
        if (page == nullptr) {
            std::memset(bytes, 0, part);
        } else {
            read_page(*page, offset, bytes, part);
        }
        bytes += part;
        at += part;
        size -= part;
    }
}

void SparseMemory::write_page(std::uint64_t number, std::size_t offset, const std::uint8_t* in,
                              std::size_t size) {
    Page* page = const_cast<Page*>(find(number));
    while (size != 0) {
        const auto index = static_cast<unsigned>(offset / kBlockBytes);
        const std::size_t within = offset % kBlockBytes;
        const std::size_t part = std::min(size, kBlockBytes - within);
        const bool zero = all_zero(in, part);
        const bool present = page != nullptr && (page->present >> index & 1U) != 0;
        if (present) {
            Block& block = page->run[rank_of(page->present, index)];
            std::memcpy(block.data() + within, in, part);
            if (zero && all_zero(block.data(), kBlockBytes)) {
                remove_block(*page, index);
                page = const_cast<Page*>(find(number));
            }
        } else if (!zero) {
            page = page == nullptr ? &find_or_add(number) : page;
            std::memcpy(add_block(*page, index).data() + within, in, part);
        }
        in += part;
        offset += part;
        size -= part;
    }
}

void SparseMemory::write(Hpa address, const void* in, std::size_t size) {
    SIM_CHECK(contains(address, size), "write of {:#x}+{} outside of memory", address.value(),
              size);
    if (!poisoned_.empty()) {
        heal(address, size);
    }
    const auto* bytes = static_cast<const std::uint8_t*>(in);
    std::uint64_t at = address.value();
    while (size != 0) {
        const std::size_t offset = at % kPageSize;
        const std::size_t part = std::min<std::size_t>(size, kPageSize - offset);
        write_page(at / kPageSize, offset, bytes, part);
        bytes += part;
        at += part;
        size -= part;
    }
}

}  // namespace ioasim::memory
