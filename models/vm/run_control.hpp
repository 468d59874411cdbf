// Whether a virtual machine's vCPUs may execute guest code: one switch for all of them, which the
// VMM turns off while it moves the machine.
#pragma once

#include "core/base/exec_context.hpp"

namespace ioasim::vm {

struct RunControl {
    // Somebody may stop the machine: vCPUs keep book of their accesses. Free otherwise.
    bool armed = false;
    bool stopped = false;
    WaitQueue resumed{"vCPUs resumed"};
};

}  // namespace ioasim::vm
