// Seeded defects that are differences between versions: each sets one switch, in any profile, to
// what some version of the code does. A scenario that tells the versions apart proves with them
// that it would notice.
#pragma once

#include "core/base/defects.hpp"
#include "core/ioasid/switches.hpp"

namespace ioasim {

// The switches as the defects of the run leave them.
Switches with_defects(Switches switches, const Probes& probes);

}  // namespace ioasim
