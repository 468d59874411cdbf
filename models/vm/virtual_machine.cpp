#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/vm/guest_portal_window.hpp"
#include "models/vm/virtual_machine_impl.hpp"
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

VirtualMachine::Impl::Impl(const VmDeps& dependencies, const VmConfig& config,
                           const VmParams& parameters)
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
      exiting(config.name + "/exit"),
      deaths("sleep") {
    shadow.on_change([this, bytes = config.memory_bytes](ExecContext& ctx, std::size_t device,
                                                         std::uint32_t gpasid, bool bound) {
        on_guest_binding(ctx, movable(bytes), device, gpasid, bound);
    });
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
    impl_->raise = [this](ExecContext& ctx, std::uint64_t address, std::uint32_t data) {
        deliver_message(ctx, address, data);
    };
    impl_->page_requests.on_interrupt(impl_->raise);
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
        m.host->page_faults()->listen();
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
    if (!impl_->alive) {
        // What a guest read while its VMM ended is all ones: its kernel may have seen a capability
        // there that the machine lacks, and want a processor for it that there is not.
        ctx.wake_all(impl_->stopped);
        return;
    }
    Vcpu& target = *impl_->vcpus.at(vcpu);
    LockGuard guard{ctx, target.lock()};
    if (impl_->alive) {
        target.run_guest(ctx, program, body);
    }
    if (!impl_->alive) {
        ctx.wake_all(impl_->stopped);
    }
}

const Persona& VirtualMachine::vcpu_thread(std::uint32_t vcpu) const {
    return impl_->vcpus.at(vcpu)->thread();
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
    // What waits in the virtual page-request queue, shadowed tables, and entries of a device's
    // interrupt message storage, stay where they are. The other side opens what is configured.
    const bool incomplete = m.unplugged && !m.deps.probes.has(kUnpluggedComesBack);
    if (m.page_requests.enabled() || m.params.second_stages || m.has_vectors() || incomplete) {
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

ExecContext* VirtualMachine::scheduled(std::size_t cpu, const ExecContext& task) {
    ExecContext* wanted = nullptr;
    for (const auto& vcpu : impl_->vcpus) {
        if (vcpu->runs(task) && vcpu->scheduled(cpu)) {
            wanted = vcpu->thread_context();
        }
    }
    return wanted;
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
    if (m.migrating && !m.deps.probes.has(kAskedWhileMoving)) {
        return Errno::Ebusy;
    }
    m.unplugged = true;
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

Errno VirtualMachine::vmm_device(ExecContext& ctx, const std::string& device,
                                 DeviceRequest request) {
    if (!impl_->alive) {
        return Errno::Esrch;
    }
    os::VirtualDeviceIf* const mdev = impl_->host->virtual_device(device);
    if (mdev == nullptr) {
        return Errno::Enodev;
    }
    const bool of_the_host =
        request == DeviceRequest::AwaitRequest || request == DeviceRequest::Remove;
    if (impl_->migrating && !of_the_host && !impl_->deps.probes.has(kAskedWhileMoving)) {
        return Errno::Ebusy;  // whoever moves it has it paused
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
