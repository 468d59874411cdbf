// The parts of a virtual machine, and what its VMM knows of it: for the files that carry out its
// life (virtual_machine.cpp) and its ends (virtual_machine_end.cpp).
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/linux/virtual_device_if.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/guest_port.hpp"
#include "models/vm/migration.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/stop_gate.hpp"
#include "models/vm/vcpu.hpp"
#include "models/vm/viommu.hpp"
#include "models/vm/virtual_machine.hpp"
#include "models/vm/virtual_page_requests.hpp"

namespace ioasim::vm {

struct VirtualMachine::Impl {
    // The host's objects for the virtual devices, with the guest's windows to their portals.
    void serve_devices() {
        for (std::size_t i = 0; i < virtual_devices.size(); ++i) {
            virtual_devices[i] = windows[i] == nullptr ? nullptr : host->virtual_device(devices[i]);
            if (virtual_devices[i] != nullptr) {
                virtual_devices[i]->set_window(*windows[i]);
                virtual_devices[i]->set_interrupt(raise);
            }
        }
    }

    bool has_vectors() const {
        return std::any_of(virtual_devices.begin(), virtual_devices.end(),
                           [](const auto* d) { return d != nullptr && d->has_vectors(); });
    }

    MovableMachine movable(std::uint64_t memory_bytes) {
        return {name,
                memory_bytes,
                devices,
                queues,
                params,
                deps.recorder,
                deps.probes,
                deps.scheduler,
                deps.host_port,
                memory,
                pool,
                shadow,
                viommu,
                kept,
                control,
                vcpus,
                virtual_devices,
                [this] { serve_devices(); },
                site,
                host,
                alive};
    }

    Impl(const VmDeps& dependencies, const VmConfig& config, const VmParams& parameters);

    VmDeps deps;
    VmParams params;
    bool alive = false;
    bool created = false;  // create() ran, whatever came of it
    bool ended = false;
    Errno create_result = Errno::Ok;
    bool migrating = false;
    bool unplugged = false;  // a device of its configuration is gone
    bool resetting = false;
    std::string name;
    std::vector<std::string> devices;  // as the guest names them
    std::vector<std::uint32_t> queues;
    VmSite site;
    os::VmHost* host;  // of the site
    GuestMemory memory;
    GpasidPool pool;
    KeptSubmissions kept;
    RunControl control;
    IovaShadow iovas;
    PasidShadow shadow;
    VirtualPageRequests page_requests;
    Viommu viommu;
    void trap_device(const AssignedDevice& device, std::size_t index);

    std::vector<std::unique_ptr<Vcpu>> vcpus;
    std::vector<os::VirtualDeviceIf*> virtual_devices;
    std::vector<std::unique_ptr<os::PortalWindow>> windows;
    GuestMachine machine;
    GuestPort port;
    GuestInstructions instructions;
    StopGate gate;
    StopGateInstructions gate_instructions;
    SimLock create_lock;
    WaitQueue stopped;
    WaitQueue exiting;  // of the VMM's process, after a fatal signal
    bool exited = false;
    Errno exit_result = Errno::Ok;
    WaitQueue deaths;
    cpu::InterruptSink* interrupts = nullptr;                               // of the guest's kernel
    std::function<void(ExecContext&, std::uint64_t, std::uint32_t)> raise;  // a message
    std::vector<std::function<void()>> on_death;
};

}  // namespace ioasim::vm
