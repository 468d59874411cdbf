#include "models/memory/cached_memory.hpp"

namespace ioasim::memory {

SocketCaches::SocketCaches(const MemoryParams& params)
    : node1_(params.node1_bytes == 0 ? Hpa{~std::uint64_t{0}} : node1_base(params)),
      caches_(params.node1_bytes == 0 ? 1 : 2,
              LastLevelCache{params.llc_bytes, params.llc_device_bytes}) {}

// What goes back to memory for it hides behind the processor's own work.
void CachedMemory::fill(Hpa address, std::size_t size, bool written) const {
    LastLevelCache& cache = caches_.of(address);
    if (cache.present()) {
        std::vector<CacheLines> written_back;
        cache.fill(address, size, LastLevelCache::Filler::Processor, written, written_back);
    }
}

void CachedMemory::look(Hpa address, void* out, std::size_t size) const {
    if (own_.present()) {
        own_.snoop(address, out, size);
    } else {
        bytes_.read(address, out, size);
    }
}

void CachedMemory::read(Hpa address, void* out, std::size_t size) const {
    look(address, out, size);
    fill(address, size, false);
}

void CachedMemory::write(Hpa address, const void* in, std::size_t size) {
    if (own_.present()) {
        own_.overwrite(address, in, size);
    } else {
        bytes_.write(address, in, size);
    }
    fill(address, size, true);
}

void CachedMemory::load(std::size_t processor, Hpa address, void* out, std::size_t size) {
    if (!own_.present()) {
        read(address, out, size);
        return;
    }
    own_.read(processor, address, out, size);
    fill(address, size, false);
}

void CachedMemory::store(std::size_t processor, Hpa address, const void* in, std::size_t size) {
    if (!own_.present()) {
        write(address, in, size);
        return;
    }
    own_.write(processor, address, in, size);
    fill(address, size, true);
}

bool CachedMemory::cached(Hpa address, std::size_t size) const {
    const LastLevelCache& cache = caches_.of(address);
    return !cache.present() || cache.held(address, size) == lines_touched(address, size);
}

void CachedMemory::flush(Hpa address, std::size_t size) {
    std::vector<CacheLines> written_back;
    caches_.of(address).drop(address, size, written_back);
    if (own_.present()) {
        own_.flush(address, size);
    }
}

}  // namespace ioasim::memory
