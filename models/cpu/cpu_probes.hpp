// What can be broken in the CPU complex, and its rare paths.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::cpu {

inline const Defect kPasidNotTranslated{
    "cpu.pasid_not_translated", "ENQCMD in a guest sends the guest PASID without translating it"};
inline const Defect kStalePasidTranslation{
    "cpu.stale_pasid_translation",
    "ENQCMD in a guest keeps using the first translation of a guest PASID for ever"};

inline const Defect kPasidValidIgnored{
    "cpu.pasid_valid_ignored", "ENQCMD takes IA32_PASID whether its valid bit is set or not"};
inline const Defect kReservedBitsIgnored{
    "cpu.reserved_bits_ignored",
    "ENQCMD and ENQCMDS do not look at the reserved bits of their source"};
inline const Defect kMsrReservedTaken{"cpu.msr_reserved_taken",
                                      "WRMSR of IA32_PASID takes a value with reserved bits set"};
inline const Defect kEnqcmdStores{"cpu.enqcmd_stores",
                                  "ENQCMD to memory stores there, as MOVDIR64B does"};
inline const Defect kEnqcmdPrivileged{"cpu.enqcmd_privileged",
                                      "ENQCMD at CPL 0 marks its descriptor as privileged"};
inline const Defect kOneDirectory{"cpu.one_directory",
                                  "PASID translation takes the low directory whatever bit 19 says"};
inline const Defect kFlushIgnored{"cpu.flush_ignored",
                                  "CLFLUSHOPT leaves the line in the last-level cache"};
inline const Defect kWbinvdIgnored{"cpu.wbinvd_ignored",
                                   "WBINVD leaves the processor's caches as they are"};

inline const Mark kEnqcmdRetried{"cpu.enqcmd_retried", "A DMWr was answered with retry."};
inline const Mark kEnqcmdNoPortal{"cpu.enqcmd_no_portal",
                                  "A DMWr went to an address that is no enqueue register."};
inline const Mark kTranslationMiss{"cpu.pasid_translation_miss",
                                   "PASID translation failed: VM exit 72 or 73."};
inline const Mark kMsrFaulted{"cpu.msr_faulted", "WRMSR of IA32_PASID raised #GP."};
inline const Mark kEnqcmdFaulted{"cpu.enqcmd_faulted", "ENQCMD or ENQCMDS raised #GP."};
inline const Defect kMachineCheckLost{
    "cpu.machine_check_lost",
    "a processor that reads an error of memory goes on with all ones, without a machine check"};
inline const Mark kMachineCheck{"cpu.machine_check", "A processor read a poisoned line."};
inline const Mark kDirectStoreWaited{"cpu.direct_store_waited",
                                     "MOVDIR64B waited for the buffer of the one before."};
inline const Mark kReadFailed{"cpu.read_failed", "An uncached read was answered with an error."};

}  // namespace ioasim::cpu
