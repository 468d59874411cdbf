#include "models/vtd/vtd_caches.hpp"

#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

// The range of an address mask: 2^mask pages, aligned to its size.
struct PageRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // inclusive

    PageRange(std::uint64_t address, unsigned mask) {
        const std::uint64_t low_bits =
            12 + mask >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (12 + mask)) - 1;
        first = address & ~low_bits;
        last = first | low_bits;
    }
    bool overlaps(const IotlbKey& key) const {
        const std::uint64_t start = key.page << level_shift(key.level);
        const std::uint64_t end = start | (level_page_bytes(key.level) - 1);
        return start <= last && first <= end;
    }
};

bool uses_first_stage(const Translation& t) {
    return t.type == TranslationType::FirstStage || t.type == TranslationType::Nested;
}

}  // namespace

TranslationCaches::TranslationCaches(const VtdParams& params, const Probes& probes,
                                     CacheObserver* observer)
    : probes_(probes),
      observer_(observer),
      contexts_(params.context_entries, params.context_ways),
      pasids_(params.pasid_entries, params.pasid_ways),
      iotlb_(params.iotlb_entries, params.iotlb_ways) {}

const ContextEntry* TranslationCaches::find_context(Rid rid) {
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
    if (probes_.has(kIotlbTagWithoutPasid)) {
        return find_ignoring_space(query);
    }
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

const Translation* TranslationCaches::find_ignoring_space(const IotlbQuery& query) {
    const IotlbEntry* const entry = iotlb_.find_if([&](const IotlbKey& key, const IotlbEntry&) {
        return key.page == query.address >> level_shift(key.level);
    });
    return entry != nullptr ? &entry->translation : nullptr;
}

bool TranslationCaches::fill_context(std::uint64_t generation, Rid rid, const ContextEntry& entry) {
    if (generation != generation_) {
        return false;
    }
    if (contexts_.capacity() == 0) {
        return true;
    }
    const auto victim = contexts_.insert(rid, entry);
    if (victim && victim->first == rid) {
        return true;  // another walk brought the same entry first
    }
    if (observer_ != nullptr) {
        if (victim) {
            observer_->on_drop(
                {CacheId::Context, victim->first, Pasid{kInvalidIoasid}, {}, 0, {}, 0}, true);
        }
        observer_->on_fill(
            {CacheId::Context, rid, Pasid{kInvalidIoasid}, {}, 0, entry.directory, 0});
    }
    return true;
}

bool TranslationCaches::fill_pasid(std::uint64_t generation, Rid rid, Pasid pasid,
                                   const CachedPasidEntry& entry) {
    if (generation != generation_) {
        return false;
    }
    if (pasids_.capacity() == 0) {
        return true;
    }
    const PasidKey key{rid, pasid};
    const auto victim = pasids_.insert(key, entry);
    if (victim && victim->first == key) {
        return true;
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
    return true;
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
    if (generation != generation_) {
        return false;
    }
    if (iotlb_.capacity() == 0) {
        return true;
    }
    const IotlbKey key = key_of(query, translation.level);
    const auto victim = iotlb_.insert(key, {translation});
    if (victim) {
        tell_drop(victim->first, victim->second.translation, true);
    }
    ++entries_at_level_[key.level];
    if (observer_ != nullptr) {
        observer_->on_fill({CacheId::Iotlb, query.rid, translation.pasid, translation.did,
                            key.page << level_shift(key.level), translation.page,
                            level_page_bytes(key.level)});
    }
    return true;
}

template <class Predicate>
std::uint32_t TranslationCaches::drop_iotlb(Predicate&& predicate) {
    ++generation_;
    return iotlb_.drop_if(
        [&](const IotlbKey& key, const IotlbEntry& e) { return predicate(key, e.translation); },
        [&](const IotlbKey& key, const IotlbEntry& e) { tell_drop(key, e.translation, false); });
}

template <class Predicate>
std::uint32_t TranslationCaches::drop_pasids(Predicate&& predicate) {
    ++generation_;
    return pasids_.drop_if(predicate, [&](const PasidKey& key, const CachedPasidEntry& e) {
        if (observer_ != nullptr) {
            observer_->on_drop({CacheId::Pasid, key.rid, key.pasid, e.entry.did, 0, {}, 0}, false);
        }
    });
}

template <class Predicate>
std::uint32_t TranslationCaches::drop_contexts(Predicate&& predicate) {
    ++generation_;
    return contexts_.drop_if(predicate, [&](Rid rid, const ContextEntry&) {
        if (observer_ != nullptr) {
            observer_->on_drop({CacheId::Context, rid, Pasid{kInvalidIoasid}, {}, 0, {}, 0}, false);
        }
    });
}

std::uint32_t TranslationCaches::invalidate_all() {
    return invalidate_contexts() + invalidate_pasids() + invalidate_iotlb();
}

std::uint32_t TranslationCaches::invalidate_contexts() {
    return drop_contexts([](Rid, const ContextEntry&) { return true; });
}

std::uint32_t TranslationCaches::invalidate_context(Rid rid, unsigned function_mask) {
    // FM masks function bits from the top: 1 bit 2, 2 bits 2:1, 3 bits 2:0.
    static constexpr std::array<std::uint16_t, 4> kIgnored{0, 4, 6, 7};
    const std::uint16_t ignored = kIgnored[function_mask & 3U];
    return drop_contexts([&](Rid r, const ContextEntry&) {
        return (r.value() | ignored) == (rid.value() | ignored);
    });
}

std::uint32_t TranslationCaches::invalidate_pasids() {
    return drop_pasids([](const PasidKey&, const CachedPasidEntry&) { return true; });
}

std::uint32_t TranslationCaches::invalidate_pasids_of(DomainId did) {
    return drop_pasids(
        [&](const PasidKey&, const CachedPasidEntry& e) { return e.entry.did == did; });
}

std::uint32_t TranslationCaches::invalidate_pasid(DomainId did, Pasid pasid) {
    return drop_pasids([&](const PasidKey& key, const CachedPasidEntry& e) {
        return key.pasid == pasid && e.entry.did == did;
    });
}

std::uint32_t TranslationCaches::invalidate_iotlb() {
    return drop_iotlb([](const IotlbKey&, const Translation&) { return true; });
}

std::uint32_t TranslationCaches::invalidate_iotlb_domain(DomainId did) {
    return drop_iotlb([&](const IotlbKey&, const Translation& t) { return t.did == did; });
}

std::uint32_t TranslationCaches::invalidate_iotlb_pages(DomainId did, std::uint64_t address,
                                                        unsigned mask) {
    const PageRange range(address, mask);
    // A second-stage page says nothing about first-stage addresses: those go with the whole domain.
    return drop_iotlb([&](const IotlbKey& key, const Translation& t) {
        return t.did == did && (uses_first_stage(t) || range.overlaps(key));
    });
}

std::uint32_t TranslationCaches::invalidate_iotlb_pasid(DomainId did, Pasid pasid) {
    return drop_iotlb(
        [&](const IotlbKey&, const Translation& t) { return t.did == did && t.pasid == pasid; });
}

std::uint32_t TranslationCaches::invalidate_iotlb_pasid_pages(DomainId did, Pasid pasid,
                                                              std::uint64_t address,
                                                              unsigned mask) {
    const PageRange range(address, mask);
    return drop_iotlb([&](const IotlbKey& key, const Translation& t) {
        return uses_first_stage(t) && t.did == did && t.pasid == pasid && range.overlaps(key);
    });
}

}  // namespace ioasim::vtd
