// Memory as processors see it: their accesses bring lines into the last-level cache of the socket
// that the line belongs to, and into their own caches where they have some; CLFLUSH takes them out
// of all, WBINVD everything out of one's own.
#pragma once

#include <vector>

#include "models/memory/last_level_cache.hpp"
#include "models/memory/memory_params.hpp"
#include "models/memory/processor_caches.hpp"
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
    CachedMemory(SparseMemory& bytes, SocketCaches& caches, ProcessorCaches& own)
        : bytes_(bytes), caches_(caches), own_(own) {}

    // By no processor in particular: coherent with all of them.
    void read(Hpa address, void* out, std::size_t size) const override;
    void write(Hpa address, const void* in, std::size_t size) override;
    bool contains(Hpa address, std::size_t size) const override {
        return bytes_.contains(address, size);
    }
    bool poisoned(Hpa address, std::size_t size) const override {
        return bytes_.poisoned(address, size);
    }
    bool cached(Hpa address, std::size_t size) const override;
    void look(Hpa address, void* out, std::size_t size) const override;
    bool has_processor_caches() const override { return own_.present(); }
    void load(std::size_t processor, Hpa address, void* out, std::size_t size) override;
    void store(std::size_t processor, Hpa address, const void* in, std::size_t size) override;
    CacheFlush flush_all(std::size_t processor) override { return own_.flush_all(processor); }
    void flush(Hpa address, std::size_t size) override;

private:
    void fill(Hpa address, std::size_t size, bool written) const;

    SparseMemory& bytes_;
    SocketCaches& caches_;
    ProcessorCaches& own_;
};

}  // namespace ioasim::memory
