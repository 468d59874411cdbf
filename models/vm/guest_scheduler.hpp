// Threads of a guest's kernel: each of them has a vCPU to itself, beside those that the guest's
// programs run on. A program keeps its vCPU from its first to its last step, so that is where a
// scheduler would find room.
#pragma once

#include <string>
#include <utility>

#include "models/linux/scheduler_if.hpp"
#include "models/vm/virtual_machine.hpp"

namespace ioasim::vm {

class GuestScheduler final : public os::TaskScheduler {
public:
    GuestScheduler(VirtualMachine& machine, os::TaskScheduler& host, MachinePort& host_port)
        : machine_(machine), host_(host), host_port_(host_port) {}

    int cpu_of(const ExecContext& ctx) const override { return host_.cpu_of(ctx); }
    TimePs on_cpu_since(const ExecContext& ctx) const override { return host_.on_cpu_since(ctx); }
    void wake_all(WaitQueue& queue) override { host_.wake_all(queue); }
    void move(ExecContext& ctx, std::size_t cpu) override { host_.move(ctx, cpu); }
    void spawn(const std::string& name, MachinePort*,
               std::function<void(ExecContext&)> body) override {
        host_.spawn(name, &host_port_, on_vcpu(name, std::move(body)));
    }
    void spawn_on(int cpu, const std::string& name, MachinePort*,
                  std::function<void(ExecContext&)> body) override {
        host_.spawn_on(cpu, name, &host_port_, on_vcpu(name, std::move(body)));
    }
    void spawn_service(const std::string& name, MachinePort*,
                       std::function<void(ExecContext&)> body) override {
        host_.spawn_service(name, &host_port_, on_vcpu(name, std::move(body)));
    }

private:
    std::function<void(ExecContext&)> on_vcpu(const std::string& name,
                                              std::function<void(ExecContext&)> body) {
        return [this, name, body = std::move(body)](ExecContext& ctx) {
            machine_.run(ctx, machine_.kernel_vcpu(), name, body);
        };
    }

    VirtualMachine& machine_;
    os::TaskScheduler& host_;
    MachinePort& host_port_;
};

}  // namespace ioasim::vm
