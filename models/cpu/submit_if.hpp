// Which instruction submits 64 bytes, where a program may choose.
#pragma once

#include <cstdint>

#include "models/cpu/cpu_if.hpp"

namespace ioasim::cpu {

enum class SubmitBy : std::uint8_t { Movdir64b, Enqcmd, Enqcmds };

// Executes it once. A posted store is accepted, whatever the device makes of it.
inline EnqOutcome submit_once(Instructions& cpus, ExecContext& ctx, SubmitBy by,
                              const CpuState& state, Hpa target, const Descriptor64& source) {
    switch (by) {
        case SubmitBy::Enqcmd:
            return cpus.enqcmd(ctx, state, target, source).outcome;
        case SubmitBy::Enqcmds:
            return cpus.enqcmds(ctx, state, target, source).outcome;
        case SubmitBy::Movdir64b:
            break;
    }
    return cpus.movdir64b(ctx, target, source) ? EnqOutcome::Accepted
                                               : EnqOutcome::GeneralProtection;
}

}  // namespace ioasim::cpu
