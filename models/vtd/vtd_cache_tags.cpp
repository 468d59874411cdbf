#include "models/vtd/vtd_cache_tags.hpp"

namespace ioasim::vtd {
namespace {

bool uses_first_stage(TranslationType type) {
    return type == TranslationType::FirstStage || type == TranslationType::Nested;
}

}  // namespace

PageRange::PageRange(std::uint64_t address, unsigned mask) {
    const std::uint64_t low_bits =
        12 + mask >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (12 + mask)) - 1;
    first = address & ~low_bits;
    last = first | low_bits;
}

bool InvalidationScope::covers_context(Rid of, std::optional<DomainId> domain) const {
    // FM masks function bits from the top: 1 bit 2, 2 bits 2:1, 3 bits 2:0.
    static constexpr std::array<std::uint16_t, 4> kIgnored{0, 4, 6, 7};
    const std::uint16_t ignored = kIgnored[function_mask & 3U];
    switch (kind) {
        case Kind::Everything:
        case Kind::Contexts:
            return true;
        case Kind::ContextsOfDomain:
            return !domain || *domain == did;
        case Kind::ContextOfDevice:
            return (of.value() | ignored) == (rid.value() | ignored) && (!domain || *domain == did);
        default:
            return false;
    }
}

bool InvalidationScope::covers_pasid(const PasidKey& key, DomainId domain) const {
    switch (kind) {
        case Kind::Everything:
        case Kind::Pasids:
            return true;
        case Kind::PasidsOfDomain:
            return domain == did;
        case Kind::PasidInDomain:
            return domain == did && key.pasid == pasid;
        default:
            return false;
    }
}

bool InvalidationScope::covers_iotlb(const IotlbKey& key, const IotlbTags& tags) const {
    const bool first_stage = uses_first_stage(tags.type);
    switch (kind) {
        case Kind::Everything:
        case Kind::Iotlb:
            return true;
        case Kind::IotlbDomain:
            return tags.did == did;
        case Kind::IotlbPages:
            // A second-stage page says nothing about first-stage addresses: those go with the
            // whole domain.
            return tags.did == did && (first_stage || pages.overlaps(key.page, key.level));
        case Kind::PasidIotlb:
            return tags.did == did && tags.pasid == pasid;
        case Kind::PasidIotlbPages:
            return first_stage && tags.did == did && tags.pasid == pasid &&
                   pages.overlaps(key.page, key.level);
        default:
            return false;
    }
}

bool InvalidationScope::covers_first_stage(const StructureKey& key) const {
    switch (kind) {
        case Kind::Everything:
        case Kind::Iotlb:
            return true;
        case Kind::IotlbDomain:
        case Kind::IotlbPages:
            return key.did == did;
        case Kind::PasidIotlb:
            return key.did == did && key.pasid == pasid;
        case Kind::PasidIotlbPages:
            return !leaf_only && key.did == did && key.pasid == pasid &&
                   pages.overlaps(key.prefix, key.level);
        default:
            return false;
    }
}

bool InvalidationScope::covers_second_stage(const StructureKey& key) const {
    switch (kind) {
        case Kind::Everything:
        case Kind::Iotlb:
            return true;
        case Kind::IotlbDomain:
            return key.did == did;
        case Kind::IotlbPages:
            return !leaf_only && key.did == did && pages.overlaps(key.prefix, key.level);
        default:
            return false;
    }
}

// The structures of this address space.
bool InvalidationScope::covers_space(DomainId domain, Pasid of) const {
    return covers_pasid({Rid{}, of}, domain);
}

bool InvalidationScope::overtakes_pasid(const PasidKey& key, DomainId domain) const {
    return covers_pasid(key, domain) || covers_context(key.rid, std::nullopt);
}

bool InvalidationScope::overtakes_iotlb(const IotlbKey& key, const IotlbTags& tags) const {
    return covers_iotlb(key, tags) || covers_space(tags.did, tags.pasid) ||
           covers_context(key.rid, std::nullopt);
}

bool InvalidationScope::overtakes_first_stage(const StructureKey& key) const {
    return covers_first_stage(key) || covers_space(key.did, key.pasid) || is_of_contexts();
}

bool InvalidationScope::overtakes_second_stage(const StructureKey& key) const {
    const bool of_domain = kind == Kind::PasidInDomain && key.did == did;
    return covers_second_stage(key) || covers_space(key.did, key.pasid) || of_domain ||
           is_of_contexts();
}

}  // namespace ioasim::vtd
