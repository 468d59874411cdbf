// What the builder consists of; platform.cpp, platform_guests.cpp and platform_injections.cpp hold
// its parts.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/ioasid/ioasid.hpp"
#include "core/sim/dispatcher.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/run_events.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/linux/dispatcher_scheduler.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/task_switch.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/platform/address_map.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/hardware.hpp"
#include "models/platform/host_system.hpp"
#include "models/platform/injector.hpp"
#include "models/platform/lock_teller.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/platform/platform.hpp"
#include "models/platform/program.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/vm/guest_scheduler.hpp"
#include "models/vm/virtual_machine.hpp"
#include "models/vm/vm_params.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::platform {

// "vm1/vcpu0" -> {"vm1", "vcpu0"}; "host" -> {"host", ""}.
inline std::pair<std::string, std::string> split_place(const std::string& on) {
    const std::size_t slash = on.find('/');
    return slash == std::string::npos ? std::pair{on, std::string{}}
                                      : std::pair{on.substr(0, slash), on.substr(slash + 1)};
}

struct Guest {
    std::unique_ptr<vm::VirtualMachine> machine;
    std::unique_ptr<vm::GuestScheduler> scheduler;
    std::unique_ptr<IoasidCore> ioasid;
    std::unique_ptr<os::Kernel> kernel;
    std::size_t programs_left = 0;  // the last one shuts the machine down
};

struct Platform::Impl {
    Impl(sim::Simulation& simulation, const PlatformConfig& configuration, BareSoftware code);
    bool bare_only() const { return software || config.without_kernel(); }

    void enable_defects();
    void build_hosts();
    HostSystem& host_named(const std::string& name);
    bool is_host(const std::string& place) const {
        return std::any_of(hosts.begin(), hosts.end(),
                           [&place](const HostSystem& host) { return host.name == place; });
    }
    os::Kernel& host() { return *hosts.front().kernel; }
    void build_guest(const VmConfig& config);
    void add_targets(const VmConfig& vm, vm::VirtualMachine& machine);
    os::DeviceSetup virtual_function(const Guest& guest, os::IommuDriver& viommu,
                                     const MdevConfig& mdev) const;
    void build_bare_world();
    void build_programs();
    std::unique_ptr<ProgramActor> make_actor(const ProgramConfig& program);
    void build_injections();
    bool deliver(std::size_t index, std::uint64_t n);
    void intrude(std::size_t index, std::uint64_t n);
    struct Intruder;
    void strike(ExecContext& ctx, std::size_t index, Intruder& intruder);
    void spawn_software();
    Errno boot_hosts(ExecContext& ctx);
    void boot(ExecContext& ctx);
    void tell_locks();
    void spawn_program(std::size_t index);
    void run_on_vcpu(ExecContext& ctx, std::size_t index, Guest& guest, std::uint32_t vcpu);
    // A program of the VM ended.
    void leave(ExecContext& ctx, Guest& guest);

    sim::Simulation& sim;
    PlatformConfig config;
    Switches switches;
    sim::Dispatcher dispatcher;
    Hardware hardware;
    os::DispatcherScheduler scheduler;
    os::ExtendedStateSwitch task_switch;
    std::vector<HostSystem> hosts;
    InterruptFanOut interrupts;
    std::unique_ptr<KernelObjects> objects;
    std::map<std::string, Guest> guests;
    // Tasks that run a vCPU; only looked up.
    std::unordered_map<const ExecContext*, vm::VirtualMachine*> machine_of_task;
    std::optional<ProgramWorld> world;
    BareWorld bare{sim.recorder(), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    std::vector<std::unique_ptr<ProgramActor>> actors;
    // By injection and delivery: programs that come from outside.
    struct Intruder {
        ProgramConfig program;
        std::unique_ptr<ProgramActor> actor;
    };
    std::vector<std::vector<Intruder>> intruders;
    std::unique_ptr<Injector> injector;
    BareSoftware software;
};

}  // namespace ioasim::platform
