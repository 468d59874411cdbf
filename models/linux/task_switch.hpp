// What the host kernel does with the extended state of tasks that change CPUs: XSAVES when a task
// leaves one, XRSTORS before it runs again. IA32_PASID is the part that is modelled; its INIT state
// (0) is what every new task starts with (Linux: xsave component 10, Documentation/arch/x86/sva).
#pragma once

#include <functional>
#include <map>

#include "core/base/defects.hpp"
#include "core/sim/dispatcher.hpp"
#include "models/cpu/cpu_if.hpp"

namespace ioasim::os {

class ExtendedStateSwitch final : public sim::TaskSwitch {
public:
    ExtendedStateSwitch(cpu::ExtendedState& processors, Probes& probes)
        : processors_(processors), probes_(probes) {}

    // Told of every task that gets a processor (KVM's preempt notifiers).
    std::function<void(std::size_t cpu, const ExecContext& task)> on_switch_in;

    void switch_in(std::size_t cpu, const ExecContext& task) override;
    void switch_out(std::size_t cpu, const ExecContext& task, bool ended) override;

private:
    cpu::ExtendedState& processors_;
    Probes& probes_;
    // Save areas of tasks without a CPU; none: INIT state.
    std::map<const ExecContext*, std::uint64_t> saved_;
};

}  // namespace ioasim::os
