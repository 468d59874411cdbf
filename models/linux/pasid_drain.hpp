// The end of a PASID's work in a device. Until it is reached the number stays in use: a descriptor
// that is left would work in the memory of the number's next owner (dsa.md 6.5 and 7.4).
#pragma once

#include <cstddef>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/types.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::os {

class Device;
class Kernel;

// A halted device has dropped its work and takes no command but a reset (GENSTS); one that is gone
// reads the same way.
bool device_halted(ExecContext& ctx, Device& device);

// Drain PASID, and when the device refuses that, Abort PASID. A drain that does not end in time
// leaves nothing to try: the device takes one command at a time. False: descriptors may be left.
bool finish_pasid(ExecContext& ctx, Kernel& kernel, Device& device, Pasid pasid);

// A reference that stays with a number because devices did not finish what they have of it: until
// all of them have been reset, behind which they hold nothing (PCI Express 6.6.2). The number's set
// may be gone by then, with its VM.
struct KeptNumber {
    Ioasid id;
    trace::Name holder;
    std::size_t devices = 0;
};
void keep_number(const std::vector<Device*>& devices, const KeptNumber& kept);
void give_back_numbers(ExecContext& ctx, Kernel& kernel, Device& device);

// A device that could not be made to finish is told as a hazard.
void tell_drain_failed(ExecContext& ctx, Kernel& kernel, const Device& device);

}  // namespace ioasim::os
