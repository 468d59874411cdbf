// Whether a virtual machine's vCPUs may execute guest code: one switch for all of them, which the
// VMM turns off while it moves the machine. And whether the VMM itself goes on: a process that
// hangs (SIGSTOP, a deadlock on its big lock) stops its vCPU threads and all others.
#pragma once

#include "core/base/exec_context.hpp"

namespace ioasim::vm {

// Unwinds the code of a guest that a vCPU will never enter again: a thread with a fatal signal ends
// on its way back to the guest (xfer_to_guest_mode_work, get_signal), and what the guest was at is
// never finished. Not an error of anybody, so it is caught where the vCPU's thread began to run it.
struct GuestEnded {};

struct RunControl {
    // Somebody may stop the machine: vCPUs keep book of their accesses. Free otherwise.
    bool armed = false;
    bool stopped = false;
    bool hung = false;
    // No vCPU enters the guest any more: the VMM is dead, or the machine was reset.
    bool ended = false;
    WaitQueue resumed{"vCPUs resumed"};

    // A thread of the VMM, before it does something: goes no further while the process hangs.
    void wait_while_hung(ExecContext& ctx) {
        while (hung) {
            ctx.wait(resumed);
        }
    }
};

}  // namespace ioasim::vm
