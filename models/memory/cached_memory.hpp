// Memory as processors see it: their accesses bring lines into the last-level cache of the socket
// that the line belongs to, and CLFLUSH takes them out.
#pragma once

#include <vector>

#include "models/memory/last_level_cache.hpp"
#include "models/memory/memory_params.hpp"
#include "models/memory/sparse_memory.hpp"

namespace ioasim::memory {

// A last-level cache for each socket's memory.
class SocketCaches {
public:
    explicit SocketCaches(const MemoryParams& params);
    std::size_t node_of(Hpa address) const { return address >= node1_ ? 1 : 0; }
    LastLevelCache& of(Hpa address) { return caches_[node_of(address)]; }
    const LastLevelCache& of(Hpa address) const { return caches_[node_of(address)]; }
    const LastLevelCache& at(std::size_t node) const { return caches_.at(node); }

private:
    Hpa node1_;
    std::vector<LastLevelCache> caches_;
};

class CachedMemory final : public PhysicalMemory {
public:
    CachedMemory(SparseMemory& bytes, SocketCaches& caches) : bytes_(bytes), caches_(caches) {}

    void read(Hpa address, void* out, std::size_t size) const override;
    void write(Hpa address, const void* in, std::size_t size) override;
    bool contains(Hpa address, std::size_t size) const override {
        return bytes_.contains(address, size);
    }
    bool poisoned(Hpa address, std::size_t size) const override {
        return bytes_.poisoned(address, size);
    }
    bool cached(Hpa address, std::size_t size) const override;
    void flush(Hpa address, std::size_t size) override;

private:
    void fill(Hpa address, std::size_t size, bool written) const;

    SparseMemory& bytes_;
    SocketCaches& caches_;
};

}  // namespace ioasim::memory
