#include "models/vtd/vtd_caches.hpp"

#include <algorithm>

#include "models/vtd/vtd_corner_probes.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {

using Kind = InvalidationScope::Kind;

namespace {

constexpr std::uint64_t kMillion = 1'000'000;

Translation cut_down(const Translation& whole, std::uint64_t address, unsigned level) {
    Translation part = whole;
    if (level < whole.level) {
        part.level = level;
        part.page = Hpa{whole.at(address).value() & ~(level_page_bytes(level) - 1)};
    }
    return part;
}

}  // namespace

TranslationCaches::TranslationCaches(const VtdParams& params, const Probes& probes,
                                     CacheObserver* observer, const RandomStream& random)
    : probes_(probes),
      observer_(observer),
      params_(params),
      random_(random),
      contexts_(params.context_entries, params.context_ways, params.replacement, random),
      pasids_(params.pasid_entries, params.pasid_ways, params.replacement, random),
      iotlb_(params.iotlb_entries, params.iotlb_ways, params.replacement, random),
      structures_(params, probes, log_, observer, random) {}

// --- look-up ------------------------------------------------------------------------------------

const CachedContext* TranslationCaches::find_context(Rid rid) {
    return contexts_.find(rid);
}

const CachedPasidEntry* TranslationCaches::find_pasid(Rid rid, Pasid pasid) {
    return pasids_.find({rid, pasid});
}

IotlbKey TranslationCaches::key_of(const IotlbQuery& query, unsigned level) {
    IotlbKey key;
    key.rid = query.rid;
    key.pasid = query.pasid.value_or(Pasid{});
    key.has_pasid = query.pasid.has_value();
    key.privileged = query.privileged;
    key.level = level;
    key.page = query.address >> level_shift(level);
    return key;
}

const Translation* TranslationCaches::find(const IotlbQuery& query) {
    if (params_.self_eviction != 0) {
        evict_by_itself();
    }
    if (probes_.has(kIotlbTagWithoutPasid)) {
        return find_ignoring_space(query);
    }
    const Translation* const found = find_exact(query);
    const bool may_share = params_.share_rid_pasid && query.pasid && found == nullptr;
    return may_share ? find_shared(query) : found;
}

const Translation* TranslationCaches::find_exact(const IotlbQuery& query) {
    for (unsigned level = 1; level < entries_at_level_.size(); ++level) {
        if (entries_at_level_[level] == 0) {
            continue;
        }
        if (const IotlbEntry* const entry = iotlb_.find(key_of(query, level))) {
            return &entry->translation;
        }
    }
    return nullptr;
}

// An entry that a request without PASID left serves one whose PASID is RID_PASID (6.2.1).
const Translation* TranslationCaches::find_shared(const IotlbQuery& query) {
    const Translation* const found =
        find_exact({query.rid, std::nullopt, query.privileged, query.address});
    return found != nullptr && found->pasid == *query.pasid ? found : nullptr;
}

const Translation* TranslationCaches::find_ignoring_space(const IotlbQuery& query) {
    const IotlbEntry* const entry = iotlb_.find_if([&](const IotlbKey& key, const IotlbEntry&) {
        return key.page == query.address >> level_shift(key.level);
    });
    return entry != nullptr ? &entry->translation : nullptr;
}

void TranslationCaches::evict_by_itself() {
    if (iotlb_.size() == 0 || !random_.chance(params_.self_eviction, kMillion)) {
        return;
    }
    const auto place = static_cast<std::size_t>(random_.below(iotlb_.capacity()));
    if (const auto gone = iotlb_.drop_at(place)) {
        tell_drop(gone->first, gone->second.translation, true);
        if (probes_.has(kEvictedComesBack)) {
            if (gone_) {
                iotlb_.insert(gone_->first, gone_->second);
                ++entries_at_level_[gone_->first.level];
            }
            gone_ = gone;
        }
    }
}

// --- fills --------------------------------------------------------------------------------------

bool TranslationCaches::fill_context(std::uint64_t generation, Rid rid,
                                     const CachedContext& entry) {
    const bool stale = log_.any_since(generation, [&](const InvalidationScope& scope) {
        return scope.covers_context(rid, entry.did());
    });
    if ((stale && !probes_.has(kStaleFillKept)) || contexts_.capacity() == 0) {
        return !stale;
    }
    const auto victim = contexts_.insert(rid, entry);
    if (victim && victim->first == rid) {
        return !stale;  // another walk brought the same entry first
    }
    if (victim && probes_.has(kEvictedContextKept)) {
        *contexts_.find(rid) = victim->second;
    }
    if (observer_ != nullptr) {
        if (victim) {
            observer_->on_drop(
                {CacheId::Context, victim->first, Pasid{kInvalidIoasid}, {}, 0, {}, 0}, true);
        }
        observer_->on_fill({CacheId::Context, rid, Pasid{kInvalidIoasid},
                            entry.legacy ? entry.legacy->did : DomainId{}, 0,
                            entry.legacy ? entry.legacy->second_stage : entry.entry.directory, 0});
    }
    return !stale;
}

