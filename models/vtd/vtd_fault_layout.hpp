// Fault reasons of requests in scalable mode (VT-d specification 7.1.3).
#pragma once

#include <cstdint>

namespace ioasim::vtd {

enum class FaultReason : std::uint8_t {
    None = 0x00,
    BadInterruptRequest = 0x29,
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
    AboveHostWidth = 0x83,
    AboveGuestWidth = 0x84,
    NoWrite = 0x85,
    NoRead = 0x86,
    OutputIsInterrupt = 0x87,
    PasidTooWide = 0x89,
    FirstStageNoSnoop = 0x90,
    FirstStageUpdateFailed = 0x91,
};

// The name that the specification's flow descriptions give to a reason, and what it says.
struct FaultReasonInfo {
    FaultReason reason;
    const char* flow;
    const char* meaning;
};
inline constexpr FaultReasonInfo kFaultReasons[] = {
    {FaultReason::BadInterruptRequest, "-",
     "a request without PASID to FEEx_xxxxh that is no interrupt"},
    {FaultReason::TableModeInvalid, "RTA.1",
     "the table mode of the root-table address register is invalid"},
    {FaultReason::PasidInLegacyMode, "RTA.2", "a request with PASID in legacy mode"},
    {FaultReason::PageRequestInLegacyMode, "RTA.3", "a page request in legacy mode"},
    {FaultReason::AbortDmaMode, "RTA.4", "the unit is in abort-DMA mode"},
    {FaultReason::ExecuteRequested, "RTA.5", "a request for execute permission"},
    {FaultReason::RootAccess, "SRT.1", "the root table cannot be read"},
    {FaultReason::RootNotPresent, "SRT.2", "the root entry is not present"},
    {FaultReason::RootReserved, "SRT.3", "a reserved bit is set in the root entry"},
    {FaultReason::ContextAccess, "SCT.1", "the context table cannot be read"},
    {FaultReason::ContextNotPresent, "SCT.2", "the context entry is not present"},
    {FaultReason::ContextReserved, "SCT.3", "a reserved bit is set in the context entry"},
    {FaultReason::ContextInvalid, "SCT.4", "a field of the context entry is invalid"},
    {FaultReason::DeviceTlbDisabled, "SCT.5",
     "a translation or translated request, but the context entry has DTE = 0"},
    {FaultReason::PasidDisabled, "SCT.6",
     "a request with PASID, but the context entry has PASIDE = 0"},
    {FaultReason::PasidOutOfDirectory, "SCT.7", "the PASID is beyond the PASID directory"},
    {FaultReason::PageRequestDisabled, "SCT.8",
     "a page request, but the context entry has PRE = 0"},
    {FaultReason::PasidIsRidPasid, "SCT.9",
     "the PASID is the one that stands for requests without PASID"},
    {FaultReason::TranslatedWithPasid, "SCT.10",
     "a translated request with PASID, which the context entry forbids"},
    {FaultReason::DirectoryAccess, "SPD.1", "the PASID directory cannot be read"},
    {FaultReason::DirectoryNotPresent, "SPD.2", "the PASID directory entry is not present"},
    {FaultReason::DirectoryReserved, "SPD.3", "a reserved bit is set in the PASID directory entry"},
    {FaultReason::PasidEntryAccess, "SPT.1", "the PASID table cannot be read"},
    {FaultReason::PasidEntryNotPresent, "SPT.2", "the PASID entry is not present"},
    {FaultReason::PasidEntryReserved, "SPT.3", "a reserved bit is set in the PASID entry"},
    {FaultReason::PasidEntryInvalid, "SPT.4", "a field of the PASID entry is invalid"},
    {FaultReason::ExecuteDisabled, "SPT.5",
     "a request for execute permission, but the PASID entry has ERE = 0"},
    {FaultReason::SupervisorDisabled, "SPT.6",
     "a privileged request, but the PASID entry has SRE = 0"},
    {FaultReason::FirstStageAccess, "SFS.1", "a first-stage table cannot be read"},
    {FaultReason::FirstStageNotPresent, "SFS.2", "a first-stage entry is not present"},
    {FaultReason::FirstStageReserved, "SFS.3", "a reserved bit is set in a first-stage entry"},
    {FaultReason::FirstStageRootAccess, "SFS.4", "the first-stage root table cannot be read"},
    {FaultReason::FirstStageTooWide, "SFS.5",
     "a first-stage table of a nested walk is beyond the width of the second stage"},
    {FaultReason::FirstStageRootNoRead, "SFS.6",
     "the second stage forbids reading the first-stage root table"},
    {FaultReason::FirstStageNoRead, "SFS.7",
     "the second stage forbids reading a first-stage table"},
    {FaultReason::FirstStageNoUpdate, "SFS.8",
     "the second stage forbids setting flags of a first-stage entry"},
    {FaultReason::SecondStageAccess, "SSS.1", "a second-stage table cannot be read"},
    {FaultReason::SecondStageNotPresent, "SSS.2", "a second-stage entry is not present"},
    {FaultReason::SecondStageReserved, "SSS.3", "a reserved bit is set in a second-stage entry"},
    {FaultReason::SecondStageRootAccess, "SSS.4", "the second-stage root table cannot be read"},
    {FaultReason::SecondStageNoSnoop, "SSS.5",
     "flags of a second-stage entry must be set, but the walk is not snooped"},
    {FaultReason::SecondStageUpdateFailed, "SSS.6", "setting flags of a second-stage entry failed"},
    {FaultReason::NotCanonical, "SGN.1", "the address is not canonical"},
    {FaultReason::UserAccess, "SGN.2", "a user request to a supervisor page"},
    {FaultReason::AboveHostWidth, "SGN.4", "the address is beyond the host address width"},
    {FaultReason::AboveGuestWidth, "SGN.5", "the address is beyond the width of the second stage"},
    {FaultReason::NoWrite, "SGN.6", "no write permission"},
    {FaultReason::NoRead, "SGN.7", "no read permission"},
    {FaultReason::OutputIsInterrupt, "SGN.8", "the result lies in the interrupt range"},
    {FaultReason::PasidTooWide, "SGN.10", "the PASID has more bits than the unit takes"},
    {FaultReason::FirstStageNoSnoop, "SFS.9",
     "flags of a first-stage entry must be set, but the walk is not snooped"},
    {FaultReason::FirstStageUpdateFailed, "SFS.10", "setting flags of a first-stage entry failed"},
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
