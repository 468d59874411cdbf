// The scheduler interface on the simulator's dispatcher.
#pragma once

#include <utility>

#include "core/sim/dispatcher.hpp"
#include "core/sim/simulation.hpp"
#include "models/linux/scheduler_if.hpp"

namespace ioasim::os {

class DispatcherScheduler final : public TaskScheduler {
public:
    explicit DispatcherScheduler(sim::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

    int cpu_of(const ExecContext& ctx) const override { return dispatcher_.cpu_of(ctx); }
    TimePs on_cpu_since(const ExecContext& ctx) const override {
        return dispatcher_.on_cpu_since(ctx);
    }
    void spawn(const std::string& name, MachinePort* port,
               std::function<void(ExecContext&)> body) override {
        start(-1, name, port, std::move(body), false);
    }
    void spawn_on(int cpu, const std::string& name, MachinePort* port,
                  std::function<void(ExecContext&)> body) override {
        start(cpu, name, port, std::move(body), false);
    }
    void spawn_service(const std::string& name, MachinePort* port,
                       std::function<void(ExecContext&)> body) override {
        start(-1, name, port, std::move(body), true);
    }
    void wake_all(WaitQueue& queue) override { dispatcher_.wake_all(queue); }
    void move(ExecContext& ctx, std::size_t cpu) override { dispatcher_.move(ctx, cpu); }

private:
    void start(int cpu, const std::string& name, MachinePort* port,
               std::function<void(ExecContext&)> body, bool service) {
        sim::TaskOptions options;
        options.cpu = cpu;
        options.name = name;
        options.port = port;
        options.service = service;
        dispatcher_.spawn(options, sim::Simulation::now() + TimePs{1}, std::move(body));
    }

    sim::Dispatcher& dispatcher_;
};

}  // namespace ioasim::os
