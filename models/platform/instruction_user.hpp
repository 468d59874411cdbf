// A program that executes one ENQCMD, ENQCMDS or MOVDIR64B as it says, right or wrong, and nothing
// around it: no retries, no credits, and a descriptor of any content. A process goes through its
// mapping of the portal and gets a signal for what faults; its kernel, in a host or a guest, has
// physical addresses and CPL 0. Intel SDM vol. 2 (ENQCMD, ENQCMDS, MOVDIR64B).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/user_submit.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {

std::vector<BareSpec> instruction_specs();
inline bool is_instruction_step(BareKind kind) {
    return kind == BareKind::Instruction;
}

class InstructionUser {
public:
    // By name; a name stays when the mapping goes, as a stale pointer does.
    using Mappings = std::map<std::string, std::uint64_t>;

    InstructionUser(trace::Recorder& recorder, os::Kernel& kernel, os::Process& process,
                    const std::string& program)
        : recorder_(recorder),
          kernel_(kernel),
          process_(process),
          program_(recorder.name(program)) {}

    // The value: 1 when the instruction was accepted, or the status of its record.
    StepOutcome perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                        const Mappings& mappings, os::UserQueue& queue);

private:
    // -EFAULT: it faults; else whether it was accepted.
    Result<bool> execute(ExecContext& ctx, const BareStep& step, os::Device& device,
                         const cpu::Descriptor64& source, os::UserQueue& queue);
    Result<bool> as_kernel(ExecContext& ctx, const BareStep& step, Hpa target,
                           const cpu::Descriptor64& source);
    StepOutcome await(ExecContext& ctx, std::uint64_t record, std::uint64_t wanted);
    StepOutcome mismatch(ExecContext& ctx, const std::string& expected, const std::string& found);

    trace::Recorder& recorder_;
    os::Kernel& kernel_;
    os::Process& process_;
    trace::Name program_;
    std::size_t index_ = 0;
};

}  // namespace ioasim::platform
