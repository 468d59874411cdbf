// The page allocator of a kernel over its machine memory: bounded, lowest pages first, then the
// most recently freed. Leaves out: zones, per-CPU lists, reclaim. Pages never used before hold
// zeros (the machine's memory does); recycled ones are cleared by whoever allocates them through
// Kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/types.hpp"

namespace ioasim::os {

struct PageRun {
    std::uint64_t address = 0;  // machine physical
    std::uint64_t pages = 0;
    bool recycled = false;  // may hold old contents
};

class PageAllocator {
public:
    PageAllocator(std::uint64_t base, std::uint64_t bytes);

    // `pages` contiguous pages; -ENOMEM when there is no such run.
    Result<PageRun> alloc(std::uint64_t pages = 1);
    void free(std::uint64_t address, std::uint64_t pages = 1);

    std::uint64_t base() const { return base_; }
    std::uint64_t free_pages() const { return total_ - used_; }

private:
    std::uint64_t base_;
    std::uint64_t total_;
    std::uint64_t used_ = 0;
    std::uint64_t fresh_ = 0;             // pages below base + fresh * 4096 were handed out once
    std::vector<std::uint64_t> singles_;  // freed pages, taken from the back
};

}  // namespace ioasim::os
