#include <algorithm>

#include "core/base/check.hpp"
#include "models/pcie/config_space_if.hpp"

namespace ioasim::pcie {

using namespace config;

ConfigSpace::ConfigSpace(const ConfigAbilities& abilities) : abilities_(abilities) {
    power_on();
}

void ConfigSpace::power_on() {
    values_.fill(0);
    writable_.fill(0);
    cleared_by_one_.fill(0);
    lay_out_header();
    lay_out_express();
    lay_out_extended();
}

void ConfigSpace::reset() {
    const std::uint32_t payload = at(kDevCtl, 2) & (7U << kMaxPayloadShift);
    power_on();
    put(kDevCtl, (at(kDevCtl, 2) & ~(7U << kMaxPayloadShift)) | payload, 2);
}

// --- layout -------------------------------------------------------------------------------------

void ConfigSpace::put(std::uint32_t offset, std::uint32_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
        values_.at(offset + i) = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

void ConfigSpace::fixed(std::uint32_t offset, std::uint32_t value, unsigned size) {
    put(offset, value, size);
}

void ConfigSpace::writable(std::uint32_t offset, std::uint32_t mask, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
        writable_.at(offset + i) = static_cast<std::uint8_t>(mask >> (8 * i));
    }
}

void ConfigSpace::cleared_by_one(std::uint32_t offset, std::uint32_t mask, unsigned size) {
    for (unsigned i = 0; i < size; ++i) {
        cleared_by_one_.at(offset + i) = static_cast<std::uint8_t>(mask >> (8 * i));
    }
}

void ConfigSpace::lay_out_header() {
    fixed(kVendor, abilities_.vendor, 2);
    fixed(kDevice, abilities_.device, 2);
    writable(kCommand, kMemorySpace | kBusMaster | kInterruptDisable, 2);
    fixed(kStatus, kCapabilityList, 2);
    cleared_by_one(kStatus, kReceivedTargetAbort | kReceivedMasterAbort, 2);
    fixed(kRevision, abilities_.class_code << 8U, 4);
    writable(kCacheLine, 0xFF, 1);
    lay_out_bar(kBar0, abilities_.bar0_bytes);
    if (abilities_.bar2_bytes != 0) {
        lay_out_bar(kBar2, abilities_.bar2_bytes);
    }
    fixed(kSubsystem, abilities_.vendor | std::uint32_t{abilities_.device} << 16U, 4);
    fixed(kCapabilityPointer, kExpress, 1);
    writable(kInterruptLine, 0xFF, 1);
}

void ConfigSpace::lay_out_bar(std::uint32_t offset, std::uint64_t bytes) {
    const std::uint64_t mask = ~(bytes - 1);
    fixed(offset, kBar64, 4);
    writable(offset, static_cast<std::uint32_t>(mask) & ~0xFU, 4);
    writable(offset + 4, static_cast<std::uint32_t>(mask >> 32U), 4);
}

std::uint64_t ConfigSpace::bar(std::uint32_t offset) const {
    return (at(offset, 4) & ~0xFU) | std::uint64_t{at(offset + 4, 4)} << 32U;
}

void ConfigSpace::lay_out_express() {
    fixed(kExpress, kExpressId, 2);  // the last of its list
    fixed(kExpressFlags, kExpressVersion2 | kIntegratedEndpoint, 2);
    fixed(kDevCap, size_code(abilities_.max_payload) | kRoleBasedErrors | kCanReset, 4);
    fixed(kDevCtl, kRelaxedOrder | kNoSnoopEnable | size_code(512) << kMaxReadShift, 2);
    writable(kDevCtl,
             kErrorEnables | kRelaxedOrder | 7U << kMaxPayloadShift | kNoSnoopEnable |
                 7U << kMaxReadShift,
             2);
    cleared_by_one(kDevSta, kErrorsDetected, 2);
    fixed(kDevCap2,
          kTimeoutRanges | kTimeoutDisableSupported | (abilities_.pasid ? kPrefixSupported : 0), 4);
    writable(kDevCtl2, kTimeoutValue | kTimeoutDisable, 2);
}

void ConfigSpace::lay_out_extended() {
    // A list must begin at 100h: without ATS a header of id 0 stands there.
    const std::uint32_t after_pasid = abilities_.page_requests ? kPri : 0;
    const std::uint32_t after_ats = abilities_.pasid ? kPasid : after_pasid;
    if (abilities_.ats || after_ats != 0) {
        fixed(kAts, extended_header(abilities_.ats ? kAtsId : 0, after_ats), 4);
    }
    if (abilities_.ats) {
        fixed(kAtsCap,
              (abilities_.invalidate_queue_depth & kQueueDepth) | kPageAligned |
                  (abilities_.global_invalidate ? kGlobalInvalidate : 0),
              2);
        writable(kAtsCtl, kSmallestUnit | kAtsEnable, 2);
    }
    if (abilities_.pasid) {
        const std::uint32_t modes = (abilities_.pasid_execute ? kPasidExecute : 0) |
                                    (abilities_.pasid_privileged ? kPasidPrivileged : 0);
        fixed(kPasid, extended_header(kPasidId, after_pasid), 4);
        fixed(kPasidCap, modes | abilities_.pasid_width << kPasidWidthShift, 2);
        writable(kPasidCtl, kPasidEnable | modes, 2);
    }
    if (abilities_.page_requests) {
        fixed(kPri, extended_header(kPriId, 0), 4);
        writable(kPriCtl, kPriEnable, 2);
        fixed(kPriStatus, kPriStopped | (abilities_.pasid ? kResponseHasPasid : 0), 2);
        cleared_by_one(kPriStatus, kResponseFailure | kUnexpectedGroup, 2);
        fixed(kPriCapacity, abilities_.page_request_capacity, 4);
        writable(kPriAllocation, ~0U, 4);
    }
}

// --- access -------------------------------------------------------------------------------------

std::uint32_t ConfigSpace::read(std::uint32_t offset, unsigned size) const {
    SIM_CHECK(offset + size <= kConfigBytes, "configuration register {:#x}", offset);
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
        value |= std::uint32_t{values_[offset + i]} << (8 * i);
    }
    return value;
}

