// PCIe transactions between CPUs, root complex, IOMMU and devices. One message type on every link:
//
//   CPU complex --MMIO, DMWr--> root complex --> device           completions the other way
//   device --DMA, ATS, PRI--> root complex --> IOMMU --> memory   completions the other way
//   IOMMU --MSI--> root complex --> CPU complex
//
// Payload bytes are real. PASID and descriptor travel with the request; `descriptor` is for traces
// and checkers only and decides nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/types.hpp"

namespace ioasim::pcie {

enum class TlpKind : std::uint8_t {
    MemRead,          // non-posted
    MemWrite,         // posted
    DeferrableWrite,  // DMWr: non-posted, 64 bytes, completion without data (PCIe 6.0 2.2.9)
    Completion,       // with or without data
    Interrupt,        // MSI: a posted write to 0xFEEx_xxxx
    AtsRequest,       // MemRead with AT = translation request
    InvalidateRequest,
    InvalidateCompletion,
    PageRequest,
    PageGroupResponse,
    ConfigRead,   // type 0, non-posted: `completer` is the function, `address` the offset
    ConfigWrite,  // the same; its completion has no data
};

// AT field of memory requests.
enum class AddressType : std::uint8_t { Untranslated = 0, TranslationRequest = 1, Translated = 2 };

// Completion status; Retry is what a full shared workqueue answers to a DMWr.
enum class CplStatus : std::uint8_t { Success = 0, UnsupportedRequest = 1, Retry = 2, Abort = 4 };

// What a write asks of the caches near memory: TLP Processing Hints (6.17), or for a device inside
// the root complex its own way to say so.
enum class CacheHint : std::uint8_t { None, Cache, Memory };

struct Tlp {
    TlpKind kind = TlpKind::MemRead;
    AddressType at = AddressType::Untranslated;
    CplStatus status = CplStatus::Success;
    Rid requester;
    // Completions: who answers; the root complex fills it in. Configuration: who is asked.
    Rid completer;
    std::uint32_t tag = 0;  // unique per requester while the request is outstanding
    std::optional<Pasid> pasid;
    bool privileged = false;
    bool execute = false;
    bool no_snoop = false;
    bool relaxed_ordering = false;     // attribute RO
    bool id_ordering = false;          // attribute IDO
    CacheHint hint = CacheHint::None;  // writes
    bool poisoned = false;             // EP: the payload is known to be wrong (2.7.2)
    std::uint64_t address = 0;
    std::uint32_t length = 0;  // bytes
    std::uint64_t descriptor = 0;
    std::vector<std::uint8_t> data;
};

// A function's address claim, for routing of requests by address.
struct BarRange {
    std::uint64_t base = 0;
    std::uint64_t size = 0;
};

}  // namespace ioasim::pcie
