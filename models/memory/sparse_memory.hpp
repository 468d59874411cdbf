// Physical memory that keeps only what is not zero: blocks of 64 bytes, grouped by page so that a
// page table with a single entry costs one block and a data page lies in one piece.
//
// A page holds its present blocks in address order in a run of 1, 2, 4 ... 64 blocks from a pool of
// that size; a bit mask says which. Writing zeros never allocates, and a block that becomes zero
// goes back to its pool. A line whose error could not be corrected is poisoned, whatever its bytes,
// until it is written as a whole. Left out: correctable errors, NUMA distances.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "models/memory/memory_if.hpp"

namespace ioasim::memory {

struct MemoryRange {
    Hpa base;
    std::uint64_t bytes = 0;
};

class SparseMemory final : public PhysicalMemory {
public:
    explicit SparseMemory(std::vector<MemoryRange> ranges);

    void read(Hpa address, void* out, std::size_t size) const override;
    void write(Hpa address, const void* in, std::size_t size) override;
    bool contains(Hpa address, std::size_t size) const override;

    // Every line that the range touches has an error that cannot be corrected.
    void poison(Hpa address, std::size_t size);
    bool poisoned(Hpa address, std::size_t size) const override;
    std::size_t poisoned_lines() const { return poisoned_.size(); }

    const std::vector<MemoryRange>& ranges() const { return ranges_; }
    // Non-zero blocks, pages with at least one, and what the host pays for them.
    std::uint64_t blocks() const { return blocks_; }
    std::uint64_t pages() const { return pages_; }
    std::uint64_t host_bytes() const;

private:
    static constexpr std::size_t kBlockBytes = 64;
    static constexpr unsigned kClasses = 7;  // runs of 2^0 .. 2^6 blocks
    using Block = std::array<std::uint8_t, kBlockBytes>;

    struct Page {
        std::uint64_t number_plus_one = 0;  // 0: free slot
        std::uint64_t present = 0;          // bit per block of the page
        Block* run = nullptr;
        unsigned run_class = 0;
    };

    const Page* find(std::uint64_t number) const;
    Page& find_or_add(std::uint64_t number);
    void erase(std::uint64_t number);
    std::size_t home(std::uint64_t number) const;
    void grow_table();

    Block* take_run(unsigned run_class);
    void give_run(Block* run, unsigned run_class);
    Block& add_block(Page& page, unsigned index);
    void remove_block(Page& page, unsigned index);
    void move_run(Page& page, unsigned run_class);
    void write_page(std::uint64_t number, std::size_t offset, const std::uint8_t* in,
                    std::size_t size);
    void read_page(const Page& page, std::size_t offset, std::uint8_t* out, std::size_t size) const;

    // Lines that a write covers whole are good again.
    void heal(Hpa address, std::size_t size);

    std::vector<MemoryRange> ranges_;
    std::set<std::uint64_t> poisoned_;  // numbers of blocks
    std::vector<Page> table_;
    std::uint64_t pages_ = 0;
    std::uint64_t blocks_ = 0;
    std::vector<std::unique_ptr<Block[]>> chunks_;
    std::array<std::vector<Block*>, kClasses> free_runs_;
};

}  // namespace ioasim::memory
