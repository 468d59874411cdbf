// How the platform's physical memory is used: by messages with latency (IOMMU, devices) and by the
// CPUs' view (coherent caches in front of it; the CPU model accounts for the time).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/types.hpp"

namespace ioasim::memory {

// Lines that left a cache, and how many of them were newer than memory.
struct CacheFlush {
    std::uint64_t lines = 0;
    std::uint64_t modified = 0;
};

// Real bytes at host physical addresses. Reads of memory never written return zeros.
class PhysicalMemory {
public:
    virtual ~PhysicalMemory() = default;
    virtual void read(Hpa address, void* out, std::size_t size) const = 0;
    virtual void write(Hpa address, const void* in, std::size_t size) = 0;
    // False outside of the installed ranges: such an access is answered with MemStatus::NoTarget.
    virtual bool contains(Hpa address, std::size_t size) const = 0;
    // Some line of the range holds data that memory knows to be wrong.
    virtual bool poisoned(Hpa address, std::size_t size) const {
        static_cast<void>(address);
        static_cast<void>(size);
        return false;
    }
    // Every line of the range is in the caches: a processor's access needs no memory.
    virtual bool cached(Hpa address, std::size_t size) const {
        static_cast<void>(address);
        static_cast<void>(size);
        return true;
    }
    // As read(), and nothing is different afterwards.
    virtual void look(Hpa address, void* out, std::size_t size) const { read(address, out, size); }

    // Processors have caches of their own: it matters which of them loads and stores.
    virtual bool has_processor_caches() const { return false; }
    virtual void load(std::size_t processor, Hpa address, void* out, std::size_t size) {
        static_cast<void>(processor);
        read(address, out, size);
    }
    virtual void store(std::size_t processor, Hpa address, const void* in, std::size_t size) {
        static_cast<void>(processor);
        write(address, in, size);
    }
    // WBINVD: everything leaves this processor's caches.
    virtual CacheFlush flush_all(std::size_t processor) {
        static_cast<void>(processor);
        return {};
    }
    // CLFLUSH, CLFLUSHOPT: the lines that the range touches leave all caches.
    virtual void flush(Hpa address, std::size_t size) {
        static_cast<void>(address);
        static_cast<void>(size);
    }
};

// CompareSwap is the locked update of a table entry: `data` holds the 8 expected and the 8 desired
// bytes, the response the 8 bytes that were there.
enum class MemOp : std::uint8_t { Read, Write, CompareSwap };
// Poisoned: the bytes are there and known to be wrong; a compare-and-swap did not happen.
enum class MemStatus : std::uint8_t { Ok, NoTarget, Poisoned };

// Where written data is to end up; a device may ask for one of the two.
enum class Destination : std::uint8_t { Default, Cache, Memory };

// The device behind a request; memory emits memory.access for it at the moment of the access.
struct MemOrigin {
    Rid rid;
    Pasid pasid{kInvalidIoasid};  // this value: the request had no PASID
    std::uint64_t descriptor = 0;
};

struct MemRequest {
    MemOp op = MemOp::Read;
    Hpa address;
    std::uint32_t size = 0;                          // bytes; at most 4096
    std::uint64_t tag = 0;                           // returned in the response
    std::vector<std::uint8_t> data;                  // writes
    bool poisoned = false;                           // writes: the data is known to be wrong
    bool snooped = true;                             // the processors' caches are asked
    Destination destination = Destination::Default;  // writes
    std::optional<MemOrigin> origin;  // none: the platform's own access (a walk, a queue)
};

struct MemResponse {
    MemOp op = MemOp::Read;
    MemStatus status = MemStatus::Ok;
    std::uint64_t tag = 0;
    std::vector<std::uint8_t> data;  // reads
};

}  // namespace ioasim::memory
