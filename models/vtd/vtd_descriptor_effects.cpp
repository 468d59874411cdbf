#include "models/vtd/vtd_descriptor_effects.hpp"

#include "core/trace/vtd_events.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {

bool DescriptorEffects::apply(const Descriptor& d) {
    const InvalidationType type = type_of(d);
    const bool is_iotlb = type == InvalidationType::Iotlb || type == InvalidationType::PasidIotlb;
    const bool skip = is_iotlb && probes_.has(kSkipIotlbInvalidation);
    Effect effect;
    if (skip) {
        effect = {type == InvalidationType::Iotlb ? "iotlb" : "piotlb", "", 0, false};
    } else if (type == InvalidationType::ContextCache && probes_.has(kContextCacheSurvives)) {
        effect = {"cc", "", 0, false};
    } else if (type == InvalidationType::PasidCache && probes_.has(kPasidCacheSurvives)) {
        effect = {"pasid_cache", "", 0, false};
    } else if (type == InvalidationType::ContextCache) {
        effect = context_cache(d);
    } else if (type == InvalidationType::PasidCache) {
        effect = pasid_cache(d);
    } else if (type == InvalidationType::InterruptEntryCache) {
        // Interrupts are not remapped, so there is nothing to drop.
        effect = {"iec", inv::kIndexSelective.get(d[0]) != 0 ? "index" : "global", 0, false};
    } else if (type == InvalidationType::Iotlb) {
        effect = domain_iotlb(d);
    } else {
        effect = pasid_iotlb(d);
    }
    const bool has_pasid =
        type == InvalidationType::PasidIotlb || type == InvalidationType::PasidCache;
    const auto pasid = static_cast<std::uint32_t>(inv::kPasid.get(d[0]));
    const auto shift = static_cast<unsigned>(12 + inv::kAddressMask.get(d[1]));
    const std::uint64_t bytes = shift >= 64 ? ~std::uint64_t{0} : std::uint64_t{1} << shift;
    recorder_.emit(source_,
                   trace::VtdInvalidation{
                       name_, recorder_.name(effect.kind), recorder_.name(effect.granularity),
                       domain_of(d), Pasid{has_pasid ? pasid : kInvalidIoasid}, effect.dropped,
                       Iova{effect.pages ? d[1] & inv::kAddress & ~(bytes - 1) : 0},
                       effect.pages ? bytes : 0});
    return !skip;
}

void DescriptorEffects::drop_page(const PasidEntry& entry, Pasid pasid, std::uint64_t address) {
    std::uint32_t dropped = 0;
    const bool nested = entry.pgtt == TranslationType::Nested;
    if (nested) {
        dropped = caches_.invalidate_iotlb_domain(entry.did);
    } else if (entry.pgtt == TranslationType::FirstStage) {
        dropped = caches_.invalidate_iotlb_pasid_pages(entry.did, pasid, address, 0, false);
    } else {
        dropped = caches_.invalidate_iotlb_pages(entry.did, address, 0, false);
    }
    recorder_.emit(source_, trace::VtdInvalidation{
                                name_, recorder_.name("page_request"),
                                recorder_.name(nested ? "domain" : "page"), entry.did, pasid,
                                dropped, Iova{nested ? 0 : address}, nested ? 0 : kPageSize});
}

// Bits beyond the width of domain ids are ignored.
DomainId DescriptorEffects::domain_of(const Descriptor& d) const {
    const std::uint64_t width_mask = bit_mask(caps_.domain_bits - 1, 0);
    return DomainId{static_cast<std::uint16_t>(inv::kDid.get(d[0]) & width_mask)};
}

unsigned DescriptorEffects::address_mask(const Descriptor& d) const {
    return probes_.has(kAddressMaskIgnored) ? 0U
                                            : static_cast<unsigned>(inv::kAddressMask.get(d[1]));
}

DescriptorEffects::Effect DescriptorEffects::context_cache(const Descriptor& d) {
    const auto granularity = static_cast<ContextGranularity>(inv::kGranularity.get(d[0]));
    const DomainId did = domain_of(d);
    if (granularity == ContextGranularity::Device) {
        const Rid rid{static_cast<std::uint16_t>(inv::kSid.get(d[0]))};
        const bool alone = probes_.has(kFunctionMaskIgnored);
        const auto mask = alone ? 0U : static_cast<unsigned>(inv::kFunctionMask.get(d[0]));
        return {"cc", "device", caches_.invalidate_context(rid, mask, did), false};
    }
    if (granularity == ContextGranularity::Domain) {
        return {"cc", "domain", caches_.invalidate_contexts_of(did), false};
    }
    return {"cc", "global", caches_.invalidate_contexts(), false};
}

DescriptorEffects::Effect DescriptorEffects::pasid_cache(const Descriptor& d) {
    const DomainId did = domain_of(d);
    switch (static_cast<PasidCacheGranularity>(inv::kGranularity.get(d[0]))) {
        case PasidCacheGranularity::Domain:
            return {"pasid_cache", "domain", caches_.invalidate_pasids_of(did), false};
        case PasidCacheGranularity::Pasid: {
            const Pasid pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
            return {"pasid_cache", "pasid", caches_.invalidate_pasid(did, pasid), false};
        }
        default:
            return {"pasid_cache", "global", caches_.invalidate_pasids(), false};
    }
}

DescriptorEffects::Effect DescriptorEffects::domain_iotlb(const Descriptor& d) {
    const DomainId did = domain_of(d);
    const bool hint = inv::kHint.get(d[1]) != 0;
    switch (static_cast<IotlbGranularity>(inv::kGranularity.get(d[0]))) {
        case IotlbGranularity::Global:
            return {"iotlb", "global", caches_.invalidate_iotlb(), false};
        case IotlbGranularity::Domain:
            return {"iotlb", "domain", caches_.invalidate_iotlb_domain(did), false};
        default: {
            // Address bits beyond the guest address width are ignored.
            const std::uint64_t address = d[1] & inv::kAddress & bit_mask(caps_.mgaw - 1, 0);
            const unsigned mask = address_mask(d);
            return {"iotlb", "page", caches_.invalidate_iotlb_pages(did, address, mask, hint),
                    true};
        }
    }
}

DescriptorEffects::Effect DescriptorEffects::pasid_iotlb(const Descriptor& d) {
    const DomainId did = domain_of(d);
    const Pasid pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
    const auto granularity = static_cast<PasidIotlbGranularity>(inv::kGranularity.get(d[0]));
    if (granularity == PasidIotlbGranularity::Pasid) {
        return {"piotlb", "pasid", caches_.invalidate_iotlb_pasid(did, pasid), false};
    }
    const unsigned mask = address_mask(d);
    return {"piotlb", "page",
            caches_.invalidate_iotlb_pasid_pages(did, pasid, d[1] & inv::kAddress, mask,
                                                 inv::kHint.get(d[1]) != 0),
            true};
}

}  // namespace ioasim::vtd
