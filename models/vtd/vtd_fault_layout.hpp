// Fault reasons (VT-d specification 7.1.3): one table of code, flow name, meaning, whether FPD
// keeps it out of the records, and how each kind of request ends. The unit, `ioasim explain fault`
// and the tests read the same table.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ioasim::vtd {

enum class FaultReason : std::uint8_t {
    None = 0x00,
    LegacyRootNotPresent = 0x01,
    LegacyContextNotPresent = 0x02,
    LegacyContextInvalid = 0x03,
    LegacyAddressTooWide = 0x04,
    LegacyNoWrite = 0x05,
    LegacyNoRead = 0x06,
    LegacySecondStageAccess = 0x07,
    LegacyRootAccess = 0x08,
    LegacyContextAccess = 0x09,
    LegacyRootReserved = 0x0A,
    LegacyContextReserved = 0x0B,
    LegacySecondStageReserved = 0x0C,
    LegacyTypeBlocks = 0x0D,
    LegacyOutputIsInterrupt = 0x0E,
    InterruptReserved = 0x20,
    InterruptIndex = 0x21,
    InterruptNotPresent = 0x22,
    InterruptTableAccess = 0x23,
    InterruptEntryReserved = 0x24,
    InterruptCompatibility = 0x25,
    InterruptSource = 0x26,
    PostedInterruptAccess = 0x27,
    PostedInterruptReserved = 0x28,
    BadInterruptRequest = 0x29,
    InterruptModeBlocked = 0x2A,
    InterruptWhileOff = 0x2B,
    TableModeInvalid = 0x30,
    PasidInLegacyMode = 0x31,
    PageRequestInLegacyMode = 0x32,
    AbortDmaMode = 0x33,
    ExecuteRequested = 0x34,
    RootAccess = 0x38,
    RootNotPresent = 0x39,
    RootReserved = 0x3A,
    ContextAccess = 0x40,
    ContextNotPresent = 0x41,
    ContextReserved = 0x42,
    ContextInvalid = 0x43,
    DeviceTlbDisabled = 0x44,
    PasidDisabled = 0x45,
    PasidOutOfDirectory = 0x46,
    PageRequestDisabled = 0x47,
    PasidIsRidPasid = 0x48,
    TranslatedWithPasid = 0x49,
    DirectoryAccess = 0x50,
    DirectoryNotPresent = 0x51,
    DirectoryReserved = 0x52,
    PasidEntryAccess = 0x58,
    PasidEntryNotPresent = 0x59,
    PasidEntryReserved = 0x5A,
    PasidEntryInvalid = 0x5B,
    ExecuteDisabled = 0x5C,
    SupervisorDisabled = 0x5D,
    HostPermissionRange = 0x60,
    FirstStageAccess = 0x70,
    FirstStageNotPresent = 0x71,
    FirstStageReserved = 0x72,
    FirstStageRootAccess = 0x73,
    FirstStageTooWide = 0x74,
    FirstStageRootNoRead = 0x75,
    FirstStageNoRead = 0x76,
    FirstStageNoUpdate = 0x77,
    SecondStageAccess = 0x78,
    SecondStageNotPresent = 0x79,
    SecondStageReserved = 0x7A,
    SecondStageRootAccess = 0x7B,
    SecondStageNoSnoop = 0x7C,
    SecondStageUpdateFailed = 0x7D,
    NotCanonical = 0x80,
    UserAccess = 0x81,
    NoExecute = 0x82,
    AboveHostWidth = 0x83,
    AboveGuestWidth = 0x84,
    NoWrite = 0x85,
    NoRead = 0x86,
    OutputIsInterrupt = 0x87,
    PasidTooWide = 0x89,
    FirstStageNoSnoop = 0x90,
    FirstStageUpdateFailed = 0x91,
    HostPermissionAccess = 0xA0,
    HostPermissionReserved = 0xA1,
    HostPermissionRootAccess = 0xA2,
    HostPermissionZeroLength = 0xA3,
    HostPermissionNoWrite = 0xA4,
    HostPermissionNoRead = 0xA5,
};

// How a request that meets a fault ends.
enum class FaultOutcome : std::uint8_t {
    None,                 // the condition cannot meet this kind of request
    Unsupported,          // Unsupported Request; a posted write vanishes
    Abort,                // Completer Abort
    NoTranslation,        // Success without permissions; recoverable, not recorded
    NoTranslationLogged,  // the same, and recorded
    Reduced,              // Success with the permissions that there are; not recorded
    Invalid,              // a page group gets Invalid Request
};

struct FaultReasonInfo {
    FaultReason reason;
    const char* flow;  // the name that the specification's flow descriptions give
    const char* meaning;
    bool qualified;  // FPD = 1 in a context, directory or PASID entry used keeps it unrecorded
    FaultOutcome untranslated;
    FaultOutcome translation_request;
    FaultOutcome translated;
    FaultOutcome page_request;
    const char* example;  // what raises it; empty when the model cannot
    const char* absent;   // why this model never raises it; null: it does
};

// By code, ascending.
constexpr std::size_t kFaultReasonCount = 85;
extern const FaultReasonInfo kFaultReasons[kFaultReasonCount];

// Null for a number that the specification does not use.
const FaultReasonInfo* find_fault(std::uint8_t code);
inline const FaultReasonInfo* find_fault(FaultReason reason) {
    return find_fault(static_cast<std::uint8_t>(reason));
}

// Qualified faults are not recorded when an entry on the way had FPD set.
bool is_qualified(FaultReason reason);

// What legacy mode calls a reason of the page walk: fewer codes, and no code for "not present",
// which is a missing permission there.
FaultReason legacy_reason(FaultReason reason, bool write);

}  // namespace ioasim::vtd
