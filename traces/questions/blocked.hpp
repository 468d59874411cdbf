// Why a request of a device was blocked: what had become of its PASID before.
#pragma once

#include <string>
#include <vector>

#include "traces/questions/scene.hpp"

namespace ioasim::traces {

// Sentences about a vtd.fault, the nearest reason first.
std::vector<std::string> why_blocked(const Scene& scene, std::size_t fault);

}  // namespace ioasim::traces
