// A process that uses VFIO: it gets a device through container and group, maps its buffers for it,
// asks what it may map, and drives the function through the registers that it has mapped. Every
// call goes to the kernel; what the process then says is wrong is a program.mismatch.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_info.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {

std::vector<BareSpec> vfio_specs();

class VfioUser {
public:
    VfioUser(trace::Recorder& recorder, os::Kernel& kernel, os::Process& process)
        : recorder_(recorder), kernel_(kernel), process_(process) {}

    StepOutcome perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                        Variables& variables);
    // Where a buffer of the process begins.
    std::uint64_t address_of(const std::string& name) const { return buffers_.at(name).address; }

private:
    struct UserBuffer {
        std::uint64_t address = 0;
        std::uint64_t bytes = 0;
    };

    StepOutcome administer(ExecContext& ctx, const BareStep& step);
    StepOutcome groups(ExecContext& ctx, const BareStep& step);
    StepOutcome iommu_info(ExecContext& ctx, const BareStep& step);
    StepOutcome ask_info(ExecContext& ctx, os::VfioContainer& container, std::uint32_t argsz,
                         os::VfioInfo& info);
    StepOutcome map(ExecContext& ctx, const BareStep& step);
    StepOutcome unmap(ExecContext& ctx, const BareStep& step);
    StepOutcome pasids(ExecContext& ctx, const BareStep& step, Variables& variables);
    StepOutcome device(ExecContext& ctx, const BareStep& step);
    StepOutcome dma(ExecContext& ctx, const BareStep& step);
    StepOutcome traffic(ExecContext& ctx, const BareStep& step);
    Errno find_registers(const BareStep& step);
    StepOutcome judge(ExecContext& ctx, const BareStep& step, std::uint64_t status);
    StepOutcome buffer(ExecContext& ctx, const BareStep& step);
    StepOutcome buffer_check(ExecContext& ctx, const BareStep& step);
    StepOutcome mismatch(ExecContext& ctx, const std::string& expected, const std::string& found);

    // A register of the function that the process drives, through its mapping; -EFAULT without one.
    Errno read(ExecContext& ctx, std::uint32_t offset, unsigned size, std::uint64_t& value);
    Errno write(ExecContext& ctx, std::uint32_t offset, unsigned size, std::uint64_t value);

    trace::Recorder& recorder_;
    os::Kernel& kernel_;
    os::Process& process_;
    std::size_t index_ = 0;
    std::map<std::string, UserBuffer> buffers_;
    std::uint64_t info_page_ = 0;  // where GET_INFO writes to
    std::uint64_t registers_ = 0;  // of the function that the step is about
};

}  // namespace ioasim::platform
