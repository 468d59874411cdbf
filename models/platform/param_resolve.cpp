#include "models/platform/param_resolve.hpp"

#include "core/ioasid/ioasid_params.hpp"
#include "models/cpu/cpu_params.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/linux/kernel_params.hpp"
#include "models/memory/memory_params.hpp"
#include "models/pcie/pcie_params.hpp"
#include "models/platform/platform.hpp"
#include "models/requester/requester_params.hpp"
#include "models/vm/vm_params.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::platform {

const ParamTable<sim::DispatcherParams>& scheduler_param_table() {
    using sim::DispatcherParams;
    static const ParamTable<DispatcherParams> table = [] {
        ParamTable<DispatcherParams> t{"scheduler"};
        t.count("stack", &DispatcherParams::stack_bytes, 32 * 1024, 1024 * 1024, 128 * 1024,
                "host stack of a simulated task",
                "modelling choice: deepest call chain of the software models with room to spare",
                Unit::Bytes)
            .in_multiples_of(kPageSize);
        t.time("wake_latency", &DispatcherParams::wake_latency, 1_ps, 1_ms, 1500_ns,
               "wake-up of a sleeping task until it runs on a free CPU",
               "Linux sched/wakeup to switch-in on an idle core, 1 to 2 us (modelling choice)");
        t.time("lock_handover", &DispatcherParams::lock_handover, 1_ps, 1_ms, 60_ns,
               "release of a contended lock until its next owner goes on",
               "modelling choice: one cache-line transfer between cores of a socket");
        t.time("context_switch", &DispatcherParams::context_switch, 1_ps, 1_ms, 1200_ns,
               "a CPU changes from one task to another",
               "lmbench lat_ctx on current servers, 1 to 2 us (modelling choice)");
        t.time("time_slice", &DispatcherParams::time_slice, 1_us, 1000_ms, 3_ms,
               "how long a task keeps its CPU while another waits for it",
               "Linux CFS sched_min_granularity, 3 ms on small machines");
        return t;
    }();
    return table;
}

const std::vector<const ParamTableBase*>& param_tables() {
    static const std::vector<const ParamTableBase*> tables{
        &cpu::cpu_param_table(),   &dsa::dsa_param_table(),
        &vtd::vtd_param_table(),   &memory::memory_param_table(),
        &pcie::pcie_param_table(), &os::kernel_param_table(),
        &vm::vm_param_table(),     &IoasidParams::table(),
        &scheduler_param_table(),  &requester::requester_param_table()};
    return tables;
}

}  // namespace ioasim::platform
