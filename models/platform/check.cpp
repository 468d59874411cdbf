#include "models/platform/platform.hpp"

#include <algorithm>

#include "core/base/units.hpp"
#include "core/ioasid/switches.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/memory/memory_params.hpp"
#include "models/pcie/pcie_params.hpp"
#include "models/pcie/slot_layout.hpp"
#include "models/platform/address_map.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/requester/requester_params.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vtd/vtd_capabilities.hpp"
#include "models/vtd/vtd_params.hpp"

namespace ioasim::platform {
namespace {

using Problems = std::vector<ConfigProblem>;

void check_devices(const PlatformConfig& config, Problems& problems) {
    for (std::size_t d = 0; d < config.devices.size(); ++d) {
        const DeviceConfig& device = config.devices[d];
        const vtd::VtdParams unit = resolve(vtd::vtd_param_table(), config, device.iommu);
        if (device.ats && !unit.device_tlb) {
            problems.push_back(
                {fmt::format("platform.devices[{}].ats", d),
                 fmt::format("the IOMMU offers no device TLB (ECAP.DT = 0): leave \"ats\" out, or "
                             "set {}.cap.device_tlb",
                             device.iommu)});
        }
        std::uint64_t entries = 0;
        for (std::size_t w = 0; w < device.workqueues.size(); ++w) {
            const WorkqueueConfig& wq = device.workqueues[w];
            entries += wq.size;
            if (wq.threshold > wq.size) {
                problems.push_back(
                    {fmt::format("platform.devices[{}].workqueues[{}].threshold", d, w),
                     fmt::format("threshold {} is above the size {}", wq.threshold, wq.size)});
            }
        }
        if (device.kind == DeviceKind::Requester) {
            continue;  // without workqueues, and with other bounds of parameters of the same names
        }
        const dsa::DsaParams unit_has = resolve(dsa::dsa_param_table(), config, device.name);
        if (entries > unit_has.total_entries) {
            problems.push_back({fmt::format("platform.devices[{}].workqueues", d),
                                fmt::format("{} entries in all workqueues, {} has {}", entries,
                                            device.name, unit_has.total_entries)});
        }
        if (unit_has.read_buffers < dsa::kBuffersOfEngine * device.engines) {
            problems.push_back(
                {fmt::format("platform.devices[{}].engines", d),
                 fmt::format("{} engines cannot be enabled: they need {} read buffers, {} has {}",
                             device.engines, dsa::kBuffersOfEngine * device.engines, device.name,
                             unit_has.read_buffers)});
        }
    }
    for (std::size_t d = 0; d < config.devices.size(); ++d) {
        for (std::size_t before = 0; before < d; ++before) {
            const DeviceConfig& first = config.devices[before];
            const DeviceConfig& device = config.devices[d];
            const std::string& group = first.group.empty() ? first.name : first.group;
            if (group == (device.group.empty() ? device.name : device.group) &&
                first.iommu != device.iommu) {
                problems.push_back({fmt::format("platform.devices[{}].group", d),
                                    fmt::format("group {} would be behind {} and {}: one group has "
                                                "one unit",
                                                group, first.iommu, device.iommu)});
            }
            const Rid rid = rid_of(config.devices[d], d);
            if (rid == rid_of(config.devices[before], before)) {
                problems.push_back({fmt::format("platform.devices[{}]", d),
                                    fmt::format("{} and {} have the same requester id {:#06x}",
                                                config.devices[before].name, config.devices[d].name,
                                                rid.value())});
            }
        }
    }
    for (std::size_t d = 0; d < config.devices.size(); ++d) {
        const std::string where = fmt::format("platform.devices[{}]", d);
        if (config.devices[d].hotplug && config.devices[d].kind != DeviceKind::Dsa) {
            problems.push_back({where, "only accelerators can be in a slot"});
        }
        if (rid_of(config.devices[d], d).value() >> 8U == pcie::kRootPortBus) {
            problems.push_back({where, "its bus is that of root ports"});
        }
    }
    if (config.devices.size() > kMaxDevices) {
        problems.push_back({"platform.devices", fmt::format("{} devices, at most {} fit",
                                                            config.devices.size(), kMaxDevices)});
    }
    if (config.iommus.size() > kMaxIommus) {
        problems.push_back({"platform.iommus", fmt::format("{} units, at most {} fit",
                                                           config.iommus.size(), kMaxIommus)});
    }
}

void check_iommus(const PlatformConfig& config, Problems& problems) {
    for (std::size_t i = 0; i < config.iommus.size(); ++i) {
        const std::string where = fmt::format("platform.iommus[{}]", i);
        const vtd::VtdParams params =
            resolve(vtd::vtd_param_table(), config, config.iommus[i].name);
        for (const std::string& problem : vtd::capability_problems(params)) {
            problems.push_back({where, problem});
        }
    }
}

// Credits below one payload: nothing would ever leave.
void check_links(const PlatformConfig& config, Problems& problems) {
    const pcie::PcieParams ports = resolve(pcie::pcie_param_table(), config, "pcie");
    for (std::size_t d = 0; d < config.devices.size(); ++d) {
        const DeviceConfig& device = config.devices[d];
        const bool dsa = device.kind == DeviceKind::Dsa;
        const pcie::LinkParams link =
            dsa ? pcie::LinkParams{resolve(dsa::dsa_param_table(), config, device.name)}
                : pcie::LinkParams{
                      resolve(requester::requester_param_table(), config, device.name)};
        for (const pcie::CreditLimits& limits : {ports.advertised(), link.advertised()}) {
            const std::string problem = pcie::credit_problem(limits, link.max_payload);
            if (!problem.empty()) {
                problems.push_back({fmt::format("platform.devices[{}]", d), problem});
            }
        }
    }
}

// A PASID is bound once to a function: two virtual devices of one VM on one parent would share the
// entry. With an auxiliary domain they share the one of the default PASID, which counts its users;
// a PASID of the guest is then bound through one of them alone. And a queue has a place on the
// parent.
void check_mdevs(const PlatformConfig& config, std::size_t index, Problems& problems) {
    const VmConfig& vm = config.vms[index];
    for (std::size_t m = 0; m < vm.mdevs.size(); ++m) {
        const MdevConfig& mdev = vm.mdevs[m];
        const std::string where = fmt::format("vms[{}].mdevs[{}]", index, m);
        const auto parent =
            std::find_if(config.devices.begin(), config.devices.end(),
                         [&mdev](const DeviceConfig& d) { return d.name == mdev.device; });
        const bool known =
            parent != config.devices.end() && host_of(config, *parent) == vm.host &&
            std::any_of(parent->workqueues.begin(), parent->workqueues.end(),
                        [&mdev](const WorkqueueConfig& wq) { return wq.name == mdev.workqueue; });
        if (!known) {
            problems.push_back(
                {where, fmt::format("there is no workqueue {}/{}", mdev.device, mdev.workqueue)});
        }
        for (std::size_t before = 0; before < m; ++before) {
            const bool apart = mdev.aux && vm.mdevs[before].aux;
            if (vm.mdevs[before].device == mdev.device && !apart) {
                problems.push_back(
                    {where, fmt::format("{} has a second virtual device of {}: they would share "
                                        "PASID entries, which works with \"aux\" on both alone",
                                        vm.name, mdev.device)});
            }
        }
    }
}

void check_vms(const PlatformConfig& config, Problems& problems) {
    for (std::size_t i = 0; i < config.vms.size(); ++i) {
        const VmConfig& vm = config.vms[i];
        check_mdevs(config, i, problems);
        if (vm.memory_bytes > vm::kMaxGuestMemory || vm.memory_bytes % kPageSize != 0) {
            problems.push_back({fmt::format("vms[{}].memory", i),
                                fmt::format("guest memory is whole pages, at most {} MiB",
                                            vm::kMaxGuestMemory >> 20U)});
        }
    }
}

std::vector<std::size_t> accelerators_of(const PlatformConfig& config, const std::string& host) {
    std::vector<std::size_t> queues;
    for (const DeviceConfig& device : config.devices) {
        if (device.kind == DeviceKind::Dsa && host_of(config, device) == host) {
            queues.push_back(device.workqueues.size());
        }
    }
    return queues;
}

// A virtual machine finds the same functions with as many queues wherever it goes.
void check_hosts(const PlatformConfig& config, Problems& problems) {
    for (std::size_t i = 0; i < config.hosts.size() && !config.vms.empty(); ++i) {
        if (accelerators_of(config, config.hosts[i]) != accelerators_of(config, "host")) {
            problems.push_back(
                {fmt::format("platform.hosts[{}]", i),
                 fmt::format("{} and host differ in accelerators or their workqueues: virtual "
                             "machines could not move between them",
                             config.hosts[i])});
        }
    }
}

bool is_run_on(const Step& step) {
    return (step.kind == StepKind::Machine || step.kind == StepKind::Bare) &&
           step.bare.kind == BareKind::RunOn;
}

// Nobody would ever get a processor that is not there.
std::string processor_problem(const PlatformConfig& config, std::uint64_t cpu) {
    return cpu < config.cpus
               ? std::string()
               : fmt::format("there is no processor {}: platform.cpus is {}, the last one is {}",
                             cpu, config.cpus, config.cpus - 1);
}

void check_processors(const PlatformConfig& config, Problems& problems) {
    for (std::size_t p = 0; p < config.programs.size(); ++p) {
        const std::vector<Step>& steps = config.programs[p].steps;
        for (std::size_t s = 0; s < steps.size(); ++s) {
            const std::string problem =
                is_run_on(steps[s]) ? processor_problem(config, steps[s].bare.number("")) : "";
            if (!problem.empty()) {
                problems.push_back({fmt::format("programs[{}].steps[{}].run_on", p, s), problem});
            }
        }
    }
}

void check_poison(const PlatformConfig& config, std::size_t index, Problems& problems) {
    const auto& numbers = config.injections[index].numbers;
    const std::uint64_t address = numbers.at("address");
    const std::uint64_t size = numbers.at("size");
    const auto ranges =
        memory::memory_ranges(resolve(memory::memory_param_table(), config, "memory"));
    const bool inside = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
        return address >= range.base.value() && size <= range.bytes &&
               address - range.base.value() <= range.bytes - size;
    });
    if (!inside) {
        std::string where;
        for (const auto& range : ranges) {
            where += fmt::format("{}{:#x} to {:#x}", where.empty() ? "" : " and ",
                                 range.base.value(), range.base.value() + range.bytes - 1);
        }
        problems.push_back({fmt::format("inject[{}].address", index),
                            fmt::format("{} at {:#x} is not in memory: that is {}", size_text(size),
                                        address, where)});
    }
}