bool TranslationCaches::fill_pasid(std::uint64_t generation, Rid rid, Pasid pasid,
                                   const CachedPasidEntry& entry) {
    const PasidKey key{rid, pasid};
    const bool stale = log_.any_since(generation, [&](const InvalidationScope& scope) {
        return scope.overtakes_pasid(key, entry.entry.did);
    });
    if ((stale && !probes_.has(kStaleFillKept)) || pasids_.capacity() == 0) {
        return !stale;
    }
    const auto victim = pasids_.insert(key, entry);
    if (victim && victim->first == key) {
        return !stale;
    }
    if (victim && probes_.has(kEvictedPasidEntryKept)) {
        *pasids_.find(key) = victim->second;
    }
    if (observer_ != nullptr) {
        if (victim) {
            observer_->on_drop({CacheId::Pasid,
                                victim->first.rid,
                                victim->first.pasid,
                                victim->second.entry.did,
                                0,
                                {},
                                0},
                               true);
        }
        observer_->on_fill({CacheId::Pasid, rid, pasid, entry.entry.did, 0, {}, 0});
    }
    return !stale;
}

void TranslationCaches::tell_drop(const IotlbKey& key, const Translation& t, bool evicted) {
    --entries_at_level_[key.level];
    if (observer_ != nullptr) {
        observer_->on_drop(
            {CacheId::Iotlb, key.rid, t.pasid, t.did, key.page << level_shift(key.level), t.page,
             level_page_bytes(key.level)},
            evicted);
    }
}

bool TranslationCaches::fill(std::uint64_t generation, const IotlbQuery& query,
                             const Translation& translation) {
    const auto largest = static_cast<unsigned>(params_.iotlb_largest_level);
    const Translation part = cut_down(translation, query.address, largest);
    const IotlbKey key = key_of(query, part.level);
    const bool stale = log_.any_since(generation, [&](const InvalidationScope& scope) {
        return scope.overtakes_iotlb(key, tags_of(part));
    });
    const bool revived =
        stale && iotlb_.size() == iotlb_.capacity() && probes_.has(kFullCacheRevives);
    if ((stale && !revived && !probes_.has(kStaleFillKept)) || iotlb_.capacity() == 0) {
        return !stale;
    }
    const auto victim = iotlb_.insert(key, {part});
    if (victim) {
        keep_of_victim(iotlb_.find(key)->translation, victim->second.translation);
        tell_drop(victim->first, victim->second.translation, true);
    }
    ++entries_at_level_[key.level];
    if (observer_ != nullptr) {
        observer_->on_fill({CacheId::Iotlb, query.rid, part.pasid, part.did,
                            key.page << level_shift(key.level), part.page,
                            level_page_bytes(key.level), part.type});
    }
    return !stale;
}

// What a broken unit forgets to overwrite.
void TranslationCaches::keep_of_victim(Translation& entry, const Translation& victim) const {
    if (!(entry.pasid == victim.pasid) && probes_.has(kEvictedPasidKept)) {
        entry.pasid = victim.pasid;
    }
    if (!(entry.did == victim.did) && probes_.has(kEvictedDomainKept)) {
        entry.did = victim.did;
    }
    if (entry.level == victim.level && probes_.has(kEvictedPageKept)) {
        entry.page = victim.page;
    }
}

// --- invalidation -------------------------------------------------------------------------------

// Hardware may take more than asked (6.5.2): the whole domain or PASID, or everything of a cache.
InvalidationScope TranslationCaches::coarsened(InvalidationScope scope) const {
    const bool of_contexts = scope.kind <= Kind::ContextOfDevice;
    if (scope.kind == Kind::Everything || params_.coarseness == Coarseness::Exact) {
        return scope;
    }
    if (params_.coarseness == Coarseness::Everything) {
        if (probes_.has(kCoarseForgetsIotlb) && scope.kind == Kind::PasidIotlb) {
            scope.kind = Kind::Pasids;
            return scope;
        }
        const bool of_pasids = scope.kind <= Kind::PasidInDomain;
        scope.kind = of_contexts ? Kind::Contexts : of_pasids ? Kind::Pasids : Kind::Iotlb;
    } else if (scope.kind == Kind::IotlbPages) {
        scope.kind = Kind::IotlbDomain;
    } else if (scope.kind == Kind::PasidIotlbPages) {
        scope.kind = Kind::PasidIotlb;
    } else if (scope.kind == Kind::PasidInDomain) {
        scope.kind = Kind::PasidsOfDomain;
    }
    return scope;
}

