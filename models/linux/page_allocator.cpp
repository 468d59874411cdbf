#include "models/linux/page_allocator.hpp"

#include "core/base/check.hpp"

namespace ioasim::os {

PageAllocator::PageAllocator(std::uint64_t base, std::uint64_t bytes)
    : base_(base), total_(bytes / kPageSize) {
    SIM_CHECK(base % kPageSize == 0, "memory base {:#x} is not page aligned", base);
}

Result<PageRun> PageAllocator::alloc(std::uint64_t pages) {
    SIM_CHECK(pages > 0, "allocation of no pages");
    if (pages == 1 && !singles_.empty()) {
        const PageRun run{singles_.back(), 1, true};
        singles_.pop_back();
        ++used_;
        return run;
    }
    if (pages > total_ - fresh_) {
        return Errno::Enomem;
    }
    const PageRun run{base_ + fresh_ * kPageSize, pages, false};
    fresh_ += pages;
    used_ += pages;
    return run;
}

void PageAllocator::free(std::uint64_t address, std::uint64_t pages) {
    SIM_CHECK(address >= base_ && address + pages * kPageSize <= base_ + fresh_ * kPageSize,
              "pages at {:#x} were never handed out", address);
    SIM_CHECK(pages <= used_, "more pages freed than used");
    used_ -= pages;
    for (std::uint64_t i = pages; i > 0; --i) {
        singles_.push_back(address + (i - 1) * kPageSize);
    }
}

}  // namespace ioasim::os
