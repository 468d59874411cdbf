#include "models/vtd/vtd_structure_cache.hpp"

#include "models/vtd/vtd_corner_probes.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr unsigned kLowestLevel = 2;
constexpr unsigned kHighestLevel = 5;

StructureKey key_of(Pasid pasid, DomainId did, std::uint64_t address, unsigned level) {
    return {pasid, did, level, address >> level_shift(level)};
}

}  // namespace

StructureCaches::StructureCaches(const VtdParams& params, const Probes& probes,
                                 const InvalidationLog& log, CacheObserver* observer,
                                 const RandomStream& random)
    : probes_(probes), log_(log), observer_(observer) {
    for (unsigned level = kLowestLevel; level <= kHighestLevel; ++level) {
        first_.emplace_back(params.first_stage_entries, params.first_stage_ways, params.replacement,
                            random);
        second_.emplace_back(params.second_stage_entries, params.second_stage_ways,
                             params.replacement, random);
    }
}

std::optional<StructureCaches::Hit> StructureCaches::find(Stage& stage, Pasid pasid, DomainId did,
                                                          std::uint64_t address, unsigned levels) {
    for (unsigned level = kLowestLevel; level <= levels; ++level) {
        Array& array = stage[level - kLowestLevel];
        if (array.size() == 0) {
            continue;
        }
        if (const CachedTable* const found = array.find(key_of(pasid, did, address, level))) {
            return Hit{level, *found};
        }
    }
    return std::nullopt;
}

void StructureCaches::tell_drop(CacheId cache, const StructureKey& key, bool evicted) {
    if (observer_ != nullptr) {
        observer_->on_drop({cache,
                            Rid{},
                            key.pasid,
                            key.did,
                            key.prefix << level_shift(key.level),
                            {},
                            level_page_bytes(key.level)},
                           evicted);
    }
}

void StructureCaches::insert(CacheId cache, Stage& stage, const StructureKey& key,
                             const CachedTable& table) {
    Array& array = stage[key.level - kLowestLevel];
    if (array.capacity() == 0) {
        return;
    }
    const auto victim = array.insert(key, table);
    if (victim && !(victim->first == key)) {
        tell_drop(cache, victim->first, true);
        if (probes_.has(kEvictedTableKept)) {
            *array.find(key) = victim->second;
        }
    }
    const bool known = victim && victim->first == key;
    if (observer_ != nullptr && !known) {
        observer_->on_fill({cache, Rid{}, key.pasid, key.did, key.prefix << level_shift(key.level),
                            table.table, level_page_bytes(key.level)});
    }
}

bool StructureCaches::fill_first(std::uint64_t generation, Pasid pasid, DomainId did,
                                 std::uint64_t address, unsigned level, const CachedTable& table) {
    const StructureKey key = key_of(pasid, did, address, level);
    const bool stale = log_.any_since(generation, [&key](const InvalidationScope& scope) {
        return scope.overtakes_first_stage(key);
    });
    if (!stale || probes_.has(kStaleFillKept)) {
        insert(CacheId::FirstStage, first_, key, table);
    }
    return !stale;
}

bool StructureCaches::fill_second(std::uint64_t generation, DomainId did, std::uint64_t address,
                                  unsigned level, const CachedTable& table) {
    const bool tagged = !probes_.has(kSecondStageTagWithoutDomain);
    const StructureKey key =
        key_of(Pasid{kInvalidIoasid}, tagged ? did : DomainId{}, address, level);
    const bool stale = log_.any_since(generation, [&key](const InvalidationScope& scope) {
        return scope.overtakes_second_stage(key);
    });
    if (!stale || probes_.has(kStaleFillKept)) {
        insert(CacheId::SecondStage, second_, key, table);
    }
    return !stale;
}

std::uint32_t StructureCaches::drop(const InvalidationScope& scope) {
    if (probes_.has(kStructureCacheSurvives)) {
        return 0;
    }
    InvalidationScope effective = scope;
    if (probes_.has(kHintInverted)) {
        effective.leaf_only = !scope.leaf_only;
    }
    std::uint32_t dropped = 0;
    for (Array& array : first_) {
        dropped +=
            array.drop_if([&](const StructureKey& key,
                              const CachedTable&) { return effective.covers_first_stage(key); },
                          [&](const StructureKey& key, const CachedTable&) {
                              tell_drop(CacheId::FirstStage, key, false);
                          });
    }
    for (Array& array : second_) {
        dropped +=
            array.drop_if([&](const StructureKey& key,
                              const CachedTable&) { return effective.covers_second_stage(key); },
                          [&](const StructureKey& key, const CachedTable&) {
                              tell_drop(CacheId::SecondStage, key, false);
                          });
    }
    return dropped;
}

std::size_t StructureCaches::size() const {
    std::size_t size = 0;
    for (std::size_t i = 0; i < first_.size(); ++i) {
        size += first_[i].size() + second_[i].size();
    }
    return size;
}

}  // namespace ioasim::vtd
