// Paging-structure caches (VT-d specification 6.2.5): entries that point to a table, of both
// stages, one array a level. A walk resumes below the deepest entry that leads towards its address.
//
// First-stage entries are tagged with PASID, domain and address bits, second-stage ones with domain
// and address bits. Under nested translation a first-stage entry is combined: it names the host
// page of the table, after the second stage. Leaves are never kept. An entry is told only after its
// accessed flag is set in memory.
#pragma once

#include <optional>
#include <vector>

#include "core/base/defects.hpp"
#include "models/vtd/set_associative.hpp"
#include "models/vtd/vtd_cache_tags.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {

enum class CacheId : std::uint8_t { Context, Pasid, Iotlb, FirstStage, SecondStage };

// Told of every entry that comes or goes.
class CacheObserver {
public:
    virtual ~CacheObserver() = default;
    struct Line {
        CacheId cache = CacheId::Iotlb;
        Rid rid;
        Pasid pasid;
        DomainId did;
        std::uint64_t address = 0;
        Hpa page;
        std::uint64_t bytes = 0;
        TranslationType type = TranslationType::None;  // of an IOTLB entry
    };
    virtual void on_fill(const Line& line) = 0;
    virtual void on_drop(const Line& line, bool evicted) = 0;
};

// The table that an entry leads to, and what the entries so far allow.
struct CachedTable {
    Hpa table;
    bool read = true;  // second stage
    bool write = true;
    bool user = true;            // first stage
    bool table_writable = true;  // nested: the second stage lets the table be written
};

class StructureCaches {
public:
    StructureCaches(const VtdParams& params, const Probes& probes, const InvalidationLog& log,
                    CacheObserver* observer, const RandomStream& random);

    struct Hit {
        unsigned level = 0;  // of the entry; its table is one level below
        CachedTable table;
    };
    // The deepest entry of a tree of so many levels.
    std::optional<Hit> find_first(Pasid pasid, DomainId did, std::uint64_t address,
                                  unsigned levels) {
        return find(first_, pasid, did, address, levels);
    }
    std::optional<Hit> find_second(DomainId did, std::uint64_t address, unsigned levels) {
        return find(second_, Pasid{kInvalidIoasid}, did, address, levels);
    }
    // False when an invalidation overtook the walk that began at `generation`.
    bool fill_first(std::uint64_t generation, Pasid pasid, DomainId did, std::uint64_t address,
                    unsigned level, const CachedTable& table);
    bool fill_second(std::uint64_t generation, DomainId did, std::uint64_t address, unsigned level,
                     const CachedTable& table);

    // Returns how many entries went.
    std::uint32_t drop(const InvalidationScope& scope);

    std::size_t size() const;

private:
    struct Hash {
        std::uint64_t operator()(const StructureKey& k) const {
            return k.prefix ^ (std::uint64_t{k.pasid.value()} << 24U) ^
                   (std::uint64_t{k.did.value()} << 46U);
        }
    };
    using Array = SetAssociative<StructureKey, CachedTable, Hash>;
    using Stage = std::vector<Array>;  // by level - 2

    std::optional<Hit> find(Stage& stage, Pasid pasid, DomainId did, std::uint64_t address,
                            unsigned levels);
    void insert(CacheId cache, Stage& stage, const StructureKey& key, const CachedTable& table);
    void tell_drop(CacheId cache, const StructureKey& key, bool evicted);

    const Probes& probes_;
    const InvalidationLog& log_;
    CacheObserver* observer_;
    Stage first_;
    Stage second_;
};

}  // namespace ioasim::vtd
