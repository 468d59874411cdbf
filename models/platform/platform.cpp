#include "models/platform/platform_impl.hpp"

namespace ioasim::platform {

namespace {

sim::DispatcherParams dispatcher_params(const PlatformConfig& config) {
    sim::DispatcherParams params = resolve(scheduler_param_table(), config, "scheduler");
    params.cpus = config.cpus;
    return params;
}

}  // namespace

Platform::Impl::Impl(sim::Simulation& simulation, const PlatformConfig& configuration,
                     BareSoftware code)
    : sim(simulation),
      config(configuration),
      switches(switches_of(config)),
      dispatcher(sim, dispatcher_params(config), sim.chooser()),
      hardware(sim, config, dispatcher),
      scheduler(dispatcher),
      task_switch(hardware.cpus(), sim.probes()),
      software(std::move(code)) {
    dispatcher.set_task_switch(task_switch);
    if (config.stop_at_hazard) {
        // No other task goes on in this instant; the one that did it ends at its next wait.
        sim.recorder().watch(
            trace::info_of<trace::IoasidHazard>(),
            [this](const trace::EventRecord&) { sim.request_stop(sim::StopReason::Hazard); });
    }
    enable_defects();
    build_bare_world();
    if (!bare_only()) {
        build_hosts();
        for (const VmConfig& vm : config.vms) {
            build_guest(vm);
        }
    }
    build_programs();
    build_injections();
    spawn_software();
    sim.before_end = [this] {
        tell_locks();
        if (!sim.next_activity()) {
            hardware.check_quiet();
        }
    };
}

void Platform::Impl::tell_locks() {
    LockTeller teller(sim.recorder());
    for (const HostSystem& host : hosts) {
        teller.tell(host.ioasid->allocator_lock());
        teller.tell(host.ioasid->mm_list_lock());
    }
    if (objects) {
        for (const auto& [name, lock] : objects->locks()) {
            teller.tell(*lock);
        }
    }
    for (const auto& [name, guest] : guests) {
        teller.tell(guest.ioasid->allocator_lock());
    }
}

void Platform::Impl::enable_defects() {
    const SourceId source = sim.recorder().source("platform");
    for (const std::string& name : config.defects) {
        const Declaration* defect = Declaration::find(Declaration::Kind::Defect, name);
        SIM_CHECK(defect != nullptr, "unknown defect {}", name);
        sim.probes().enable(static_cast<const Defect&>(*defect));
        sim.recorder().emit(source, trace::RunDefect{sim.recorder().name(name)});
    }
}

void Platform::Impl::build_hosts() {
    const HostParts parts{sim, hardware, scheduler, switches};
    for (std::size_t i = 0; i < host_names(config).size(); ++i) {
        hosts.push_back(make_host(parts, config, i));
        interrupts.add(hosts.back().kernel->interrupts());
    }
    hardware.cpus().set_interrupt_sink(interrupts);
    tell_hosts(sim.recorder(), config);
}

HostSystem& Platform::Impl::host_named(const std::string& name) {
    const auto found = std::find_if(hosts.begin(), hosts.end(),
                                    [&name](const HostSystem& host) { return host.name == name; });
    SIM_CHECK(found != hosts.end(), "no host {}", name);
    return *found;
}

// What bare programs and the bench around them know of the hardware.
void Platform::Impl::build_bare_world() {
    for (std::size_t i = 0; i < config.iommus.size(); ++i) {
        bare.units[config.iommus[i].name] = {iommu_registers(i), true, false, Rid{0}, {}, 0};
    }
    for (std::size_t i = 0; i < config.devices.size(); ++i) {
        const DeviceConfig& device = config.devices[i];
        bare.units[device.name] = {device_registers(i),
                                   false,
                                   device.kind == DeviceKind::Requester,
                                   rid_of(device, i),
                                   device.iommu,
                                   kConfigurationWindow + pcie::ecam_offset(rid_of(device, i), 0)};
        if (device.kind == DeviceKind::Dsa) {
            BareUnit& unit = bare.units[device.name];
            unit.portals = device_portals(i);
            unit.engines = device.engines;
            unit.workqueues = device.workqueues;
        }
    }
    bare.first_iommu = config.iommus.empty() ? "" : config.iommus.front().name;
    bare.cpus = &hardware.cpus();
    bare.next_activity = [this] { return sim.next_activity(); };
    bare.is_memory = [this](std::uint64_t address, std::uint64_t bytes) {
        return hardware.memory().bytes().contains(Hpa{address}, bytes);
    };
    bare.is_poisoned = [this](std::uint64_t address, std::uint64_t bytes) {
        return hardware.memory().bytes().poisoned(Hpa{address}, bytes);
    };
    bare.poison = [this](std::uint64_t address, std::uint64_t bytes) {
        hardware.memory().poison(Hpa{address}, bytes);
    };
    bare.fail_next = [this](const std::string& site) {
        const Declaration* const found = Declaration::find(Declaration::Kind::FaultSite, site);
        SIM_CHECK(found != nullptr, "unknown fault site {}", site);
        sim.probes().fail_next(static_cast<const FaultSite&>(*found));
    };
    bare.spawn = [this](const std::string& name, int cpu, const sim::TaskBody& body) {
        sim::TaskOptions options;
        options.name = name;
        options.port = &hardware.cpus();
        options.cpu = cpu;
        dispatcher.spawn(options, sim::Simulation::now() + TimePs{1}, body);
    };
    bare.memory = &hardware.memory().cached();
    bare.wake = [this](WaitQueue& queue) { dispatcher.wake_all(queue); };
    bare.processors = config.cpus;
    bare.move = [this](ExecContext& ctx, std::size_t cpu) { dispatcher.move(ctx, cpu); };
    const bool used = std::any_of(config.programs.begin(), config.programs.end(),
                                  [](const ProgramConfig& p) { return p.on == kBare; });
    if (bare_only()) {
        hardware.cpus().set_interrupt_sink(bare.interrupts);
    }
    hardware.memory().on_write = [this](Hpa address, std::uint64_t bytes) {
        hardware.cpus().memory_written(address, bytes);
    };
    if (used && !software) {
        hardware.memory().on_device_access = [this](const memory::MemRequest& request) {
            if (request.op == memory::MemOp::Write) {
                bare.writes.add(request.origin->rid, request.origin->descriptor, request.size);
            }
        };
    }
}

void Platform::Impl::build_programs() {
    if (bare_only()) {
        for (const ProgramConfig& program : config.programs) {
            actors.push_back(make_bare_actor(bare, program));
        }
        return;
    }
    objects = std::make_unique<KernelObjects>(host(), sim.recorder(), config);
    world.emplace(ProgramWorld{sim.recorder(), host(), *objects, {}, &hardware.memory().cached()});
    for (auto& [name, guest] : guests) {
        world->vms[name] = guest.machine.get();
    }
    if (!guests.empty()) {
        task_switch.on_switch_in = [this](std::size_t cpu, const ExecContext& task) {
            const auto machine = machine_of_task.find(&task);
            if (machine == machine_of_task.end()) {
                return;
            }
            if (ExecContext* const wanted = machine->second->scheduled(cpu, task)) {
                dispatcher.interrupt(*wanted);
            }
        };
    }
    for (const ProgramConfig& program : config.programs) {
        const auto guest = guests.find(split_place(program.on).first);
        if (guest != guests.end()) {
            ++guest->second.programs_left;
        }
        actors.push_back(make_actor(program));
    }
}

std::unique_ptr<ProgramActor> Platform::Impl::make_actor(const ProgramConfig& program) {
    const auto [place, part] = split_place(program.on);
    const std::string name = program.on + "/" + program.process;
    if (program.on == kBare) {
        return make_bare_actor(bare, program);
    }
    if (program.on == "host/kernel") {
        return make_kernel_thread(*world, name, program.mm);
    }
    if (is_host(place)) {
        return make_process_actor(*world, *host_named(place).kernel, name,
                                  [](std::uint64_t pa) { return std::optional<Hpa>(pa); }, nullptr,
                                  {program.parent, program.thread});
    }
    Guest& guest = guests.at(place);
    if (part == "vmm") {
        const auto vm =
            std::find_if(config.vms.begin(), config.vms.end(),
                         [&place = place](const VmConfig& v) { return v.name == place; });
        return make_vmm_actor(*world, *guest.machine, vm->pasids);
    }
    vm::VirtualMachine* machine = guest.machine.get();
    return make_process_actor(
        *world, *guest.kernel, name,
        [machine](std::uint64_t pa) {
            const vm::GpaTarget target = machine->translate(Gpa{pa});
            return target.kind == vm::GpaKind::Ram ? std::optional<Hpa>(target.hpa) : std::nullopt;
        },
        machine, {program.parent, program.thread});
}

void Platform::Impl::spawn_software() {
    if (software) {
        bare.spawn("bare/software", 0, [this](ExecContext& ctx) { software(ctx, bare); });
        return;
    }
    if (bare_only()) {
        for (std::size_t i = 0; i < config.programs.size(); ++i) {
            spawn_program(i);
        }
        return;
    }
    for (HostSystem& host : hosts) {
        sim::TaskOptions worker;
        worker.name = host.name + "/ioasid_wq";
        worker.port = &hardware.cpus();
        worker.kind = ContextKind::Worker;
        worker.service = true;
        dispatcher.spawn(worker, TimePs{},
                         [&host](ExecContext& ctx) { host.ioasid->worker_loop(ctx); });
    }
    sim::TaskOptions options;
    options.name = "host/boot";
    options.port = &hardware.cpus();
    dispatcher.spawn(options, TimePs{}, [this](ExecContext& ctx) { boot(ctx); });
}

// One host after the other: who boots first is no question of any scenario.
Errno Platform::Impl::boot_hosts(ExecContext& ctx) {
    for (HostSystem& host : hosts) {
        host.ioasid->install_capacity(ctx, static_cast<std::uint32_t>(config.ioasid_capacity));
        const Errno booted = host.kernel->boot(ctx);
        if (booted != Errno::Ok) {
            return booted;
        }
    }
    return Errno::Ok;
}

void Platform::Impl::boot(ExecContext& ctx) {
    const Errno booted = boot_hosts(ctx);
    if (booted != Errno::Ok) {
        // A platform that lacks what the kernel needs: no program gets further than its start.
        for (const ProgramConfig& program : config.programs) {
            tell_not_started(ctx, sim.recorder(), program, booted);
        }
        return;
    }
    for (const VmConfig& vm : config.vms) {
        // A VM that cannot be made (no quota left, no memory) shows in its programs' start.
        guests.at(vm.name).machine->create(ctx);
    }
    for (std::size_t i = 0; i < config.programs.size(); ++i) {
        spawn_program(i);
    }
}

void Platform::Impl::spawn_program(std::size_t index) {
    const ProgramConfig& program = config.programs[index];
    const auto [place, part] = split_place(program.on);
    sim::TaskOptions options;
    options.name = program.on + "/" + program.process;
    options.port = &hardware.cpus();
    const TimePs at = sim::Simulation::now() + TimePs{1} + program.start;
    if (place == kBare) {
        dispatcher.spawn(options, at, [this, index](ExecContext& ctx) {
            const UserAccess own(ctx);  // no kernel is there
            run_program(ctx, sim.recorder(), config.programs[index], *actors[index]);
        });
        return;
    }
    if (is_host(place)) {
        dispatcher.spawn(options, at, [this, index](ExecContext& ctx) {
            run_program(ctx, sim.recorder(), config.programs[index], *actors[index]);
        });
        return;
    }
    Guest& guest = guests.at(place);
    if (part == "vmm") {
        dispatcher.spawn(options, at, [this, index, &guest](ExecContext& ctx) {
            run_program(ctx, sim.recorder(), config.programs[index], *actors[index]);
            leave(ctx, guest);
        });
        return;
    }
    const auto vcpu = static_cast<std::uint32_t>(std::stoul(part.substr(4)));  // "vcpu0"
    dispatcher.spawn(options, at, [this, index, &guest, vcpu](ExecContext& ctx) {
        run_on_vcpu(ctx, index, guest, vcpu);
    });
}

void Platform::Impl::run_on_vcpu(ExecContext& ctx, std::size_t index, Guest& guest,
                                 std::uint32_t vcpu) {
    const Errno created = guest.machine->create(ctx);  // once made, this only tells the result
    if (created != Errno::Ok) {
        tell_not_started(ctx, sim.recorder(), config.programs[index], created);
        return;
    }
    machine_of_task[&ctx] = guest.machine.get();
    guest.machine->run(ctx, vcpu, [this, index](ExecContext& guest_ctx) {
        run_program(guest_ctx, sim.recorder(), config.programs[index], *actors[index]);
    });
    machine_of_task.erase(&ctx);
    // Back outside the task is the VMM's thread: what it does to the host is no deed of the
    // guest's.
    const PersonaChange thread{ctx, guest.machine->vcpu_thread(vcpu)};
    leave(ctx, guest);
}

void Platform::Impl::leave(ExecContext& ctx, Guest& guest) {
    if (--guest.programs_left == 0 && guest.machine->alive()) {
        guest.machine->shutdown(ctx);
    }
}

Platform::Platform(sim::Simulation& sim, const PlatformConfig& config, BareSoftware software)
    : impl_(std::make_unique<Impl>(sim, config, std::move(software))) {}

Platform::~Platform() = default;

bool Platform::read_buffer(const std::string& program, std::size_t step, const std::string& buffer,
                           std::uint64_t offset, std::vector<std::uint8_t>& out) const {
    for (std::size_t i = 0; i < impl_->config.programs.size(); ++i) {
        const ProgramConfig& config = impl_->config.programs[i];
        if (config.on + "/" + config.process != program) {
            continue;
        }
        const KeptBuffers kept = impl_->actors[i]->kept(step);
        const std::vector<std::uint8_t>& bytes =
            buffer == "source" ? kept.source : kept.destination;
        if (offset > bytes.size() || out.size() > bytes.size() - offset) {
            return false;
        }
        if (out.empty()) {
            out.resize(bytes.size() - static_cast<std::size_t>(offset));
        }
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return true;
    }
    return false;
}

}  // namespace ioasim::platform
