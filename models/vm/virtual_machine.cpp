#include "models/vm/virtual_machine.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/virtual_device_if.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/guest_port.hpp"
#include "models/vm/guest_portal_window.hpp"
#include "models/vm/migration.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/stop_gate.hpp"
#include "models/vm/vcpu.hpp"
#include "models/vm/viommu.hpp"
#include "models/vm/virtual_page_requests.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

// Guest functions are 00:01.0, 00:02.0, ... in order of assignment.
Rid guest_rid(std::size_t index) {
    return Rid{static_cast<std::uint16_t>((index + 1) << 3U)};
}

std::vector<std::string> names_of(const VmConfig& config) {
    std::vector<std::string> names;
    for (const AssignedDevice& device : config.devices) {
        names.push_back(device.name);
    }
    return names;
}

std::vector<std::uint32_t> queues_of(const VmConfig& config) {
    std::vector<std::uint32_t> queues;
    for (const AssignedDevice& device : config.devices) {
        queues.push_back(device.mediated ? 0 : device.queues);  // those that are mapped for good
    }
    return queues;
}

VmSite first_site(const VmConfig& config, os::VmHost& host) {
    return {config.host, &host,
            config.host_devices.empty() ? names_of(config) : config.host_devices, config.pasid_min,
            config.pasid_max};
}

Gpa register_base(std::size_t index) {
    return kDeviceRegisterBase + index * dsa::kBar0Bytes;
}
Gpa configuration_base(std::size_t index) {
    return kConfigurationBase + pcie::ecam_offset(guest_rid(index), 0);
}

std::vector<VirtualFunction> functions_of(const VmSite& site) {
    std::vector<VirtualFunction> functions;
    for (std::size_t i = 0; i < site.devices.size(); ++i) {
        functions.push_back({site.devices[i], guest_rid(i)});
    }
    return functions;
}

}  // namespace

