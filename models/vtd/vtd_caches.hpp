// The caches of a unit: context cache, PASID cache, IOTLB and the paging-structure caches, with the
// tags of VT-d specification 6.2 and the effects of each invalidation (6.5.2).
//
// Entries of privileged and user requests do not serve each other. Every invalidation moves the
// generation on; a fill that it overtook is dropped (InvalidationScope). Sizes, associativity and
// replacement are parameters; so are the freedoms that the specification leaves: large pages cut
// into small entries, sharing between requests with and without PASID, entries that go by
// themselves, invalidations that take more than asked.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/defects.hpp"
#include "models/vtd/set_associative.hpp"
#include "models/vtd/vtd_page_walk.hpp"
#include "models/vtd/vtd_params.hpp"
#include "models/vtd/vtd_structure_cache.hpp"

namespace ioasim::vtd {

struct CachedPasidEntry {
    PasidEntry entry;
    bool fpd = false;  // of the entry or of its directory entry
};

// What the context cache keeps of a function: the entry of the table mode that it was read in. Only
// legacy entries have a domain.
struct CachedContext {
    ContextEntry entry;
    std::optional<LegacyContextEntry> legacy;

    std::optional<DomainId> did() const {
        return legacy ? std::optional<DomainId>(legacy->did) : std::nullopt;
    }
};

// What a request shows to the IOTLB. Requests without PASID carry none: RID_PASID is only known
// after the context entry.
struct IotlbQuery {
    Rid rid;
    std::optional<Pasid> pasid;
    bool privileged = false;
    std::uint64_t address = 0;
};

class TranslationCaches {
public:
    // `random` names the stream that replacement and self-eviction draw from.
    TranslationCaches(const VtdParams& params, const Probes& probes, CacheObserver* observer,
                      const RandomStream& random = RandomStream{0, "iommu", "caches"});

    const CachedContext* find_context(Rid rid);
    const CachedPasidEntry* find_pasid(Rid rid, Pasid pasid);
    const Translation* find(const IotlbQuery& query);
    StructureCaches& structures() { return structures_; }
    const Probes& probes() const { return probes_; }

    std::uint64_t generation() const { return log_.generation(); }
    // False, and nothing cached, when an invalidation overtook the walk that began at `generation`.
    bool fill_context(std::uint64_t generation, Rid rid, const CachedContext& entry);
    bool fill_pasid(std::uint64_t generation, Rid rid, Pasid pasid, const CachedPasidEntry& entry);
    bool fill(std::uint64_t generation, const IotlbQuery& query, const Translation& translation);

    // Each returns how many entries went.
    std::uint32_t invalidate(InvalidationScope scope);
    std::uint32_t invalidate_all() { return invalidate({}); }
    std::uint32_t invalidate_contexts();
    std::uint32_t invalidate_contexts_of(DomainId did);  // in scalable mode all
    // The domain counts for legacy-mode entries.
    std::uint32_t invalidate_context(Rid rid, unsigned function_mask, DomainId did = DomainId{});
    std::uint32_t invalidate_pasids();
    std::uint32_t invalidate_pasids_of(DomainId did);
    std::uint32_t invalidate_pasid(DomainId did, Pasid pasid);
    std::uint32_t invalidate_iotlb();
    std::uint32_t invalidate_iotlb_domain(DomainId did);
    // `leaf_only` (IH): entries above the leaves did not change, their caches are kept.
    std::uint32_t invalidate_iotlb_pages(DomainId did, std::uint64_t address, unsigned mask,
                                         bool leaf_only = false);
    std::uint32_t invalidate_iotlb_pasid(DomainId did, Pasid pasid);
    std::uint32_t invalidate_iotlb_pasid_pages(DomainId did, Pasid pasid, std::uint64_t address,
                                               unsigned mask, bool leaf_only = false);

    std::size_t iotlb_size() const { return iotlb_.size(); }

private:
    struct RidHash {
        std::uint64_t operator()(Rid rid) const { return rid.value(); }
    };
    struct PasidHash {
        std::uint64_t operator()(const PasidKey& k) const {
            return (std::uint64_t{k.rid.value()} << 20U) ^ k.pasid.value();
        }
    };
    struct IotlbHash {
        std::uint64_t operator()(const IotlbKey& k) const {
            return k.page ^ (std::uint64_t{k.pasid.value()} << 24U) ^
                   (std::uint64_t{k.rid.value()} << 44U) ^ (k.has_pasid ? 1U : 0U);
        }
    };
    struct IotlbEntry {
        Translation translation;
    };

    static IotlbKey key_of(const IotlbQuery& query, unsigned level);
    static IotlbTags tags_of(const Translation& t) { return {t.type, t.did, t.pasid}; }
    const Translation* find_exact(const IotlbQuery& query);
    const Translation* find_shared(const IotlbQuery& query);
    const Translation* find_ignoring_space(const IotlbQuery& query);
    void evict_by_itself();
    InvalidationScope coarsened(InvalidationScope scope) const;
    std::uint32_t drop_contexts(const InvalidationScope& scope);
    std::uint32_t drop_pasids(const InvalidationScope& scope);
    std::uint32_t drop_iotlb(const InvalidationScope& scope);
    void tell_drop(const IotlbKey& key, const Translation& t, bool evicted);

    void keep_of_victim(Translation& entry, const Translation& victim) const;

    std::optional<std::pair<IotlbKey, IotlbEntry>> gone_;  // by itself, in a broken unit

    const Probes& probes_;
    CacheObserver* observer_;
    const VtdParams params_;
    RandomStream random_;
    InvalidationLog log_;
    SetAssociative<Rid, CachedContext, RidHash> contexts_;
    SetAssociative<PasidKey, CachedPasidEntry, PasidHash> pasids_;
    SetAssociative<IotlbKey, IotlbEntry, IotlbHash> iotlb_;
    StructureCaches structures_;
    std::array<std::size_t, 6> entries_at_level_{};  // so that a look-up asks only sizes in use
};

}  // namespace ioasim::vtd
