// What the host's kernel hands to a device for a guest that could not itself: the 64 bytes of the
// guest's ENQCMD or ENQCMDS under the host PASID, with the PRIV that the instruction would have
// sent. ENQCMD has no bit 31 in its source (Intel SDM vol. 2).
#pragma once

#include "core/base/bits.hpp"
#include "core/base/defects.hpp"
#include "core/base/little_endian.hpp"
#include "core/ioasid/ioasid.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/vdcm_probes.hpp"

namespace ioasim::os {

inline cpu::Descriptor64 kept_command(const Probes& probes, Ioasid id,
                                      const cpu::Descriptor64& descriptor) {
    const bool privileged = get_bit(descriptor[3], 7) && !probes.has(kKeptUnprivileged);
    cpu::Descriptor64 command = descriptor;
    put_le(command, 0, 4, set_bit(id.value(), 31, privileged));
    return command;
}

}  // namespace ioasim::os
