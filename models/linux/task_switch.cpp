#include "models/linux/task_switch.hpp"

#include "models/linux/linux_probes.hpp"

namespace ioasim::os {

void ExtendedStateSwitch::switch_in(std::size_t cpu, const ExecContext& task) {
    if (on_switch_in) {
        on_switch_in(cpu, task);
    }
    if (probes_.has(kSwitchKeepsPasid)) {
        return;
    }
    const auto area = saved_.find(&task);
    processors_.xrstors(cpu, area == saved_.end() ? 0 : area->second);
    if (area != saved_.end()) {
        saved_.erase(area);
    }
}

void ExtendedStateSwitch::switch_out(std::size_t cpu, const ExecContext& task, bool ended) {
    const std::uint64_t ia32_pasid = processors_.xsaves(cpu);
    if (ia32_pasid != 0 && !ended) {  // the INIT state needs no room
        saved_[&task] = ia32_pasid;
    }
}

}  // namespace ioasim::os
