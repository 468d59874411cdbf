// What the caches tag their entries with and what an invalidation covers (VT-d specification 6.2,
// 6.5.2). One scope says for every cache which entries go; the same scope, remembered for a while,
// says which fills of walks that it overtook must not happen.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/vtd/vtd_table_layout.hpp"

namespace ioasim::vtd {

// The range of an address mask: 2^mask pages, aligned to its size.
struct PageRange {
    std::uint64_t first = 0;
    std::uint64_t last = ~std::uint64_t{0};  // inclusive

    PageRange() = default;
    PageRange(std::uint64_t address, unsigned mask);
    // `page` in units of `level`.
    bool overlaps(std::uint64_t page, unsigned level) const {
        const std::uint64_t start = page << level_shift(level);
        const std::uint64_t end = start | (level_page_bytes(level) - 1);
        return start <= last && first <= end;
    }
};

struct PasidKey {
    Rid rid;
    Pasid pasid;
    bool operator==(const PasidKey& o) const { return rid == o.rid && pasid == o.pasid; }
};

struct IotlbKey {
    Rid rid;
    Pasid pasid;  // of the request
    bool has_pasid = false;
    bool privileged = false;
    unsigned level = 1;
    std::uint64_t page = 0;  // address >> level_shift(level)
    bool operator==(const IotlbKey& o) const {
        return page == o.page && pasid == o.pasid && rid == o.rid && level == o.level &&
               has_pasid == o.has_pasid && privileged == o.privileged;
    }
};
// The tags of an IOTLB entry that only invalidations look at.
struct IotlbTags {
    TranslationType type = TranslationType::None;
    DomainId did;
    Pasid pasid;  // effective: the request's, or RID_PASID
};

// An entry that points to a table: PML5E to PDE are levels 5 to 2. Without PASID: second stage.
struct StructureKey {
    Pasid pasid;
    DomainId did;
    unsigned level = 2;
    std::uint64_t prefix = 0;  // address >> level_shift(level)
    bool operator==(const StructureKey& o) const {
        return prefix == o.prefix && level == o.level && pasid == o.pasid && did == o.did;
    }
};

struct InvalidationScope {
    enum class Kind : std::uint8_t {
        Everything,
        Contexts,
        ContextsOfDomain,
        ContextOfDevice,
        Pasids,
        PasidsOfDomain,
        PasidInDomain,
        Iotlb,
        IotlbDomain,
        IotlbPages,
        PasidIotlb,
        PasidIotlbPages,
    };
    Kind kind = Kind::Everything;
    Rid rid;
    unsigned function_mask = 0;
    DomainId did;
    Pasid pasid;
    PageRange pages;
    bool leaf_only = false;  // IH: no table above the leaves changed

    // Which entries go. A scalable-mode context entry has no domain id, so that any domain is its.
    bool covers_context(Rid of, std::optional<DomainId> domain) const;
    bool covers_pasid(const PasidKey& key, DomainId domain) const;
    bool covers_iotlb(const IotlbKey& key, const IotlbTags& tags) const;
    bool covers_first_stage(const StructureKey& key) const;
    bool covers_second_stage(const StructureKey& key) const;

    // Which fills of older walks must not happen: those that it covers, and what such a walk drew
    // from a structure that it covers.
    bool overtakes_pasid(const PasidKey& key, DomainId domain) const;
    bool overtakes_iotlb(const IotlbKey& key, const IotlbTags& tags) const;
    bool overtakes_first_stage(const StructureKey& key) const;
    bool overtakes_second_stage(const StructureKey& key) const;

private:
    bool is_of_contexts() const { return kind <= Kind::ContextOfDevice; }
    bool covers_space(DomainId domain, Pasid of) const;
};

// The last invalidations. What is too old to be known counts as overtaken.
class InvalidationLog {
public:
    std::uint64_t generation() const { return generation_; }
    void add(const InvalidationScope& scope) { scopes_[generation_++ % scopes_.size()] = scope; }

    // Some invalidation since then for which the predicate holds.
    template <class Predicate>
    bool any_since(std::uint64_t generation, Predicate&& predicate) const {
        if (generation_ - generation > scopes_.size()) {
            return true;
        }
        for (std::uint64_t g = generation; g != generation_; ++g) {
            if (predicate(scopes_[g % scopes_.size()])) {
                return true;
            }
        }
        return false;
    }

private:
    std::array<InvalidationScope, 64> scopes_{};
    std::uint64_t generation_ = 0;
};

}  // namespace ioasim::vtd