// Writes whose result the specification leaves open change nothing: the PASID controls while ATS is
// enabled (10.5.1.3), page requests enabled before they have stopped (10.5.2.2).
bool ConfigSpace::refused(std::uint32_t offset, std::uint32_t old, std::uint32_t wanted) const {
    if (offset == kPasidCtl) {
        return (at(kAtsCtl, 2) & kAtsEnable) != 0;
    }
    return offset == kPriCtl && (old & kPriEnable) == 0 && (wanted & kPriEnable) != 0 &&
           (at(kPriStatus, 2) & kPriStopped) == 0;
}

ConfigOrders ConfigSpace::write(std::uint32_t offset, std::uint32_t value, unsigned size) {
    SIM_CHECK(offset + size <= kConfigBytes, "configuration register {:#x}", offset);
    const auto written = [&](std::uint32_t reg) {
        // What the write says about a 16-bit register: bytes that it does not reach say 0.
        std::uint32_t bits = 0;
        for (unsigned i = 0; i < size; ++i) {
            const std::uint32_t place = offset + i;
            if (place == reg || place == reg + 1) {
                bits |= (value >> (8 * i) & 0xFFU) << (8 * (place - reg));
            }
        }
        return bits;
    };
    ConfigOrders orders;
    orders.reset_function = (written(kDevCtl) & kInitiateReset) != 0;
    orders.reset_page_requests = abilities_.page_requests && (written(kPriCtl) & kPriReset) != 0 &&
                                 ((written(kPriCtl) | at(kPriCtl, 2)) & kPriEnable) == 0;
    for (unsigned i = 0; i < size; ++i) {
        const std::uint32_t place = offset + i;
        const std::uint8_t old = values_[place];
        const auto in = static_cast<std::uint8_t>(value >> (8 * i));
        const auto taken =
            static_cast<std::uint8_t>((old & ~writable_[place]) | (in & writable_[place]));
        if (!refused(place & ~1U, old, in)) {
            values_[place] = static_cast<std::uint8_t>(taken & ~(in & cleared_by_one_[place]));
        }
    }
    return orders;
}

void ConfigSpace::set_status(std::uint32_t offset, std::uint32_t bits, bool on) {
    put(offset, on ? at(offset, 2) | bits : at(offset, 2) & ~bits, 2);
}

void ConfigSpace::note_completion(CplStatus status) {
    if (status == CplStatus::UnsupportedRequest) {
        set_status(kStatus, kReceivedMasterAbort);
    } else if (status == CplStatus::Abort) {
        set_status(kStatus, kReceivedTargetAbort);
    }
}

ConfigView ConfigSpace::view() const {
    ConfigView v;
    const std::uint32_t command = at(kCommand, 2);
    const std::uint32_t control = at(kDevCtl, 2);
    const std::uint32_t pasid = at(kPasidCtl, 2);
    v.memory_space = (command & kMemorySpace) != 0;
    v.bus_master = (command & kBusMaster) != 0;
    v.bar0 = bar(kBar0);
    v.bar2 = bar(kBar2);
    v.no_snoop = (control & kNoSnoopEnable) != 0;
    v.relaxed_ordering = (control & kRelaxedOrder) != 0;
    // More than the function can do is as much as it can do.
    v.max_payload = std::min(size_of_code((control >> kMaxPayloadShift) & 7U),
                             size_of_code(size_code(abilities_.max_payload)));
    v.max_read_request = size_of_code((control >> kMaxReadShift) & 7U);
    v.timeout_code = at(kDevCtl2, 2) & kTimeoutValue;
    v.timeout_disabled = (at(kDevCtl2, 2) & kTimeoutDisable) != 0;
    v.ats = (at(kAtsCtl, 2) & kAtsEnable) != 0;
    v.pasid = (pasid & kPasidEnable) != 0;
    v.pasid_execute = v.pasid && (pasid & kPasidExecute) != 0;
    v.pasid_privileged = v.pasid && (pasid & kPasidPrivileged) != 0;
    v.page_requests = (at(kPriCtl, 2) & kPriEnable) != 0;
    v.page_request_allocation = at(kPriAllocation, 4);
    return v;
}

std::optional<TimePs> completion_timeout_of(std::uint32_t code) {
    struct Range {
        std::uint32_t code;
        std::uint64_t longest;  // in microseconds
    };
    constexpr std::array<Range, 8> kRanges{{{0x1, 100},
                                            {0x2, 10'000},
                                            {0x5, 55'000},
                                            {0x6, 210'000},
                                            {0x9, 900'000},
                                            {0xA, 3'500'000},
                                            {0xD, 13'000'000},
                                            {0xE, 64'000'000}}};
    constexpr std::uint64_t kMicrosecond = 1'000'000;  // in picoseconds
    for (const Range& range : kRanges) {
        if (range.code == code) {
            return TimePs{range.longest * kMicrosecond};
        }
    }
    return std::nullopt;  // the function's own, and reserved codes
}

}  // namespace ioasim::pcie