struct VirtualMachine::Impl {
    // The host's objects for the virtual devices, with the guest's windows to their portals.
    void serve_devices() {
        for (std::size_t i = 0; i < virtual_devices.size(); ++i) {
            virtual_devices[i] = windows[i] == nullptr ? nullptr : host->virtual_device(devices[i]);
            if (virtual_devices[i] != nullptr) {
                virtual_devices[i]->set_window(*windows[i]);
            }
        }
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

    Impl(const VmDeps& dependencies, const VmConfig& config, const VmParams& parameters)
        : deps(dependencies),
          params(parameters),
          name(config.name),
          devices(names_of(config)),
          queues(queues_of(config)),
          site(first_site(config, deps.host)),
          host(site.vm_host),
          memory(config.memory_bytes),
          pool(config.gpasid_min, config.gpasid_max),
          kept(params.kept_submissions),
          iovas(config.name, deps.host, memory, deps.probes),
          shadow(deps.host, memory, pool, iovas, functions_of(site)),
          page_requests(config.name, deps.host, memory, functions_of(site), params, control,
                        deps.recorder, deps.probes),
          viommu({config.name, config.pasid_min, config.pasid_max, params.virtual_commands,
                  params.early_virtual_commands},
                 deps.host, memory, pool, shadow, params.second_stages ? &iovas : nullptr,
                 page_requests, deps.recorder, deps.probes),
          virtual_devices(config.devices.size()),
          windows(config.devices.size()),
          machine{memory, viommu,        host,        params,  vcpus,          alive,
                  kept,   deps.recorder, deps.probes, devices, virtual_devices},
          port(machine, deps.host_port),
          instructions(machine, deps.instructions),
          gate(machine, port, control),
          gate_instructions(machine, instructions, control),
          create_lock(SimLock::Kind::Mutex, config.name + "/create_lock"),
          stopped(config.name + "/vCPUs stopped"),
          released(config.name + "/exit"),
          deaths("sleep") {
        const std::uint32_t vcpu_count = config.vcpus + (page_requests.enabled() ? 1 : 0);
        for (std::uint32_t i = 0; i < vcpu_count; ++i) {
            vcpus.push_back(std::make_unique<Vcpu>(
                fmt::format("{}/vcpu{}", config.name, i), params, deps.recorder, deps.scheduler,
                deps.instructions, deps.apics, deps.host_port, gate, control, deps.probes));
            Vcpu& vcpu = *vcpus.back();
            host->add_vcpu(vcpu);
            vcpu.move_to(config.host);
            vcpu.on_load([this, &vcpu](std::size_t cpu) { host->vcpu_load(vcpu, cpu); });
        }
    }

    VmDeps deps;
    VmParams params;
    bool alive = false;
    bool created = false;  // create() ran, whatever came of it
    bool ended = false;
    Errno create_result = Errno::Ok;
    bool migrating = false;
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
    std::vector<std::unique_ptr<GuestPortalWindow>> windows;
    GuestMachine machine;
    GuestPort port;
    GuestInstructions instructions;
    StopGate gate;
    StopGateInstructions gate_instructions;
    SimLock create_lock;
    WaitQueue stopped;
    WaitQueue released;  // of the VMM's process, after a fatal signal
    bool exited = false;
    Errno exit_result = Errno::Ok;
    WaitQueue deaths;
    cpu::InterruptSink* interrupts = nullptr;  // of the guest's kernel
    std::vector<std::function<void()>> on_death;
};

void VirtualMachine::Impl::trap_device(const AssignedDevice& device, std::size_t index) {
    windows[index] = std::make_unique<GuestPortalWindow>(memory, portal_base(index));
    memory.trap({GpaKind::Registers, register_base(index), dsa::kBar0Bytes, index});
    memory.trap({GpaKind::Configuration, configuration_base(index), pcie::kConfigBytes, index});
    memory.trap({GpaKind::TrappedPortal, portal_base(index), device.queues * dsa::kPortalsOfWqBytes,
                 index});
}

VirtualMachine::VirtualMachine(const VmDeps& deps, const VmConfig& config, const VmParams& params)
    : config_(config), impl_(std::make_unique<Impl>(deps, config, params)) {
    SIM_CHECK(config.memory_bytes > kGuestKernelBase && config.memory_bytes <= kMaxGuestMemory &&
                  config.memory_bytes % kPageSize == 0,
              "{}: {} bytes of memory", config.name, config.memory_bytes);
    targets_.push_back(impl_->site);  // it may come back
    impl_->page_requests.on_interrupt(
        [this](ExecContext& ctx, std::uint64_t address, std::uint32_t data) {
            deliver_message(ctx, address, data);
        });
}

VirtualMachine::~VirtualMachine() = default;

MachinePort& VirtualMachine::guest_port() {
    return impl_->gate;
}
cpu::Instructions& VirtualMachine::guest_instructions() {
    return impl_->gate_instructions;
}
bool VirtualMachine::alive() const {
    return impl_->alive;
}
GpaTarget VirtualMachine::translate(Gpa address) const {
    return impl_->memory.find(address);
}

GuestDevice VirtualMachine::guest_device(const std::string& name) const {
    const auto found =
        std::find_if(config_.devices.begin(), config_.devices.end(),
                     [&name](const AssignedDevice& device) { return device.name == name; });
    SIM_CHECK(found != config_.devices.end(), "{} has no device {}", config_.name, name);
    const auto index = static_cast<std::size_t>(found - config_.devices.begin());
    const GuestDevice whole{guest_rid(index), portal_base(index), Gpa{}, Gpa{}};
    return found->mediated ? GuestDevice{whole.rid, whole.portals, register_base(index),
                                         configuration_base(index)}
                           : whole;
}

WaitQueue& VirtualMachine::deaths() {
    return impl_->deaths;
}

void VirtualMachine::on_death(std::function<void()> callback) {
    impl_->on_death.push_back(std::move(callback));
}

// --- life ---------------------------------------------------------------------------------------

Errno VirtualMachine::create(ExecContext& ctx) {
    LockGuard guard{ctx, impl_->create_lock};
    if (!impl_->created) {
        impl_->create_result = create_locked(ctx);
        impl_->alive = impl_->create_result == Errno::Ok;
        impl_->created = true;
    }
    return impl_->create_result;
}

Errno VirtualMachine::create_locked(ExecContext& ctx) {
    Frame frame{ctx, "vm_create"};
    Impl& m = *impl_;
    ctx.spend(m.params.create);
    const Errno error = m.host->open(ctx);
    if (error != Errno::Ok) {
        return error;
    }
    auto pages = m.host->map_memory(ctx, config_.memory_bytes);
    if (!pages) {
        static_cast<void>(m.host->release(ctx));
        return pages.error();
    }
    m.memory.set_ram(*pages);
    for (std::size_t i = 0; i < config_.devices.size(); ++i) {
        if (config_.devices[i].mediated) {
            m.trap_device(config_.devices[i], i);
        }
    }
    m.serve_devices();
    map_portals(m.movable(config_.memory_bytes));
    if (m.page_requests.enabled()) {
        m.deps.scheduler.spawn_service("host/" + config_.name + "-prq", &m.deps.host_port,
                                       [&m](ExecContext& task) { m.page_requests.serve(task); });
    }
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(), trace::VmCreate{recorder.name(config_.name), config_.memory_bytes});
    return Errno::Ok;
}

