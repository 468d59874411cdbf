// The configuration space of a PCI Express function: offsets and fields (PCI Express base
// specification 6.0, 7.5.1 type 0 header, 7.5.3 PCI Express capability, 7.8.8 PASID, 10.5 ATS and
// page request interface; enhanced configuration access 7.2.2).
//
// Where the capabilities lie in the space is this model's choice; software that walks the lists
// finds them. Left out: expansion ROM, power management, link and slot registers (an integrated
// endpoint has neither), error reporting capability, MSI and MSI-X structures.
#pragma once

#include <cstdint>

#include "core/base/bits.hpp"
#include "core/base/types.hpp"

namespace ioasim::pcie {

constexpr std::uint32_t kConfigBytes = 4096;  // of one function
// One function's page lies at its id; 256 buses.
constexpr std::uint64_t kEcamBytes = std::uint64_t{0x1'0000} * kConfigBytes;
constexpr std::uint64_t ecam_offset(Rid function, std::uint32_t offset) {
    return std::uint64_t{function.value()} * kConfigBytes + offset;
}
constexpr Rid ecam_function(std::uint64_t offset) {
    return Rid{static_cast<std::uint16_t>(offset / kConfigBytes)};
}

namespace config {
// --- type 0 header ---
constexpr std::uint32_t kVendor = 0x00;             // 16
constexpr std::uint32_t kDevice = 0x02;             // 16
constexpr std::uint32_t kCommand = 0x04;            // 16
constexpr std::uint32_t kStatus = 0x06;             // 16
constexpr std::uint32_t kRevision = 0x08;           // 8, class code above it
constexpr std::uint32_t kCacheLine = 0x0C;          // 8, stored only
constexpr std::uint32_t kHeaderType = 0x0E;         // 8
constexpr std::uint32_t kBar0 = 0x10;               // 64
constexpr std::uint32_t kBar2 = 0x18;               // 64, of functions that have one
constexpr std::uint32_t kSubsystem = 0x2C;          // 16 vendor, 16 id
constexpr std::uint32_t kCapabilityPointer = 0x34;  // 8
constexpr std::uint32_t kInterruptLine = 0x3C;      // 8, stored only

constexpr std::uint32_t kMemorySpace = 1U << 1U;  // COMMAND
constexpr std::uint32_t kBusMaster = 1U << 2U;
constexpr std::uint32_t kInterruptDisable = 1U << 10U;
constexpr std::uint32_t kCapabilityList = 1U << 4U;        // STATUS
constexpr std::uint32_t kReceivedTargetAbort = 1U << 12U;  // Completer Abort came
constexpr std::uint32_t kReceivedMasterAbort = 1U << 13U;  // Unsupported Request came
constexpr std::uint32_t kBar64 = 0x4;                      // BAR [2:1] = 10b: 64 bits wide

// --- PCI Express capability ---
constexpr std::uint32_t kExpress = 0x40;
constexpr std::uint32_t kExpressId = 0x10;
constexpr std::uint32_t kExpressFlags = kExpress + 0x02;      // 16: [3:0] version, [7:4] type
constexpr std::uint32_t kDevCap = kExpress + 0x04;            // 32
constexpr std::uint32_t kDevCtl = kExpress + 0x08;            // 16
constexpr std::uint32_t kDevSta = kExpress + 0x0A;            // 16
constexpr std::uint32_t kDevCap2 = kExpress + 0x24;           // 32
constexpr std::uint32_t kDevCtl2 = kExpress + 0x28;           // 16
constexpr std::uint32_t kExpressVersion2 = 2;                 // [3:0]
constexpr std::uint32_t kIntegratedEndpoint = 9U << 4U;       // [7:4]
constexpr std::uint32_t kRoleBasedErrors = 1U << 15U;         // DEVCAP
constexpr std::uint32_t kCanReset = 1U << 28U;                // function-level reset
constexpr std::uint32_t kErrorEnables = 0xF;                  // DEVCTL
constexpr std::uint32_t kRelaxedOrder = 1U << 4U;             // else no request asks for it
constexpr unsigned kMaxPayloadShift = 5;                      // [7:5]: 128 << n bytes
constexpr std::uint32_t kNoSnoopEnable = 1U << 11U;           // else no request asks for it
constexpr unsigned kMaxReadShift = 12;                        // [14:12]: 128 << n bytes
constexpr std::uint32_t kInitiateReset = 1U << 15U;           // reads as 0
constexpr std::uint32_t kUnsupportedDetected = 1U << 3U;      // DEVSTA, write 1 to clear
constexpr std::uint32_t kErrorsDetected = 0xF;                //
constexpr std::uint32_t kTransactionsPending = 1U << 5U;      // non-posted requests unanswered
constexpr std::uint32_t kTimeoutRanges = 0xF;                 // DEVCAP2: all of them
constexpr std::uint32_t kTimeoutDisableSupported = 1U << 4U;  //
constexpr std::uint32_t kPrefixSupported = 1U << 21U;         // end-end prefixes: PASID
constexpr std::uint32_t kTimeoutValue = 0xF;                  // DEVCTL2
constexpr std::uint32_t kTimeoutDisable = 1U << 4U;

// --- address translation services (10.5.1) ---
constexpr std::uint32_t kAts = 0x100;
constexpr std::uint32_t kAtsId = 0x000F;
constexpr std::uint32_t kAtsCap = kAts + 0x04;  // 16
constexpr std::uint32_t kAtsCtl = kAts + 0x06;  // 16
constexpr std::uint32_t kQueueDepth = 0x1F;     // ATS_CAP: 0 stands for 32
constexpr std::uint32_t kPageAligned = 1U << 5U;
constexpr std::uint32_t kGlobalInvalidate = 1U << 6U;
constexpr std::uint32_t kSmallestUnit = 0x1F;  // ATS_CTL: STU
constexpr std::uint32_t kAtsEnable = 1U << 15U;

// --- PASID (7.8.8) ---
constexpr std::uint32_t kPasid = 0x110;
constexpr std::uint32_t kPasidId = 0x001B;
constexpr std::uint32_t kPasidCap = kPasid + 0x04;  // 16
constexpr std::uint32_t kPasidCtl = kPasid + 0x06;  // 16
constexpr std::uint32_t kPasidExecute = 1U << 1U;   // both
constexpr std::uint32_t kPasidPrivileged = 1U << 2U;
constexpr unsigned kPasidWidthShift = 8;          // PASID_CAP [12:8]
constexpr std::uint32_t kPasidEnable = 1U << 0U;  // PASID_CTL

// --- page request interface (10.5.2) ---
constexpr std::uint32_t kPri = 0x120;
constexpr std::uint32_t kPriId = 0x0013;
constexpr std::uint32_t kPriCtl = kPri + 0x04;         // 16
constexpr std::uint32_t kPriStatus = kPri + 0x06;      // 16
constexpr std::uint32_t kPriCapacity = kPri + 0x08;    // 32
constexpr std::uint32_t kPriAllocation = kPri + 0x0C;  // 32
constexpr std::uint32_t kPriEnable = 1U << 0U;         // PRI_CTL
constexpr std::uint32_t kPriReset = 1U << 1U;          // only while not enabled
constexpr std::uint32_t kResponseFailure = 1U << 0U;   // PRI_STATUS, write 1 to clear
constexpr std::uint32_t kUnexpectedGroup = 1U << 1U;   // write 1 to clear
constexpr std::uint32_t kPriStopped = 1U << 8U;
constexpr std::uint32_t kResponseHasPasid = 1U << 15U;  // responses to requests with PASID have one

constexpr std::uint32_t extended_header(std::uint32_t id, std::uint32_t next) {
    return id | 1U << 16U | next << 20U;
}
// DEVCTL: 128 << code bytes.
constexpr std::uint32_t size_code(std::uint64_t bytes) {
    std::uint32_t code = 0;
    while ((std::uint64_t{128} << code) < bytes && code < 5) {
        ++code;
    }
    return code;
}
constexpr std::uint32_t size_of_code(std::uint32_t code) {
    return 128U << (code < 5 ? code : 5);
}
}  // namespace config

}  // namespace ioasim::pcie
