#include "models/platform/param_resolve.hpp"

#include "core/ioasid/ioasid_params.hpp"
#include "core/ioasid/switch_table.hpp"
#include "models/cpu/cpu_params.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/linux/kernel_params.hpp"
#include "models/memory/memory_params.hpp"
#include "models/pcie/pcie_params.hpp"
#include "models/platform/bench_params.hpp"
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
        t.timing("wake_latency", &DispatcherParams::wake_latency,
                 "wake-up of a sleeping task until it runs on a free CPU");
        t.timing("lock_handover", &DispatcherParams::lock_handover,
                 "release of a contended lock until its next owner goes on");
        t.timing("context_switch", &DispatcherParams::context_switch,
                 "a CPU changes from one task to another");
        t.timing("time_slice", &DispatcherParams::time_slice,
                 "how long a task keeps its CPU while another waits for it");
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

const ParamInfo* find_param(std::string_view component, std::string_view path) {
    const auto in = [&](const ParamTableBase& table) {
        return table.owner() == component ? table.find(path) : nullptr;
    };
    for (const ParamTableBase* table : param_tables()) {
        if (const ParamInfo* const info = in(*table)) {
            return info;
        }
    }
    return in(bench_param_table());
}

std::vector<ParamOverride> timing_overrides(const TimingProfile& profile) {
    std::vector<ParamOverride> overrides;
    for (const TimingValue& value : profile.values) {
        // What the software of experiments costs is no part of a scenario's machine.
        if (value.component == bench_param_table().owner()) {
            continue;
        }
        const ParamInfo* const info = find_param(value.component, value.path);
        std::uint64_t number = 0;
        SIM_CHECK(
            info != nullptr && parse_param(*info, value.value, number) && info->allows(number),
            "the timing profile {} has {} for {}.{}", profile.name, value.value, value.component,
            value.path);
        overrides.push_back({std::string(value.component), std::string(value.path), number});
    }
    return overrides;
}

Switches switches_of(const PlatformConfig& config) {
    Profile profile = Profile::Spec;
    SIM_CHECK(parse_profile(config.ioasid_profile, profile), "unknown profile {}",
              config.ioasid_profile);
    Switches switches = Switches::preset(profile);
    for (const auto& [name, value] : config.ioasid_switches) {
        SIM_CHECK(set_switch(switches, name, value), "unknown switch {}={}", name, value);
    }
    return switches;
}

}  // namespace ioasim::platform
