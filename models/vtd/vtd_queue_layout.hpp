// Descriptors of the invalidation queue and of the page-request queue (VT-d specification 6.5.2,
// 7.4.1.1). All invalidation descriptors are encoded 256 bits wide, as scalable mode demands.
// Left out: host-permission-table invalidation.
#pragma once

#include <array>
#include <cstdint>

#include "models/vtd/vtd_register_layout.hpp"

namespace ioasim::vtd {

using Descriptor = std::array<std::uint64_t, 4>;
constexpr std::uint64_t kDescriptorBytes = 32;

enum class InvalidationType : std::uint8_t {
    ContextCache = 1,
    Iotlb = 2,
    DeviceTlb = 3,
    InterruptEntryCache = 4,
    Wait = 5,
    PasidIotlb = 6,
    PasidCache = 7,
    PasidDeviceTlb = 8,
    PageGroupResponse = 9,
    HostPermission = 10,
};

namespace inv {  // quadword 0 unless said otherwise
constexpr Field kTypeLow{3, 0};
constexpr Field kTypeHigh{11, 9};
constexpr Field kGranularity{5, 4};
constexpr Field kDrainWrites{6, 6};  // Iotlb
constexpr Field kDrainReads{7, 7};
constexpr Field kDid{31, 16};
constexpr Field kPasid{51, 32};
constexpr Field kSid{47, 32};           // ContextCache, DeviceTlb
constexpr Field kFunctionMask{49, 48};  // ContextCache
constexpr Field kPfsidLow{15, 12};      // device TLBs
constexpr Field kPfsidHigh{63, 52};
constexpr Field kDevSid{31, 16};  // PasidDeviceTlb, PageGroupResponse
constexpr Field kWaitInterrupt{4, 4};
constexpr Field kWaitStatus{5, 5};
constexpr Field kWaitFence{6, 6};
constexpr Field kWaitPageDrain{7, 7};
constexpr Field kWaitData{63, 32};
constexpr Field kResponseHasPasid{4, 4};  // PageGroupResponse
constexpr Field kResponseCode{15, 12};
constexpr Field kAddressMask{5, 0};     // quadword 1: 2^AM pages
constexpr Field kHint{6, 6};            // quadword 1: IH, only leaves changed
constexpr Field kIndexSelective{4, 4};  // InterruptEntryCache
constexpr Field kIndexMask{31, 27};
constexpr Field kIndex{47, 32};
constexpr Field kDevPending{20, 16};     // DeviceTlb: MIP, 0 for 32
constexpr Field kPasidDevPending{8, 4};  // PasidDeviceTlb
constexpr Field kDevSize{0, 0};          // quadword 1 of DeviceTlb: S
constexpr Field kPasidDevGlobal{0, 0};
constexpr Field kPasidDevSize{11, 11};                // quadword 1 of PasidDeviceTlb: S
constexpr Field kResponseGroup{11, 3};                // quadword 1 of PageGroupResponse
constexpr std::uint64_t kAddress = bit_mask(63, 12);  // quadword 1
}  // namespace inv

constexpr InvalidationType type_of(const Descriptor& d) {
    return static_cast<InvalidationType>((inv::kTypeHigh.get(d[0]) << 4U) |
                                         inv::kTypeLow.get(d[0]));
}
constexpr std::uint64_t type_bits(InvalidationType type) {
    const auto t = static_cast<std::uint64_t>(type);
    return inv::kTypeLow.make(t & 0xFU) | inv::kTypeHigh.make(t >> 4U);
}

// What decides about fields and types of descriptors; everything absent is reserved or invalid.
struct QueueFeatures {
    bool device_tlb = false;
    bool throttle = false;       // ECAP.DIT: device-TLB descriptors name the physical function
    bool page_requests = false;  // page group responses
    bool page_drain = false;     // ECAP.PDS
    bool interrupt_cache = false;
};

// Bits that a type reserves in quadwords 0 and 1 (6.5.2.1 to 6.5.2.10); quadwords 2 and 3 hold
// nothing. A type that the unit does not take reserves everything.
struct ReservedBits {
    std::uint64_t low = ~std::uint64_t{0};
    std::uint64_t high = ~std::uint64_t{0};
};
constexpr ReservedBits reserved_bits(InvalidationType type, const QueueFeatures& features) {
    constexpr std::uint64_t kAll = ~std::uint64_t{0};
    const std::uint64_t pfsid =
        features.throttle ? inv::kPfsidLow.mask() | inv::kPfsidHigh.mask() : std::uint64_t{0};
    switch (type) {
        case InvalidationType::ContextCache:
            return {0xFFFC'0000'0000'F1C0, kAll};
        case InvalidationType::Iotlb:
            return {0xFFFF'FFFF'0000'F100, 0xF80};
        case InvalidationType::DeviceTlb:
            return features.device_tlb ? ReservedBits{0xFFFF'0000'FFE0'F1F0 & ~pfsid, 0xFFE}
                                       : ReservedBits{};
        case InvalidationType::InterruptEntryCache:
            return features.interrupt_cache ? ReservedBits{0xFFFF'0000'07FF'F1E0, kAll}
                                            : ReservedBits{};
        case InvalidationType::Wait:
            return {0x0000'0000'FFFF'F100 | (features.page_drain ? 0 : inv::kWaitPageDrain.mask()),
                    3};
        case InvalidationType::PasidIotlb:
            return {0xFFF0'0000'0000'F1C0, 0xF80};
        case InvalidationType::PasidCache:
            return {0xFFF0'0000'0000'F1C0, kAll};
        case InvalidationType::PasidDeviceTlb:
            return features.device_tlb ? ReservedBits{0xFFF0'0000'0000'F000 & ~pfsid, 0x7FE}
                                       : ReservedBits{};
        case InvalidationType::PageGroupResponse:
            return features.page_requests
                       ? ReservedBits{0xFFF0'0000'0000'01E0, 0xFFFF'FFFF'FFFF'F003}
                       : ReservedBits{};
        default:
            return {};
    }
}
constexpr bool has_reserved_bits(const Descriptor& d, const QueueFeatures& features = {}) {
    const ReservedBits reserved = reserved_bits(type_of(d), features);
    return (d[0] & reserved.low) != 0 || (d[1] & reserved.high) != 0 || d[2] != 0 || d[3] != 0;
}
// The granularity field holds one of the codes that its type defines.
constexpr bool has_legal_granularity(const Descriptor& d) {
    const std::uint64_t g = inv::kGranularity.get(d[0]);
    switch (type_of(d)) {
        case InvalidationType::ContextCache:
        case InvalidationType::Iotlb:
            return g != 0;
        case InvalidationType::PasidIotlb:
            return g >= 2;
        case InvalidationType::PasidCache:
            return g != 2;
        default:
            return true;
    }
}

// --- context cache (6.5.2.1) --------------------------------------------------------------------
enum class ContextGranularity : std::uint8_t { Global = 1, Domain = 2, Device = 3 };

constexpr Descriptor context_cache_invalidate(ContextGranularity g, DomainId did = DomainId{},
                                              Rid sid = Rid{}, unsigned function_mask = 0) {
    return {type_bits(InvalidationType::ContextCache) |
                inv::kGranularity.make(static_cast<std::uint64_t>(g)) |
                inv::kDid.make(did.value()) | inv::kSid.make(sid.value()) |
                inv::kFunctionMask.make(function_mask),
            0, 0, 0};
}

// --- PASID cache (6.5.2.2) ----------------------------------------------------------------------
enum class PasidCacheGranularity : std::uint8_t { Domain = 0, Pasid = 1, Global = 3 };

constexpr Descriptor pasid_cache_invalidate(PasidCacheGranularity g, DomainId did = DomainId{},
                                            Pasid pasid = Pasid{}) {
    return {type_bits(InvalidationType::PasidCache) |
                inv::kGranularity.make(static_cast<std::uint64_t>(g)) |
                inv::kDid.make(did.value()) | inv::kPasid.make(pasid.value()),
            0, 0, 0};
}

// --- IOTLB (6.5.2.3); reads and writes are drained ----------------------------------------------
enum class IotlbGranularity : std::uint8_t { Global = 1, Domain = 2, Page = 3 };

constexpr Descriptor iotlb_invalidate(IotlbGranularity g, DomainId did = DomainId{},
                                      std::uint64_t address = 0, unsigned address_mask = 0,
                                      bool leaf_only = false) {
    return {type_bits(InvalidationType::Iotlb) |
                inv::kGranularity.make(static_cast<std::uint64_t>(g)) | inv::kDrainReads.mask() |
                inv::kDrainWrites.mask() | inv::kDid.make(did.value()),
            (address & inv::kAddress) | inv::kAddressMask.make(address_mask) |
                inv::kHint.make(leaf_only ? 1 : 0),
            0, 0};
}

// --- PASID-based IOTLB (6.5.2.4) ----------------------------------------------------------------
enum class PasidIotlbGranularity : std::uint8_t { Pasid = 2, Page = 3 };

constexpr Descriptor pasid_iotlb_invalidate(PasidIotlbGranularity g, DomainId did, Pasid pasid,
                                            std::uint64_t address = 0, unsigned address_mask = 0,
                                            bool leaf_only = false) {
    return {type_bits(InvalidationType::PasidIotlb) |
                inv::kGranularity.make(static_cast<std::uint64_t>(g)) |
                inv::kDid.make(did.value()) | inv::kPasid.make(pasid.value()),
            (address & inv::kAddress) | inv::kAddressMask.make(address_mask) |
                inv::kHint.make(leaf_only ? 1 : 0),
            0, 0};
}

// --- device TLB (6.5.2.5, 6.5.2.6) --------------------------------------------------------------
// The whole address space: size bit set and all address bits below bit 63 one.
constexpr std::uint64_t kWholeAddressSpace = bit_mask(62, 12);

constexpr std::uint64_t pfsid_bits(Rid pfsid) {
    return inv::kPfsidLow.make(pfsid.value() & 0xFU) | inv::kPfsidHigh.make(pfsid.value() >> 4U);
}
constexpr Descriptor device_tlb_invalidate(Rid sid, std::uint64_t address, bool size_bit,
                                           Rid pfsid = Rid{}, unsigned max_pending = 0) {
    return {type_bits(InvalidationType::DeviceTlb) | pfsid_bits(pfsid) |
                inv::kDevPending.make(max_pending) | inv::kSid.make(sid.value()),
            (address & inv::kAddress) | inv::kDevSize.make(size_bit ? 1 : 0), 0, 0};
}
constexpr Descriptor pasid_device_tlb_invalidate(Rid sid, Pasid pasid, std::uint64_t address,
                                                 bool size_bit, bool global = false,
                                                 Rid pfsid = Rid{}, unsigned max_pending = 0) {
    return {type_bits(InvalidationType::PasidDeviceTlb) | pfsid_bits(pfsid) |
                inv::kPasidDevPending.make(max_pending) | inv::kDevSid.make(sid.value()) |
                inv::kPasid.make(pasid.value()),
            (address & inv::kAddress) | inv::kPasidDevSize.make(size_bit ? 1 : 0) |
                inv::kPasidDevGlobal.make(global ? 1 : 0),
            0, 0};
}

// --- interrupt entry cache (6.5.2.7) ------------------------------------------------------------
constexpr Descriptor interrupt_cache_invalidate() {
    return {type_bits(InvalidationType::InterruptEntryCache), 0, 0, 0};
}
constexpr Descriptor interrupt_cache_invalidate(std::uint16_t index, unsigned mask) {
    return {type_bits(InvalidationType::InterruptEntryCache) | inv::kIndexSelective.mask() |
                inv::kIndexMask.make(mask) | inv::kIndex.make(index),
            0, 0, 0};
}

// --- wait (6.5.2.8) -----------------------------------------------------------------------------
constexpr Descriptor wait_with_status(Hpa status_address, std::uint32_t status_data,
                                      bool page_drain = false, bool fence = false,
                                      bool interrupt = false) {
    return {type_bits(InvalidationType::Wait) | inv::kWaitStatus.mask() |
                inv::kWaitInterrupt.make(interrupt ? 1 : 0) | inv::kWaitFence.make(fence ? 1 : 0) |
                inv::kWaitPageDrain.make(page_drain ? 1 : 0) | inv::kWaitData.make(status_data),
            status_address.value() & ~std::uint64_t{3}, 0, 0};
}
// Only the interrupt flag (IF), no status write.
constexpr Descriptor wait_with_interrupt(bool fence = false) {
    return {type_bits(InvalidationType::Wait) | inv::kWaitInterrupt.mask() |
                inv::kWaitFence.make(fence ? 1 : 0),
            0, 0, 0};
}
// Neither status nor interrupt: orders what is before it against what follows. The status data and
// address are ignored.
constexpr Descriptor wait_barrier(std::uint32_t status_data = 0) {
    return {type_bits(InvalidationType::Wait) | inv::kWaitFence.mask() |
                inv::kWaitData.make(status_data),
            0, 0, 0};
}

// --- page group response (7.7) ------------------------------------------------------------------
enum class PageResponse : std::uint8_t { Success = 0, Invalid = 1, Failure = 15 };

constexpr Descriptor page_group_response(Rid rid, std::uint16_t group, PageResponse code,
                                         bool has_pasid = false, Pasid pasid = Pasid{}) {
    return {type_bits(InvalidationType::PageGroupResponse) |
                inv::kResponseHasPasid.make(has_pasid ? 1 : 0) |
                inv::kResponseCode.make(static_cast<std::uint64_t>(code)) |
                inv::kDevSid.make(rid.value()) | inv::kPasid.make(has_pasid ? pasid.value() : 0),
            inv::kResponseGroup.make(group), 0, 0};
}

// --- page request descriptor (7.4.1.1) ----------------------------------------------------------
struct PageRequest {
    bool has_pasid = false;
    Rid rid;
    Pasid pasid;
    bool execute = false;
    bool privileged = false;
    bool read = false;
    bool write = false;
    bool last = false;  // LPIG
    std::uint16_t group = 0;
    std::uint64_t address = 0;
};

constexpr Descriptor encode(const PageRequest& r) {
    return {Field{7, 0}.make(1) | Field{8, 8}.make(r.has_pasid ? 1 : 0) |
                Field{31, 16}.make(r.rid.value()) |
                Field{51, 32}.make(r.has_pasid ? r.pasid.value() : 0) |
                Field{52, 52}.make(r.execute ? 1 : 0) | Field{53, 53}.make(r.privileged ? 1 : 0),
            Field{0, 0}.make(r.read ? 1 : 0) | Field{1, 1}.make(r.write ? 1 : 0) |
                Field{2, 2}.make(r.last ? 1 : 0) | Field{11, 3}.make(r.group) |
                (r.address & inv::kAddress),
            0, 0};
}
constexpr PageRequest decode_page_request(const Descriptor& d) {
    PageRequest r;
    r.has_pasid = get_bit(d[0], 8);
    r.rid = Rid{static_cast<std::uint16_t>(get_bits(d[0], 31, 16))};
    r.pasid = Pasid{static_cast<std::uint32_t>(get_bits(d[0], 51, 32))};
    r.execute = get_bit(d[0], 52);
    r.privileged = get_bit(d[0], 53);
    r.read = get_bit(d[1], 0);
    r.write = get_bit(d[1], 1);
    r.last = get_bit(d[1], 2);
    r.group = static_cast<std::uint16_t>(get_bits(d[1], 11, 3));
    r.address = d[1] & inv::kAddress;
    return r;
}

}  // namespace ioasim::vtd
