// The caches of a unit: context cache, PASID cache, IOTLB, with the tags of VT-d specification 6.2
// and the effects of each invalidation (6.5.2).
//
// Entries of requests with and without PASID do not serve each other, nor do privileged and user
// ones. Every invalidation moves the generation on; a fill that started before it is dropped. Left
// out: paging-structure caches, so an IOTLB miss always walks from the top.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/defects.hpp"
#include "models/vtd/set_associative.hpp"
#include "models/vtd/vtd_page_walk.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {

struct CachedPasidEntry {
    PasidEntry entry;
    bool fpd = false;  // of the entry or of its directory entry
};

struct PasidKey {
    Rid rid;
    Pasid pasid;
    bool operator==(const PasidKey& o) const { return rid == o.rid && pasid == o.pasid; }
};

struct IotlbKey {
    Rid rid;
    Pasid pasid;  // effective
    bool has_pasid = false;
    bool privileged = false;
    unsigned level = 1;
    std::uint64_t page = 0;  // address >> level_shift(level)
    bool operator==(const IotlbKey& o) const {
        return page == o.page && pasid == o.pasid && rid == o.rid && level == o.level &&
               has_pasid == o.has_pasid && privileged == o.privileged;
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

enum class CacheId : std::uint8_t { Context, Pasid, Iotlb };

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
    };
    virtual void on_fill(const Line& line) = 0;
    virtual void on_drop(const Line& line, bool evicted) = 0;
};

class TranslationCaches {
public:
    TranslationCaches(const VtdParams& params, const Probes& probes, CacheObserver* observer);

    const ContextEntry* find_context(Rid rid);
    const CachedPasidEntry* find_pasid(Rid rid, Pasid pasid);
    const Translation* find(const IotlbQuery& query);

    std::uint64_t generation() const { return generation_; }
    // False, and nothing cached, when the walk began in an older generation.
    bool fill_context(std::uint64_t generation, Rid rid, const ContextEntry& entry);
    bool fill_pasid(std::uint64_t generation, Rid rid, Pasid pasid, const CachedPasidEntry& entry);
    bool fill(std::uint64_t generation, const IotlbQuery& query, const Translation& translation);

    // Each returns how many entries went.
    std::uint32_t invalidate_all();
    std::uint32_t invalidate_contexts();  // global, and domain-selective: no DID in scalable mode
    std::uint32_t invalidate_context(Rid rid, unsigned function_mask);
    std::uint32_t invalidate_pasids();
    std::uint32_t invalidate_pasids_of(DomainId did);
    std::uint32_t invalidate_pasid(DomainId did, Pasid pasid);
    std::uint32_t invalidate_iotlb();
    std::uint32_t invalidate_iotlb_domain(DomainId did);
    std::uint32_t invalidate_iotlb_pages(DomainId did, std::uint64_t address, unsigned mask);
    std::uint32_t invalidate_iotlb_pasid(DomainId did, Pasid pasid);
    std::uint32_t invalidate_iotlb_pasid_pages(DomainId did, Pasid pasid, std::uint64_t address,
                                               unsigned mask);

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
    const Translation* find_ignoring_space(const IotlbQuery& query);
    void tell_drop(const IotlbKey& key, const Translation& t, bool evicted);
    template <class Predicate>
    std::uint32_t drop_iotlb(Predicate&& predicate);
    template <class Predicate>
    std::uint32_t drop_pasids(Predicate&& predicate);
    template <class Predicate>
    std::uint32_t drop_contexts(Predicate&& predicate);

    const Probes& probes_;
    CacheObserver* observer_;
    SetAssociative<Rid, ContextEntry, RidHash> contexts_;
    SetAssociative<PasidKey, CachedPasidEntry, PasidHash> pasids_;
    SetAssociative<IotlbKey, IotlbEntry, IotlbHash> iotlb_;
    std::array<std::size_t, 4> entries_at_level_{};  // so that a look-up asks only sizes in use
    std::uint64_t generation_ = 0;
};

}  // namespace ioasim::vtd
