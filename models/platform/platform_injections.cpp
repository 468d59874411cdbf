// Faults from outside, carried out.
#include "models/platform/platform_impl.hpp"

namespace ioasim::platform {

// Programs of injections have their actors from the start, one a delivery: a run makes no threads.
void Platform::Impl::build_injections() {
    if (config.injections.empty()) {
        return;
    }
    for (const InjectionConfig& injection : config.injections) {
        std::vector<Intruder>& list = intruders.emplace_back();
        for (std::uint64_t n = 0;
             injection.fault.kind->way == InjectWay::Steps && n < injection.count; ++n) {
            ProgramConfig program = injection.program;
            program.process += n == 0 ? "" : "." + std::to_string(n);
            list.push_back({program, make_actor(program)});
        }
    }
    injector = std::make_unique<Injector>(
        sim, config.injections, config.heal ? config.heal->at : TimePs::max(),
        [this](std::size_t index, std::uint64_t n) { return deliver(index, n); });
}

bool Platform::Impl::deliver(std::size_t index, std::uint64_t n) {
    const InjectionConfig& injection = config.injections[index];
    switch (injection.fault.kind->way) {
        case InjectWay::Memory:
            hardware.memory().poison(Hpa{injection.numbers.at("address")},
                                     injection.numbers.at("size"));
            return true;
        case InjectWay::Pull:
            hardware.pull(injection.fault.target, sim::Simulation::now() + TimePs{1});
            return true;
        case InjectWay::Steps:
            intrude(index, n);
            return false;
        default:
            return true;
    }
}

// Who intrudes says so when it strikes: its victim may be gone until then, or be found gone.
void Platform::Impl::strike(ExecContext& ctx, std::size_t index, Intruder& intruder) {
    const InjectionConfig& injection = config.injections[index];
    bool prepared = true;
    const StepWatch watch{
        [&](std::size_t i) {
            if (i == injection.act && prepared) {
                injector->took_effect(index);
            }
        },
        [&](std::size_t i, const StepOutcome& outcome) {
            const bool act = i == injection.act;
            const bool failed =
                act ? found_nobody(*injection.fault.kind, outcome.error, outcome.value)
                    : i < injection.act && outcome.error != Errno::Ok;
            if (prepared && failed) {
                injector->missed(index, step_name(intruder.program.steps[i]), outcome.error, act);
                prepared = false;
            }
        }};
    run_program(ctx, sim.recorder(), intruder.program, *intruder.actor, &watch);
}

void Platform::Impl::intrude(std::size_t index, std::uint64_t n) {
    Intruder& intruder = intruders[index][static_cast<std::size_t>(n)];
    const auto [place, part] = split_place(intruder.program.on);
    sim::TaskOptions options;
    options.name = intruder.program.on + "/" + intruder.program.process;
    options.port = &hardware.cpus();
    const auto run = [this, index, &intruder](ExecContext& ctx) { strike(ctx, index, intruder); };
    const TimePs at = sim::Simulation::now() + TimePs{1};
    const auto guest = guests.find(place);
    if (guest == guests.end()) {
        dispatcher.spawn(options, at, run);
        return;
    }
    vm::VirtualMachine& machine = *guest->second.machine;
    if (part == "vmm") {
        dispatcher.spawn(options, at, [&machine, run](ExecContext& ctx) {
            if (machine.alive()) {
                run(ctx);
            }
        });
        return;
    }
    const auto vcpu = static_cast<std::uint32_t>(std::stoul(part.substr(4)));
    dispatcher.spawn(options, at, [this, &machine, vcpu, run](ExecContext& ctx) {
        machine_of_task[&ctx] = &machine;
        machine.run(ctx, vcpu, run);
        machine_of_task.erase(&ctx);
    });
}

}  // namespace ioasim::platform
