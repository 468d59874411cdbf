// What programs of every kind may do to others.
#pragma once

#include <string>

#include "core/base/exec_context.hpp"
#include "models/platform/program.hpp"

namespace ioasim::platform {

// SIGKILL for a VMM, or for the process that the named program is (a thread of).
StepOutcome kill(ExecContext& ctx, ProgramWorld& world, const std::string& target);
StepOutcome hang(ExecContext& ctx, ProgramWorld& world, const std::string& target);
// The task is gone.
void leave_cgroup(ProgramWorld& world, const std::string& task);

}  // namespace ioasim::platform
