// Ways to break KVM's answer to a PASID that it has no translation for, on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kMissMapsItself{
    "kvm.miss_maps_itself",
    "a guest PASID that stands for nothing gets a translation to its own number"};

}  // namespace ioasim::os
