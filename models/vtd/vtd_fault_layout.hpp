// Fault reasons of requests in scalable mode (VT-d specification 7.1.3). The comment gives the name
// that the specification uses in its flow descriptions.
#pragma once

#include <cstdint>

namespace ioasim::vtd {

enum class FaultReason : std::uint8_t {
    None = 0x00,
    BadInterruptRequest = 0x29,      // a request without PASID to FEEx_xxxxh that is no interrupt
    TableModeInvalid = 0x30,         // RTA.1
    PasidInLegacyMode = 0x31,        // RTA.2
    PageRequestInLegacyMode = 0x32,  // RTA.3
    AbortDmaMode = 0x33,             // RTA.4
    ExecuteRequested = 0x34,         // RTA.5
    RootAccess = 0x38,               // SRT.1
    RootNotPresent = 0x39,           // SRT.2
    RootReserved = 0x3A,             // SRT.3
    ContextAccess = 0x40,            // SCT.1
    ContextNotPresent = 0x41,        // SCT.2
    ContextReserved = 0x42,          // SCT.3
    ContextInvalid = 0x43,           // SCT.4
    DeviceTlbDisabled = 0x44,        // SCT.5: translation or translated request with DTE = 0
    PasidDisabled = 0x45,            // SCT.6: PASIDE = 0
    PasidOutOfDirectory = 0x46,      // SCT.7
    PageRequestDisabled = 0x47,      // SCT.8
    PasidIsRidPasid = 0x48,          // SCT.9
    TranslatedWithPasid = 0x49,      // SCT.10
    DirectoryAccess = 0x50,          // SPD.1
    DirectoryNotPresent = 0x51,      // SPD.2
    DirectoryReserved = 0x52,        // SPD.3
    PasidEntryAccess = 0x58,         // SPT.1
    PasidEntryNotPresent = 0x59,     // SPT.2
    PasidEntryReserved = 0x5A,       // SPT.3
    PasidEntryInvalid = 0x5B,        // SPT.4
    ExecuteDisabled = 0x5C,          // SPT.5
    SupervisorDisabled = 0x5D,       // SPT.6
    FirstStageAccess = 0x70,         // SFS.1
    FirstStageNotPresent = 0x71,     // SFS.2
    FirstStageReserved = 0x72,       // SFS.3
    FirstStageRootAccess = 0x73,     // SFS.4
    FirstStageTooWide = 0x74,        // SFS.5: table address of a nested walk
    FirstStageRootNoRead = 0x75,     // SFS.6
    FirstStageNoRead = 0x76,         // SFS.7
    FirstStageNoUpdate = 0x77,       // SFS.8: no second-stage permission to set A or D
    SecondStageAccess = 0x78,        // SSS.1
    SecondStageNotPresent = 0x79,    // SSS.2
    SecondStageReserved = 0x7A,      // SSS.3
    SecondStageRootAccess = 0x7B,    // SSS.4
    SecondStageNoSnoop = 0x7C,       // SSS.5
    SecondStageUpdateFailed = 0x7D,  // SSS.6
    NotCanonical = 0x80,             // SGN.1
    UserAccess = 0x81,               // SGN.2
    AboveHostWidth = 0x83,           // SGN.4
    AboveGuestWidth = 0x84,          // SGN.5
    NoWrite = 0x85,                  // SGN.6
    NoRead = 0x86,                   // SGN.7
    OutputIsInterrupt = 0x87,        // SGN.8
    PasidTooWide = 0x89,             // SGN.10
    FirstStageNoSnoop = 0x90,        // SFS.9
    FirstStageUpdateFailed = 0x91,   // SFS.10
};

// Qualified faults are not recorded when an entry on the way had FPD set.
constexpr bool is_qualified(FaultReason reason) {
    switch (reason) {
        case FaultReason::BadInterruptRequest:
        case FaultReason::TableModeInvalid:
        case FaultReason::PasidInLegacyMode:
        case FaultReason::PageRequestInLegacyMode:
        case FaultReason::AbortDmaMode:
        case FaultReason::ExecuteRequested:
        case FaultReason::RootAccess:
        case FaultReason::RootNotPresent:
        case FaultReason::RootReserved:
        case FaultReason::ContextAccess:
        case FaultReason::DirectoryAccess:
        case FaultReason::PasidEntryAccess:
            return false;
        default:
            return true;
    }
}

}  // namespace ioasim::vtd