std::uint32_t TranslationCaches::drop_contexts(const InvalidationScope& scope) {
    return contexts_.drop_if(
        [&](Rid rid, const CachedContext& c) { return scope.covers_context(rid, c.did()); },
        [&](Rid rid, const CachedContext&) {
            if (observer_ != nullptr) {
                observer_->on_drop({CacheId::Context, rid, Pasid{kInvalidIoasid}, {}, 0, {}, 0},
                                   false);
            }
        });
}

std::uint32_t TranslationCaches::drop_pasids(const InvalidationScope& scope) {
    return pasids_.drop_if(
        [&](const PasidKey& key, const CachedPasidEntry& e) {
            return scope.covers_pasid(key, e.entry.did);
        },
        [&](const PasidKey& key, const CachedPasidEntry& e) {
            if (observer_ != nullptr) {
                observer_->on_drop({CacheId::Pasid, key.rid, key.pasid, e.entry.did, 0, {}, 0},
                                   false);
            }
        });
}

std::uint32_t TranslationCaches::drop_iotlb(const InvalidationScope& scope) {
    const bool narrow = scope.kind == Kind::IotlbPages && probes_.has(kPageInDomainTooNarrow);
    return iotlb_.drop_if(
        [&](const IotlbKey& key, const IotlbEntry& e) {
            return scope.covers_iotlb(key, tags_of(e.translation)) &&
                   (!narrow || scope.pages.overlaps(key.page, key.level));
        },
        [&](const IotlbKey& key, const IotlbEntry& e) { tell_drop(key, e.translation, false); });
}

std::uint32_t TranslationCaches::invalidate(InvalidationScope scope) {
    scope = coarsened(scope);
    log_.add(scope);
    return drop_contexts(scope) + drop_pasids(scope) + drop_iotlb(scope) + structures_.drop(scope);
}

std::uint32_t TranslationCaches::invalidate_contexts() {
    InvalidationScope scope;
    scope.kind = Kind::Contexts;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_contexts_of(DomainId did) {
    InvalidationScope scope;
    scope.kind = Kind::ContextsOfDomain;
    scope.did = did;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_context(Rid rid, unsigned function_mask, DomainId did) {
    InvalidationScope scope;
    scope.kind = Kind::ContextOfDevice;
    scope.rid = rid;
    scope.function_mask = function_mask;
    scope.did = did;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_pasids() {
    InvalidationScope scope;
    scope.kind = Kind::Pasids;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_pasids_of(DomainId did) {
    InvalidationScope scope;
    scope.kind = Kind::PasidsOfDomain;
    scope.did = did;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_pasid(DomainId did, Pasid pasid) {
    InvalidationScope scope;
    scope.kind = Kind::PasidInDomain;
    scope.did = did;
    scope.pasid = pasid;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_iotlb() {
    InvalidationScope scope;
    scope.kind = Kind::Iotlb;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_iotlb_domain(DomainId did) {
    InvalidationScope scope;
    scope.kind = Kind::IotlbDomain;
    scope.did = did;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_iotlb_pages(DomainId did, std::uint64_t address,
                                                        unsigned mask, bool leaf_only) {
    InvalidationScope scope;
    scope.kind = Kind::IotlbPages;
    scope.did = did;
    scope.pages = PageRange(address, mask);
    scope.leaf_only = leaf_only;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_iotlb_pasid(DomainId did, Pasid pasid) {
    InvalidationScope scope;
    scope.kind = Kind::PasidIotlb;
    scope.did = did;
    scope.pasid = pasid;
    return invalidate(scope);
}

std::uint32_t TranslationCaches::invalidate_iotlb_pasid_pages(DomainId did, Pasid pasid,
                                                              std::uint64_t address, unsigned mask,
                                                              bool leaf_only) {
    InvalidationScope scope;
    scope.kind = Kind::PasidIotlbPages;
    scope.did = did;
    scope.pasid = pasid;
    scope.pages = PageRange(address, mask);
    scope.leaf_only = leaf_only;
    return invalidate(scope);
}

}  // namespace ioasim::vtd