void VirtualMachine::set_interrupt_sink(cpu::InterruptSink& sink) {
    impl_->interrupts = &sink;
}

// Physical destination mode, fixed delivery: bits 19:12 of the address name the vCPU.
void VirtualMachine::deliver_message(ExecContext& ctx, std::uint64_t address, std::uint32_t data) {
    Impl& m = *impl_;
    const auto vcpu = static_cast<std::size_t>(vtd::Field{19, 12}.get(address));
    if (!m.alive || m.interrupts == nullptr || vcpu >= m.vcpus.size()) {
        return;
    }
    m.host->raise_interrupt(ctx, *m.vcpus[vcpu], address, data);
    m.interrupts->on_interrupt_message(static_cast<std::uint8_t>(data & 0xFFU), address, data);
}

void VirtualMachine::run(ExecContext& ctx, std::uint32_t vcpu, const std::string& program,
                         const std::function<void(ExecContext&)>& body) {
    Vcpu& target = *impl_->vcpus.at(vcpu);
    LockGuard guard{ctx, target.lock()};
    if (impl_->alive) {
        target.run_guest(ctx, program, body);
    }
    if (!impl_->alive) {
        ctx.wake_all(impl_->stopped);
    }
}

// The signal is the sender's, the exit the VMM's own: it goes on when nobody waits for it any more.
Errno VirtualMachine::kill(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive || m.ended) {
        return Errno::Esrch;
    }
    if (m.deps.probes.has(kExitOfAnother)) {
        return end(ctx, "killed");
    }
    Frame frame{ctx, "vm_kill"};
    m.ended = true;
    m.alive = false;
    stop_guest(ctx);
    m.deps.scheduler.spawn(m.site.host + "/" + config_.name + "-exit", &m.deps.host_port,
                           [this](ExecContext& own) {
                               Impl& vmm = *impl_;
                               static_cast<void>(wait_for_vcpus(own, TimePs::max()));
                               vmm.exit_result = close_all(own, "killed");
                               vmm.exited = true;
                               own.wake_all(vmm.released);
                           });
    const TimePs deadline = ctx.now() + m.params.kill_timeout;
    while (!m.exited) {
        if (!ctx.wait_until(m.released, deadline) && ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
    }
    return m.exit_result;
}
Errno VirtualMachine::shutdown(ExecContext& ctx) {
    return end(ctx, "shutdown");
}

Errno VirtualMachine::end(ExecContext& ctx, const char* cause) {
    Impl& m = *impl_;
    if (!m.alive || m.ended) {
        return Errno::Esrch;
    }
    Frame frame{ctx, "vm_end"};
    m.ended = true;
    m.alive = false;
    stop_guest(ctx);
    const Errno stopped = wait_for_vcpus(ctx, ctx.now() + m.params.kill_timeout);
    return stopped == Errno::Ok ? close_all(ctx, cause) : stopped;
}

