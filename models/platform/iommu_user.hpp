// A process that uses /dev/iommu and tells KVM of it, as a VMM does, and the steps of programs that
// are instructions of their processor rather than calls: stores and loads of physical memory,
// WBINVD, a move to another processor, accesses of a guest to registers of its virtual IOMMU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/kernel.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {

std::vector<BareSpec> iommu_user_specs();
bool is_iommu_user_step(BareKind kind);

class IommuUser {
public:
    IommuUser(trace::Recorder& recorder, os::Kernel& kernel, std::string process)
        : recorder_(recorder), kernel_(kernel), process_(std::move(process)) {}

    StepOutcome perform(ExecContext& ctx, const BareStep& step, std::size_t index);

private:
    StepOutcome spaces(ExecContext& ctx, const BareStep& step);
    StepOutcome map(ExecContext& ctx, const BareStep& step);
    StepOutcome ranges(ExecContext& ctx, const BareStep& step);
    StepOutcome leaf(ExecContext& ctx, const BareStep& step);
    StepOutcome device(ExecContext& ctx, const BareStep& step);
    StepOutcome kvm(ExecContext& ctx, const BareStep& step);
    os::KvmFile* kvm_file(const BareStep& step);
    StepOutcome mismatch(ExecContext& ctx, const std::string& expected, const std::string& found);

    trace::Recorder& recorder_;
    os::Kernel& kernel_;
    std::string process_;
    std::size_t index_ = 0;
};

// Steps of a processor, executed by the kernel of a host or guest at its own physical addresses.
// `move` brings the program's thread to another processor.
StepOutcome perform_machine_step(ExecContext& ctx, os::Kernel& kernel, const BareStep& step,
                                 const std::function<void(std::size_t)>& move);

}  // namespace ioasim::platform
