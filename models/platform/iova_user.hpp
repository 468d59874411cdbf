// A driver in a guest's kernel that uses I/O virtual addresses: the kernel maps pages for it (DMA
// API), under a PASID of its own, no process's address space, or for requests without PASID. It
// submits to a shared workqueue with ENQCMDS, which carries the PASID in the descriptor, and to a
// dedicated one with MOVDIR64B.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/device_vector.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/kernel.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {

std::vector<BareSpec> iova_user_specs();
bool is_iova_user_step(BareKind kind);

class IovaUser {
public:
    IovaUser(trace::Recorder& recorder, os::Kernel& kernel, std::string process)
        : recorder_(recorder), kernel_(kernel), process_(std::move(process)) {}

    StepOutcome perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                        const Variables& variables);
    void close_all(ExecContext& ctx);

private:
    struct Space {
        std::unique_ptr<os::IommuDomain> domain;  // null: guest physical addresses
        os::Device* device = nullptr;
        std::optional<Pasid> pasid;  // none: requests without PASID
    };
    static Errno attach(ExecContext& ctx, Space& space);
    static Result<std::uint64_t> translate(ExecContext& ctx, const Space& space,
                                           std::uint64_t address);
    StepOutcome send(ExecContext& ctx, const BareStep& step, const Space& space,
                     const dsa::Descriptor& descriptor, std::uint64_t record);
    StepOutcome open(ExecContext& ctx, const BareStep& step, const Variables& variables);
    StepOutcome map(ExecContext& ctx, const BareStep& step, Space& space);
    StepOutcome copy(ExecContext& ctx, const BareStep& step, const Space& space);
    StepOutcome await(ExecContext& ctx, const BareStep& step, std::uint64_t record);
    StepOutcome request_vector(ExecContext& ctx, const BareStep& step, const Variables& variables);
    StepOutcome release_vector(ExecContext& ctx, const BareStep& step);
    static void close(ExecContext& ctx, Space& space);

    trace::Recorder& recorder_;
    os::Kernel& kernel_;
    std::string process_;
    std::size_t index_ = 0;
    std::map<std::string, Space> spaces_;
    std::map<std::string, std::unique_ptr<os::DeviceVector>> vectors_;
};

}  // namespace ioasim::platform