Errno VirtualMachine::close_all(ExecContext& ctx, const char* cause) {
    Impl& m = *impl_;
    const Errno error = m.host->release(ctx);
    m.memory.clear();
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(),
                  trace::VmDestroy{recorder.name(config_.name), recorder.name(cause)});
    return error;
}

// vCPUs leave the guest at the next instruction, once what the host does for them has ended.
void VirtualMachine::stop_guest(ExecContext& ctx) {
    Impl& m = *impl_;
    for (const auto& callback : m.on_death) {
        callback();
    }
    m.control.ended = true;
    m.control.stopped = false;
    ctx.wake_all(m.control.resumed);
    ctx.wake_all(m.deaths);
    for (const auto& vcpu : m.vcpus) {
        vcpu->kick(ctx);
    }
}

Errno VirtualMachine::wait_for_vcpus(ExecContext& ctx, TimePs deadline) {
    Impl& m = *impl_;
    while (m.migrating || m.resetting ||
           std::any_of(m.vcpus.begin(), m.vcpus.end(),
                       [](const auto& vcpu) { return vcpu->running(); })) {
        if (ctx.now() >= deadline) {
            return Errno::Etimedout;
        }
        ctx.wait_until(m.stopped, std::min(deadline, ctx.now() + m.params.kill_poll));
        // Who slept or waited for a processor at the first kick may be in the guest by now.
        for (const auto& vcpu : m.vcpus) {
            if (vcpu->in_guest_since(ctx.now())) {
                vcpu->kick(ctx);
            }
        }
    }
    return Errno::Ok;
}

// vCPUs end the access that they are at, and no other one begins.
Errno VirtualMachine::hang(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    if (m.migrating) {
        return Errno::Ebusy;
    }
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(), trace::VmHang{recorder.name(config_.name)});
    m.control.armed = true;
    m.control.stopped = true;
    m.control.hung = true;
    for (const auto& vcpu : m.vcpus) {
        vcpu->kick(ctx);
    }
    return Errno::Ok;
}

void VirtualMachine::wait_while_hung(ExecContext& ctx) {
    // A thread that was killed where it hung does nothing any more; its program ends.
    while (impl_->control.hung && impl_->alive) {
        ctx.wait(impl_->control.resumed);
    }
}

Errno VirtualMachine::migrate(ExecContext& ctx, const std::string& host, std::uint32_t pasid_min,
                              std::uint32_t pasid_max) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    const auto target = std::find_if(targets_.begin(), targets_.end(),
                                     [&host](const VmSite& site) { return site.host == host; });
    if (target == targets_.end() || m.site.host == host) {
        return Errno::Enxio;
    }
    // What waits in the virtual page-request queue, and shadowed tables, stay where they are.
    if (m.page_requests.enabled() || m.params.second_stages) {
        return Errno::Eopnotsupp;
    }
    if (m.migrating) {
        return Errno::Ebusy;
    }
    m.migrating = true;
    VmSite to = *target;
    to.pasid_min = pasid_min;
    to.pasid_max = pasid_max;
    Migration migration{m.movable(config_.memory_bytes), to};
    const Errno error = migration.run(ctx);
    m.migrating = false;
    ctx.wake_all(m.stopped);
    if (migration.lost() && !m.deps.probes.has(kLostNotEnded)) {
        static_cast<void>(end(ctx, "lost"));
    }
    return error;
}

void VirtualMachine::add_target(const VmSite& site) {
    for (const auto& vcpu : impl_->vcpus) {
        site.vm_host->add_vcpu(*vcpu);
    }
    targets_.push_back(site);
}

const std::string& VirtualMachine::host() const {
    return impl_->site.host;
}

void VirtualMachine::scheduled(std::size_t cpu, const ExecContext& task) {
    for (const auto& vcpu : impl_->vcpus) {
        if (vcpu->runs(task)) {
            vcpu->scheduled(cpu);
        }
    }
}

void VirtualMachine::move_vcpu(ExecContext& ctx, std::size_t cpu) {
    impl_->machine.vcpu_of(ctx).move(ctx, cpu);
}

// --- the VMM's own program ----------------------------------------------------------------------

