// Virtual machines: their hardware, their VMM and the kernel inside.
#include "models/platform/platform_impl.hpp"

namespace ioasim::platform {

void Platform::Impl::build_guest(const VmConfig& vm) {
    Guest& guest = guests[vm.name];
    os::VmSetup setup{vm.name, vm.quota, {}};
    vm::VmConfig machine;
    machine.name = vm.name;
    machine.vcpus = vm.vcpus;
    machine.memory_bytes = vm.memory_bytes;
    machine.gpasid_min = vm.gpasids.min;
    machine.gpasid_max = vm.gpasids.max;
    machine.pasid_min = vm.pasids.min;
    machine.pasid_max = vm.pasids.max;
    machine.host = vm.host;
    HostSystem& home = host_named(vm.host);
    for (const MdevConfig& mdev : vm.mdevs) {
        setup.mdevs.push_back({mdev.name, mdev.device, mdev.workqueue, mdev.aux});
        machine.devices.push_back({mdev.name, 1, true});
    }
    // A queue that several VMs share names address spaces by numbers of the whole system.
    const bool accelerators =
        vm.mdevs.empty() && home.kernel->params().pasid_spaces == os::PasidSpaces::System;
    for (const DeviceConfig* device : home.accelerators) {
        if (!accelerators) {
            break;
        }
        setup.devices.push_back(device->name);
        machine.devices.push_back(
            {device->name, static_cast<std::uint32_t>(device->workqueues.size())});
    }
    for (const std::string& function : vm.functions) {
        setup.functions.push_back(function);
        machine.devices.push_back({function, 0});
    }
    const vm::VmParams params = resolve(vm::vm_param_table(), config, vm.name);
    os::VmHost& vm_host = home.kernel->create_vm(setup);
    guest.machine = std::make_unique<vm::VirtualMachine>(
        vm::VmDeps{sim.recorder(), sim.probes(), vm_host, hardware.cpus(), hardware.cpus(),
                   scheduler, hardware.cpus()},
        machine, params);
    if (!config.hosts.empty()) {
        add_targets(vm, *guest.machine);
    }
    guest.scheduler =
        std::make_unique<vm::GuestScheduler>(*guest.machine, scheduler, hardware.cpus());
    guest.ioasid =
        std::make_unique<IoasidCore>(vm.name, resolve(IoasidParams::table(), config, vm.name),
                                     switches, sim.recorder(), sim.probes());
    const os::KernelDeps deps{sim.recorder(),   sim.probes(),
                              *guest.ioasid,    guest.machine->guest_instructions(),
                              *guest.scheduler, &guest.machine->guest_port()};
    os::KernelConfig kernel;
    kernel.name = vm.name;
    kernel.memory_base = guest.machine->kernel_memory_base();
    kernel.memory_bytes = guest.machine->kernel_memory_bytes();
    kernel.guest = true;
    kernel.worker_task = false;
    kernel.interrupt_processor = guest.machine->kernel_vcpu();
    guest.kernel = std::make_unique<os::Kernel>(deps, kernel,
                                                resolve(os::kernel_param_table(), config, vm.name));
    guest.machine->set_interrupt_sink(guest.kernel->interrupts());
    guest.machine->on_death([kernel = guest.kernel.get()] { kernel->power_off(); });
    os::IommuDriver& viommu =
        guest.kernel->add_iommu(vm.name + "/viommu", guest.machine->viommu_base());
    for (const MdevConfig& mdev : vm.mdevs) {
        guest.kernel->add_device(virtual_function(guest, viommu, mdev));
    }
    for (const DeviceConfig& device : config.devices) {
        const bool function =
            std::find(vm.functions.begin(), vm.functions.end(), device.name) != vm.functions.end();
        const bool shared =
            accelerators && std::find(home.accelerators.begin(), home.accelerators.end(),
                                      &device) != home.accelerators.end();
        if (!shared && !function) {
            continue;
        }
        const vm::GuestDevice seen = guest.machine->guest_device(device.name);
        os::DeviceSetup assigned;
        assigned.name = device.name;
        assigned.iommu = &viommu;
        assigned.rid = seen.rid;
        assigned.for_users = function;
        assigned.portals = seen.portals.value();
        assigned.ats = device.ats && params.page_requests;
        for (const WorkqueueConfig& wq : device.workqueues) {
            assigned.queues.push_back({wq.name, wq.shared, wq.size, wq.threshold, wq.priority});
        }
        guest.kernel->add_device(std::move(assigned));
    }
}

// Every other host can take the machine: what stands behind its functions there are that host's
// accelerators, in the order of listing.
void Platform::Impl::add_targets(const VmConfig& vm, vm::VirtualMachine& machine) {
    const SourceId source = sim.recorder().source("platform");
    const HostSystem& home = host_named(vm.host);
    sim.recorder().emit(
        source, trace::VmHosted{sim.recorder().name(vm.name), sim.recorder().name(vm.host)});
    for (HostSystem& host : hosts) {
        if (host.name == vm.host) {
            continue;
        }
        os::VmSetup setup{vm.name, vm.quota, {}};
        std::vector<std::string> devices;
        for (const MdevConfig& mdev : vm.mdevs) {
            setup.mdevs.push_back(alike(mdev, home, host));
            devices.push_back(mdev.name);
        }
        for (const DeviceConfig* device : host.accelerators) {
            if (vm.mdevs.empty()) {
                setup.devices.push_back(device->name);
                devices.push_back(device->name);
            }
        }
        machine.add_target(
            {host.name, &host.kernel->create_vm(setup), devices, vm.pasids.min, vm.pasids.max});
    }
}

os::DeviceSetup Platform::Impl::virtual_function(const Guest& guest, os::IommuDriver& viommu,
                                                 const MdevConfig& mdev) const {
    const auto parent =
        std::find_if(config.devices.begin(), config.devices.end(),
                     [&mdev](const DeviceConfig& d) { return d.name == mdev.device; });
    const auto queue =
        std::find_if(parent->workqueues.begin(), parent->workqueues.end(),
                     [&mdev](const WorkqueueConfig& wq) { return wq.name == mdev.workqueue; });
    const vm::GuestDevice seen = guest.machine->guest_device(mdev.name);
    os::DeviceSetup setup;
    setup.name = mdev.name;
    setup.iommu = &viommu;
    setup.rid = seen.rid;
    setup.engines = parent->engines;
    setup.registers = seen.registers.value();
    setup.portals = seen.portals.value();
    setup.configuration = seen.configuration.value();
    setup.queues.push_back(
        {queue->name, queue->shared, queue->size, queue->threshold, queue->priority});
    return setup;
}

}  // namespace ioasim::platform
