// Reset of a physical function to which PASIDs are attached (Linux pci_reset_function with
// pci_dev_reset_iommu_prepare and _done, series of November 2025).
//
// Prepare: requests without PASID and every PASID of the function are blocked while the recorded
// attachments stay, so that translations of a function that forgets everything cannot be asked for;
// in this window nothing is attached to it (-EBUSY). Then the function-level reset, its
// configuration space, and its driver's configuration. Done: everything that was attached is
// attached again, and numbers that waited for what the function did not finish go back. Leaves out:
// workqueues that were open (their PASIDs are lost), page tables of kernel code.
#pragma once

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"

namespace ioasim::os {

class Device;
class Kernel;

// -ENODEV no group, -EBUSY a reset is under way or a VM has a queue or a vector, -ENOTTY the
// function does not come back in time, or was pulled out meanwhile: it stays blocked.
Errno reset_function(ExecContext& ctx, Kernel& kernel, Device& device);

}  // namespace ioasim::os
