// A process that serves page requests of its devices as a VMM does: it allocates page tables of
// /dev/iommu that name a fault object, reads the records of what its devices ask for into its
// memory, and writes answers back.
#pragma once

#include <vector>

#include "core/base/exec_context.hpp"
#include "models/linux/kernel.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::os {
class FaultQueue;
}

namespace ioasim::platform {

class VfioUser;

std::vector<BareSpec> fault_user_specs();
bool is_fault_user_step(BareKind kind);

class FaultUser {
public:
    FaultUser(os::Kernel& kernel, os::Process& process) : kernel_(kernel), process_(process) {}

    // `buffers` knows where the process's buffers are.
    StepOutcome perform(ExecContext& ctx, const BareStep& step, const VfioUser& buffers);

private:
    StepOutcome tables(ExecContext& ctx, const BareStep& step);
    StepOutcome error_wait(ExecContext& ctx, const BareStep& step);
    StepOutcome queue(ExecContext& ctx, const BareStep& step, const VfioUser& buffers);
    StepOutcome respond(ExecContext& ctx, const BareStep& step, os::FaultQueue& faults);

    os::Kernel& kernel_;
    os::Process& process_;
    std::uint64_t answers_ = 0;  // the page that it writes answers from
};

}  // namespace ioasim::platform
