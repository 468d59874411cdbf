// The parts of the catalogue of injections (injections.hpp), by who is befallen.
#pragma once

#include <vector>

#include "models/platform/injections.hpp"

namespace ioasim::platform {

std::vector<InjectKind> hardware_kinds();  // links, devices, remapping units, memory, processors
std::vector<InjectKind> software_kinds();  // IOASID core, host kernel, VMMs, processes
std::vector<InjectKind> guest_kinds();     // guests that mean harm

}  // namespace ioasim::platform
