// The software dispatcher: runs every task of the platform, one at a time, by (time, CPU,
// sequence). A task must hold a logical CPU to run; spending time keeps it, sleeping gives it up.
// Threads of the kernel are made when tasks need them, and used again.
//
// Within an instant software runs behind the hardware: it sees all that hardware did.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/chooser.hpp"
#include "core/base/exec_context.hpp"
#include "core/sim/module.hpp"

namespace ioasim::sim {

class Simulation;
class Dispatcher;

struct TaskOptions {
    std::string name;  // "host/ioasid_wq", "vm1/vcpu0"
    MachinePort* port = nullptr;
    int cpu = -1;  // -1: any CPU
    ContextKind kind = ContextKind::Task;
    bool service = false;  // a worker that may sleep for ever: not a deadlock at the end
};

using TaskBody = std::function<void(ExecContext&)>;

// The code of a kernel that switches tasks: told before a task runs on a CPU that it did not have,
// and after it gave one up or ended.
class TaskSwitch {
public:
    virtual ~TaskSwitch() = default;
    virtual void switch_in(std::size_t cpu, const ExecContext& task) = 0;
    virtual void switch_out(std::size_t cpu, const ExecContext& task, bool ended) = 0;
};

struct DispatcherParams {
    std::uint64_t cpus = 4;
    std::uint64_t stack_bytes = 128 * 1024;
    TimePs wake_latency{1000};         // sleeping task to running, when a CPU is free
    TimePs lock_handover{1000};        // release to the next waiter's start
    TimePs context_switch{1000};       // a CPU changes from one task to another
    TimePs time_slice{3'000'000'000};  // a task that spends longer yields to one that waits
};

class Dispatcher {
public:
    Dispatcher(Simulation& sim, const DispatcherParams& params, Chooser& chooser);
    ~Dispatcher();
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    // Starts a task at `at` (at least 1 ps after now once time runs; 0 is allowed before).
    ExecContext& spawn(TaskOptions options, TimePs at, TaskBody body);
    // Interrupts what `ctx` is spending or sleeping for: its persona's Interruptible runs in its
    // context, then it goes on. Takes effect 1 ps later. False when the task ended.
    bool interrupt(ExecContext& ctx);
    // The same for whatever runs on a CPU; nothing when it is idle.
    void interrupt_cpu(std::size_t cpu);
    // Hardware wakes software (a completion arrived, an interrupt). Takes effect after the wake
    // latency.
    void wake_one(WaitQueue& queue);
    void wake_all(WaitQueue& queue);
    // The CPU that the context runs on now, or -1.
    int cpu_of(const ExecContext& ctx) const;
    // The task, which runs, goes on on this CPU and on no other from now on.
    void move(ExecContext& ctx, std::size_t cpu);
    // Since when it has had that CPU.
    TimePs on_cpu_since(const ExecContext& ctx) const;
    // At most one; before time runs.
    void set_task_switch(TaskSwitch& code);

    LockMonitor& monitor();
    // Tasks that are not services and have not ended.
    std::size_t unfinished() const;
    // Every task with its state, CPU and what it waits for.
    void dump(StateDump& out) const;
    // Names what each unfinished task waits for: "host/vm1-vcpu0 waits for lock host/… (owner …)".
    std::vector<std::string> wait_for_graph() const;

    struct Impl;  // opaque; named here for the task threads

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace ioasim::sim
