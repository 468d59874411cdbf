#include "models/vtd/vtd_descriptor_check.hpp"

namespace ioasim::vtd {
namespace {

bool mode_supported(const Capabilities& caps, TableMode mode) {
    switch (mode) {
        case TableMode::Legacy:
            return true;
        case TableMode::Scalable:
            return caps.scalable;
        case TableMode::AbortDma:
            return caps.abort_dma;
        default:
            return false;
    }
}

// Types 1 to 5 in legacy mode, all in the others; some need a capability.
bool type_legal(const Capabilities& caps, TableMode mode, InvalidationType type) {
    const bool legacy = mode == TableMode::Legacy;
    switch (type) {
        case InvalidationType::ContextCache:
        case InvalidationType::Iotlb:
        case InvalidationType::Wait:
            return true;
        case InvalidationType::DeviceTlb:
            return caps.device_tlb;
        case InvalidationType::InterruptEntryCache:
            return caps.interrupt_cache;
        case InvalidationType::PasidIotlb:
        case InvalidationType::PasidCache:
            return !legacy;
        case InvalidationType::PasidDeviceTlb:
            return !legacy && caps.device_tlb;
        case InvalidationType::PageGroupResponse:
            return !legacy && caps.page_requests;
        default:
            return false;  // HPTS is 0
    }
}

// CAP.MAMV bounds the ranges of invalidations by domain only; CAP.PSI offers them.
bool iotlb_legal(const Capabilities& caps, const Descriptor& d) {
    const bool page_in_domain =
        inv::kGranularity.get(d[0]) == static_cast<std::uint64_t>(IotlbGranularity::Page);
    return !page_in_domain ||
           (caps.page_selective && inv::kAddressMask.get(d[1]) <= caps.max_address_mask);
}

bool fields_legal(const Capabilities& caps, const Descriptor& d) {
    switch (type_of(d)) {
        case InvalidationType::Iotlb:
            return has_legal_granularity(d) && iotlb_legal(caps, d);
        case InvalidationType::InterruptEntryCache:
            return inv::kIndexSelective.get(d[0]) == 0 ||
                   inv::kIndexMask.get(d[0]) <= ecap::kMhmv.get(caps.ecap());
        default:
            return has_legal_granularity(d);
    }
}

}  // namespace

QueueFeatures queue_features(const Capabilities& caps) {
    QueueFeatures f;
    f.device_tlb = caps.device_tlb;
    f.throttle = caps.device_tlb_throttle;
    f.page_requests = caps.page_requests;
    f.page_drain = caps.page_request_drain;
    f.interrupt_cache = caps.interrupt_cache;
    return f;
}

QueueError check_descriptor(const Capabilities& caps, TableMode mode, bool wide,
                            const Descriptor& descriptor) {
    if (!mode_supported(caps, mode)) {
        return QueueError::BadTableMode;
    }
    const bool wide_exists = caps.scalable || caps.abort_dma;
    if (wide ? !wide_exists : mode != TableMode::Legacy) {
        return QueueError::BadWidth;
    }
    if (!type_legal(caps, mode, type_of(descriptor))) {
        return QueueError::BadType;
    }
    const bool legal =
        !has_reserved_bits(descriptor, queue_features(caps)) && fields_legal(caps, descriptor);
    return legal ? QueueError::None : QueueError::Reserved;
}

Hpa wait_status_address(const Capabilities& caps, const Descriptor& wait) {
    return Hpa{wait[1] & ~(std::uint64_t{3} | caps.above_host_width())};
}

}  // namespace ioasim::vtd