Result<Ioasid> VirtualMachine::vmm_alloc(ExecContext& ctx, std::uint32_t min, std::uint32_t max) {
    if (!impl_->alive) {
        return Errno::Esrch;
    }
    return impl_->host->alloc_ioasid(ctx, min, max);
}

Errno VirtualMachine::vmm_free(ExecContext& ctx, Ioasid id) {
    if (!impl_->alive) {
        return Errno::Esrch;
    }
    const Errno error = impl_->host->free_ioasid(ctx, id);
    if (error == Errno::Ok) {
        impl_->pool.release_id(id);
    }
    return error;
}

Errno VirtualMachine::vmm_unplug(ExecContext& ctx, const std::string& device) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    const auto found = std::find_if(config_.devices.begin(), config_.devices.end(),
                                    [&](const AssignedDevice& d) { return d.name == device; });
    if (found == config_.devices.end()) {
        return Errno::Enodev;
    }
    const auto index = static_cast<std::size_t>(found - config_.devices.begin());
    // What the host maps into a virtual device's portal it takes away itself.
    for (std::uint32_t queue = 0; !found->mediated && queue < found->queues; ++queue) {
        m.memory.unmap_portal(portal_page(index, queue));
    }
    for (const auto& vcpu : m.vcpus) {
        if (found->mediated) {
            break;
        }
        vcpu->kick(ctx);  // none goes on with the old mapping
    }
    return m.host->remove_device(ctx, m.site.devices.at(index));
}

Errno VirtualMachine::vmm_reset(ExecContext& ctx) {
    Impl& m = *impl_;
    if (!m.alive) {
        return Errno::Esrch;
    }
    if (m.resetting) {
        return Errno::Ebusy;
    }
    Frame frame{ctx, "vm_reset"};
    stop_guest(ctx);
    const Errno stopped = wait_for_vcpus(ctx, ctx.now() + m.params.kill_timeout);
    if (stopped != Errno::Ok) {
        return stopped;
    }
    if (!m.alive || m.resetting) {
        return Errno::Esrch;  // it ended meanwhile, or another one was first
    }
    m.resetting = true;  // who ends the machine waits for it: the set is in use
    const auto reset_devices = [&] {
        for (os::VirtualDeviceIf* device : m.virtual_devices) {
            if (device != nullptr) {
                static_cast<void>(device->reset(ctx));
            }
        }
    };
    const bool devices_last = m.deps.probes.has(kMemoryBeforeDevices);
    if (!devices_last) {
        reset_devices();
    }
    const Errno error = m.host->reset(ctx);
    m.viommu.reset();
    m.shadow.reset();
    m.pool.reset();
    trace::Recorder& recorder = m.deps.recorder;
    recorder.emit(ctx.source(), trace::VmReset{recorder.name(config_.name)});
    if (devices_last) {
        reset_devices();
    }
    m.resetting = false;
    ctx.wake_all(m.stopped);
    return error;
}

Errno VirtualMachine::vmm_device(ExecContext& ctx, const std::string& device,
                                 DeviceRequest request) {
    if (!impl_->alive) {
        return Errno::Esrch;
    }
    os::VirtualDeviceIf* const mdev = impl_->host->virtual_device(device);
    if (mdev == nullptr) {
        return Errno::Enodev;
    }
    switch (request) {
        case DeviceRequest::Reset:
            return mdev->reset(ctx);
        case DeviceRequest::Pause:
            return mdev->pause(ctx);
        case DeviceRequest::Drain:
            return mdev->drain(ctx);
        case DeviceRequest::AwaitRequest:
            while (impl_->alive && !mdev->close_requested()) {
                ctx.wait_until(impl_->stopped, ctx.now() + impl_->params.kill_poll);
            }
            return impl_->alive ? Errno::Ok : Errno::Esrch;
        case DeviceRequest::Remove:
            return mdev->remove(ctx);
        case DeviceRequest::Resume:
            return mdev->resume(ctx, os::CallingTask{impl_->host->mm()});
    }
    return Errno::Einval;
}

}  // namespace ioasim::vm