void check_injections(const PlatformConfig& config, Problems& problems) {
    for (std::size_t i = 0; i < config.injections.size(); ++i) {
        const InjectionConfig& injection = config.injections[i];
        if (injection.fault.kind->way == InjectWay::Memory) {
            check_poison(config, i, problems);
        }
        const auto cpu = injection.numbers.find("cpu");
        const std::string problem =
            cpu == injection.numbers.end() ? std::string() : processor_problem(config, cpu->second);
        if (!problem.empty()) {
            problems.push_back({fmt::format("inject[{}].cpu", i), problem});
        }
    }
}

void check_steps(const std::vector<Step>& steps, const std::string& path, const Switches& switches,
                 const std::string& profile, Problems& problems) {
    for (std::size_t s = 0; s < steps.size(); ++s) {
        if (steps[s].kind != StepKind::Call) {
            continue;
        }
        const std::string missing = missing_in(steps[s].call.kind, switches);
        if (!missing.empty()) {
            problems.push_back({fmt::format("{}[{}]", path, s),
                                fmt::format("profile {} has no {}: {}", profile,
                                            call_spec(steps[s].call.kind).key, missing)});
        }
    }
}

void check_profile(const PlatformConfig& config, Problems& problems) {
    Profile profile = Profile::Spec;
    if (!parse_profile(config.ioasid_profile, profile)) {
        problems.push_back(
            {"platform.ioasid.profile", fmt::format("no profile \"{}\"", config.ioasid_profile)});
        return;
    }
    const Switches switches = switches_of(config);
    if (!switches.managed_sets && !config.vms.empty()) {
        problems.push_back({"vms", fmt::format("profile {} has no IOASID sets: VMs need them",
                                               config.ioasid_profile)});
    }
    for (std::size_t p = 0; p < config.programs.size(); ++p) {
        check_steps(config.programs[p].steps, fmt::format("programs[{}].steps", p), switches,
                    config.ioasid_profile, problems);
    }
    for (std::size_t b = 0; b < config.kernel.blocks.size(); ++b) {
        for (const auto& [event, steps] : config.kernel.blocks[b].on) {
            check_steps(steps, fmt::format("kernel.blocks[{}].on.{}", b, event), switches,
                        config.ioasid_profile, problems);
        }
    }
    for (std::size_t w = 0; w < config.kernel.works.size(); ++w) {
        check_steps(config.kernel.works[w].steps, fmt::format("kernel.works[{}].steps", w),
                    switches, config.ioasid_profile, problems);
    }
}

}  // namespace

Problems check(const PlatformConfig& config) {
    Problems problems;
    check_devices(config, problems);
    check_iommus(config, problems);
    check_links(config, problems);
    check_vms(config, problems);
    check_hosts(config, problems);
    check_processors(config, problems);
    check_injections(config, problems);
    check_profile(config, problems);
    return problems;
}

}  // namespace ioasim::platform
