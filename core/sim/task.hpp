// The inside of the dispatcher: its threads, its tasks, and what it knows. For core/sim alone.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <systemc>

#include "core/sim/alarm.hpp"
#include "core/sim/dispatcher.hpp"
#include "core/sim/simulation.hpp"
#include "core/sim/timeline.hpp"

namespace ioasim::sim {

enum class TaskState : std::uint8_t { WaitsForCpu, Runs, Spends, Spins, Sleeps, Ended };

class Task;

// One thread of the kernel in the pool, made when a task finds none idle: a stack costs the host
// more than most tasks, and a campaign makes many runs. It runs one task at a time, from start to
// end. There is no process that dispatches: the thread of the task that is next wakes up at its
// time, and any thread that wakes up does what the dispatcher has to do.
struct PoolThread final {
    explicit PoolThread(Dispatcher::Impl& dispatcher);
    void run();
    // Returns when the task of this thread is the one to run.
    void await_turn();

    Dispatcher::Impl& impl;
    Alarm alarm;
    bool armed = false;  // in Impl::armed
    Task* task = nullptr;
};

struct Dispatcher::Impl final : sc_core::sc_module {
    SC_HAS_PROCESS(Impl);
    Impl(Simulation& simulation, const DispatcherParams& parameters, Chooser& choices);

    // One that runs no task.
    PoolThread& free_thread();
    // A thread woke up: software of the instant may begin.
    void woke(PoolThread& thread);
    void hand_on(Task* next) const;
    void arm();
    void drop_stale();
    // Time moves to there without the kernel, when nothing of the kernel comes first.
    bool go_alone(TimePs until);
    // The same for the running task, when no other task comes first: no thread is switched.
    bool goes_on_alone(TimePs until);
    // Tasks that wait for locks which they hold in turn, a line for each circle.
    std::vector<std::string> circles() const;
    // The next task to resume in this instant, or null; the dispatcher sleeps then.
    Task* next_task(TimePs now);
    Task* choose_next();
    void schedule(Task& task, TimePs time);
    void try_start(Task& task);
    void wait_for_cpu(Task& task);
    void limit_spinning(Task& task);
    bool must_yield(const Task& task) const;
    void occupy(Task& task, std::size_t cpu);
    void release_cpu(Task& task);
    bool wanted_by_other(const Task& task) const;
    void make_ready(Task& task);
    bool interrupt(Task& task);

    struct Due {
        Task* task;
        std::uint64_t ticket;  // stale unless it equals the task's
    };
    struct Cpu {
        Task* task = nullptr;
        Task* last = nullptr;
    };

    Simulation& sim;
    DispatcherParams params;
    Chooser& chooser;
    LockMonitor monitor;
    TaskSwitch* task_switch = nullptr;
    trace::Recorder& recorder;
    SourceId source;
    Timeline<Due> timeline;
    std::vector<Cpu> cpus;
    std::vector<Task*> ready;  // wait for a CPU, in order of becoming ready
    std::vector<std::unique_ptr<PoolThread>> pool;
    std::vector<PoolThread*> idle_threads;
    std::vector<PoolThread*> armed;  // whose alarm was set for a time that may not come
    std::vector<std::unique_ptr<Task>> tasks;
    Task* running = nullptr;  // or about to be resumed
    bool asleep = true;       // no task runs, and none is about to be chosen
    std::optional<TimePs> software_instant;
    PoolThread* opener = nullptr;  // waits for the delta in which software of the instant begins
};

class Task final : public ExecContext {
public:
    Task(Dispatcher::Impl& dispatcher, TaskOptions task_options, SourceId source, TaskBody code)
        : ExecContext(Persona{task_options.name, source, task_options.port, nullptr},
                      dispatcher.monitor),
          impl(dispatcher),
          options(std::move(task_options)),
          body(std::move(code)) {
        set_kind(options.kind);
    }

    TimePs now() const override { return Simulation::now(); }
    void spend(TimePs cost) override;

    static ExecContext* take(WaitQueue& queue, std::size_t pick) {
        return take_waiter(queue, pick);
    }
    using ExecContext::inside_instruction;

    Dispatcher::Impl& impl;
    TaskOptions options;
    TaskBody body;
    PoolThread* thread = nullptr;
    TaskState state = TaskState::WaitsForCpu;
    int cpu = -1;
    TimePs got_cpu;
    std::uint64_t ticket = 0;
    bool woken = false;
    bool timed_out = false;
    bool interrupted = false;
    bool queued = false;  // in Impl::ready: it gets a CPU before anything else
    TimePs deadline = TimePs::max();

    void move_to(int where);
    void serve_interrupt();
    void serve_while_blocked();
    // What runs interrupts a wait, the innermost one.
    bool serving_while_blocked = false;

private:
    bool block(bool keeps_cpu, TimePs until) override;
    bool wait_for_wake(bool keeps_cpu, TimePs until);
    void make_ready(ExecContext& other) override;
    std::size_t choose(const Choice& choice) override;
    void before_lock(const SimLock& lock) override;
    void before_mmio() override;
    const Defect* unwoken = nullptr;  // what a broken kernel does to whom it has just chosen
    void hold_up(const Operation& operation);
    // Hands the instant on to the next task; returns when this one is resumed. The next task is
    // often this one: then no thread is switched (an immediate notification would be lost anyway,
    // since this thread does not wait yet).
    void switch_out() {
        Task* next = impl.choose_next();
        if (next != this) {
            impl.hand_on(next);
            thread->await_turn();
        }
        state = TaskState::Runs;
    }
};

}  // namespace ioasim::sim
