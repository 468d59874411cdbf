// How a system call waits for what another task brings: until then, until its deadline, or until
// the process is killed, which is noticed at the end of a turn.
#pragma once

#include <algorithm>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/process.hpp"

namespace ioasim::os {

// -ETIMEDOUT, -EINTR.
template <class Done>
Errno wait_in_turns(ExecContext& ctx, WaitQueue& queue, const Process& process, TimePs deadline,
                    TimePs turn, Done done) {
    while (!done() && !process.killed) {
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        ctx.wait_until(queue, std::min(deadline, ctx.now() + turn));
    }
    return process.killed ? Errno::Eintr : Errno::Ok;
}

}  // namespace ioasim::os
