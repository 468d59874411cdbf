// Rare paths of the root complex, and ways to break it.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::pcie {

inline const Defect kCompletionPassesWrites{
    "pcie.completion_passes_writes",
    "a device's read completion overtakes the DMA writes that the device sent before it"};

inline const Mark kUnclaimedAddress{"pcie.unclaimed_address",
                                    "a request hit no device and was answered or dropped"};
inline const Mark kOrphanCompletion{"pcie.orphan_completion",
                                    "a completion for a requester id that no function has"};
inline const Mark kCreditWait{"pcie.credit_wait", "a request waited for a credit of its unit"};

}  // namespace ioasim::pcie
