// What ENQCMD and ENQCMDS check and how the PASID that they send is found: plain C++, no time.
// Intel SDM vol. 2 (ENQCMD, ENQCMDS), vol. 3 chapter 26. Left out: #UD, segment and canonical
// checks, and page faults, which the caller's address translation reports.
#pragma once

#include <optional>

#include "models/cpu/cpu_if.hpp"
#include "models/memory/memory_if.hpp"

namespace ioasim::cpu {

enum class EnqKind : std::uint8_t { Enqcmd, Enqcmds };

// The walk; none: a directory entry is not present, a table entry not valid, or a reserved bit is
// set, each of which is a VM exit.
std::optional<Pasid> translate_pasid(const Vmcs& vmcs, Pasid guest,
                                     const memory::PhysicalMemory& memory);

// #GP(0) causes, in this fixed order: ENQCMDS outside of CPL 0, IA32_PASID not valid (ENQCMD),
// reserved bits of the source, portal not 64-byte aligned.
bool faults(EnqKind kind, const CpuState& state, std::uint64_t ia32_pasid, Hpa portal,
            const Descriptor64& descriptor);

// The PASID before translation: IA32_PASID[19:0], or the source's [19:0] for ENQCMDS.
Pasid submitted_pasid(EnqKind kind, std::uint64_t ia32_pasid, const Descriptor64& descriptor);

// The 64 bytes on the wire: PASID in [19:0], PRIV in bit 31 (0 for ENQCMD, the source's for
// ENQCMDS).
Descriptor64 wire_command(EnqKind kind, Pasid pasid, const Descriptor64& descriptor);

}  // namespace ioasim::cpu
