// Memory for many objects of one kind at stable addresses. The first few are allocated singly,
// since most stores stay small; then 2 MiB at a time, on huge pages where the host has them:
// whoever goes over a million objects at random otherwise waits for page tables. Objects go when
// the store goes.
#pragma once

#include <sys/mman.h>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace ioasim {

template <class T>
class SlabStore {
public:
    T* make() {
        if (singles_.size() < kSingles) {
            singles_.push_back(std::make_unique<T>());
            return singles_.back().get();
        }
        if (slabs_.empty() || used_ == kPerSlab) {
            slabs_.push_back(make_slab());
            used_ = 0;
        }
        return new (slabs_.back().get() + used_++ * sizeof(T)) T();
    }

private:
    static constexpr std::size_t kSingles = 64;
    static constexpr std::size_t kSlabBytes = std::size_t{2} << 20U;
    static constexpr std::size_t kPerSlab = kSlabBytes / sizeof(T);
    static_assert(std::is_trivially_destructible_v<T>, "a slab is freed as it is");
    static_assert(kPerSlab > 0, "an object larger than a slab");

    struct Free {
        void operator()(std::byte* slab) const { std::free(slab); }
    };
    using Slab = std::unique_ptr<std::byte, Free>;
    static Slab make_slab() {
        auto* const slab = static_cast<std::byte*>(std::aligned_alloc(kSlabBytes, kSlabBytes));
        if (slab == nullptr) {
            throw std::bad_alloc();
        }
        madvise(slab, kSlabBytes, MADV_HUGEPAGE);  // a host without them has ordinary pages
        return Slab(slab);
    }

    std::vector<std::unique_ptr<T>> singles_;
    std::vector<Slab> slabs_;
    std::size_t used_ = 0;  // of the last slab
};

}  // namespace ioasim
