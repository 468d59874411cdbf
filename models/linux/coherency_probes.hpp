// Ways to break what the kernel does about non-coherent DMA.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kWbinvdNotHere{
    "kvm.wbinvd_not_here",
    "WBINVD of a guest writes back the processors that the vCPU visited, not the one it is on"};
inline const Defect kVisitsForgotten{"kvm.visits_forgotten",
                                     "KVM does not note on which processors a vCPU has run"};
inline const Defect kWbinvdAlwaysEmulated{
    "kvm.wbinvd_always_emulated",
    "WBINVD of a guest writes caches back whether DMA is coherent or not"};
inline const Defect kVoteKept{
    "kvm.vote_kept", "KVM keeps taking DMA for non-coherent when the last such device has left"};

}  // namespace ioasim::os
