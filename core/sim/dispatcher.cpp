#include "core/sim/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include <systemc>

#include "core/sim/alarm.hpp"
#include "core/sim/lock_telling.hpp"
#include "core/sim/simulation.hpp"
#include "core/sim/timeline.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::sim {
namespace {

enum class TaskState : std::uint8_t { WaitsForCpu, Runs, Spends, Spins, Sleeps, Ended };

const char* state_name(TaskState state) {
    static constexpr std::array<const char*, 6> kNames{"waits for a CPU", "runs",   "spends time",
                                                       "spins",           "sleeps", "ended"};
    return kNames.at(static_cast<std::size_t>(state));
}

}  // namespace

namespace {
class Task;

// One simulated thread of the pool. It runs one task at a time, from start to end.
struct PoolThread final : sc_core::sc_module {
    SC_HAS_PROCESS(PoolThread);
    PoolThread(sc_core::sc_module_name name, std::uint64_t stack_bytes) : sc_core::sc_module(name) {
        SC_THREAD(run);
        set_stack_size(static_cast<std::size_t>(stack_bytes));
        sensitive << resume;
        dont_initialize();
    }
    void run();

    sc_core::sc_event resume;
    Task* task = nullptr;
};
}  // namespace

struct Dispatcher::Impl final : sc_core::sc_module {
    SC_HAS_PROCESS(Impl);
    Impl(Simulation& simulation, const DispatcherParams& parameters, Chooser& choices);

    void run();
    void arm();
    void drop_stale();
    // The next task to resume in this instant, or null; the dispatcher sleeps then.
    Task* next_task(TimePs now);
    Task* choose_next();
    // The running task is the only one up to then, and nothing else happens: no thread is switched.
    bool goes_on_alone(TimePs until);
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
    std::vector<std::unique_ptr<Task>> tasks;
    Alarm alarm;
    bool software_delta = false;  // hardware of this instant has run
    TimePs software_instant;
    bool asleep = true;  // no task runs, and none is about to be chosen
};

namespace {

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
    bool serving_while_blocked = false;

private:
    bool block(bool keeps_cpu, TimePs until) override;
    void make_ready(ExecContext& other) override { impl.make_ready(static_cast<Task&>(other)); }
    std::size_t choose(std::string_view what, std::size_t count) override {
        return impl.chooser.choose(what, count);
    }
    // Hands the instant on to the next task; returns when this one is resumed. The next task is
    // often this one: then no thread is switched (an immediate notification would be lost anyway,
    // since this thread does not wait yet).
    void switch_out() {
        Task* next = impl.choose_next();
        if (next != this) {
            if (next != nullptr) {
                next->thread->resume.notify();
            }
            sc_core::wait(thread->resume);
        }
        state = TaskState::Runs;
    }
};

void PoolThread::run() {
    while (true) {
        if (task != nullptr) {
            Task& mine = *task;
            mine.state = TaskState::Runs;
            Dispatcher::Impl& impl = mine.impl;
            try {
                mine.body(mine);
                mine.tell_kept_locks();
            } catch (const sc_core::sc_unwind_exception&) {
                throw;
            } catch (const std::exception&) {
                impl.sim.fail_from_software(std::current_exception());
            }
            mine.state = TaskState::Ended;
            impl.release_cpu(mine);
            mine.body = nullptr;
            task = nullptr;
            impl.idle_threads.push_back(this);
            if (Task* next = impl.choose_next()) {
                next->thread->resume.notify();
            }
        }
        sc_core::wait(resume);
    }
}

void Task::spend(TimePs cost) {
    if (cost == TimePs{}) {
        return;
    }
    if (interrupted && !inside_instruction()) {  // asked for while it could not be served
        serve_interrupt();
    }
    TimePs end = now() + cost;
    while (true) {
        const TimePs slice_end = got_cpu + impl.params.time_slice;
        const bool preemptible = !atomic() && !inside_instruction() && slice_end > now();
        const TimePs stop = preemptible ? std::min(end, slice_end) : end;
        if (!impl.goes_on_alone(stop)) {
            state = TaskState::Spends;
            impl.schedule(*this, stop);
            switch_out();
        }
        if (interrupted && !inside_instruction()) {
            const TimePs start = now();
            serve_interrupt();
            end += now() - start;
        }
        if (!atomic() && !inside_instruction() && now() >= got_cpu + impl.params.time_slice) {
            const TimePs start = now();
            if (impl.wanted_by_other(*this)) {
                impl.release_cpu(*this);
                impl.wait_for_cpu(*this);
                switch_out();
                end += now() - start;
            } else {
                got_cpu = now();
            }
        }
        if (now() >= end) {
            return;
        }
    }
}

void Task::move_to(int where) {
    options.cpu = where;
    if (cpu != where) {
        impl.release_cpu(*this);
        state = TaskState::WaitsForCpu;
        impl.schedule(*this, now() + TimePs{1});
        switch_out();
    }
}

void Task::serve_interrupt() {
    interrupted = false;
    if (persona().interruptible != nullptr) {
        persona().interruptible->on_interrupt(*this);
    }
}

void Task::serve_while_blocked() {
    serving_while_blocked = true;
    serve_interrupt();
    serving_while_blocked = false;
}

bool Task::block(bool keeps_cpu, TimePs until) {
    // Who wakes a task does not say from which of two waits.
    SIM_CHECK(!serving_while_blocked, "{}: an interruption of a sleep may not sleep itself",
              name());
    woken = false;
    timed_out = false;
    deadline = until;
    while (!woken && !timed_out) {
        if (interrupted && !inside_instruction()) {  // asked for while it could not be served
            serve_while_blocked();
            timed_out = !woken && now() >= until;
            continue;
        }
        state = keeps_cpu ? TaskState::Spins : TaskState::Sleeps;
        ++ticket;
        if (until != TimePs::max()) {
            impl.schedule(*this, std::max(until, now() + TimePs{1}));
        }
        if (!keeps_cpu) {
            impl.release_cpu(*this);
        } else {
            impl.limit_spinning(*this);
        }
        switch_out();
        if (keeps_cpu && !woken && impl.must_yield(*this)) {
            impl.release_cpu(*this);
            impl.wait_for_cpu(*this);
            switch_out();
        }
        if (interrupted && !inside_instruction()) {
            serve_while_blocked();
        }
        timed_out = !woken && now() >= until;
    }
    deadline = TimePs::max();
    return woken;
}

}  // namespace

Dispatcher::Impl::Impl(Simulation& simulation, const DispatcherParams& parameters, Chooser& choices)
    : sc_core::sc_module(sc_core::sc_module_name("dispatcher")),
      sim(simulation),
      params(parameters),
      chooser(choices),
      recorder(simulation.recorder()),
      source(simulation.recorder().source("dispatcher")),
      cpus(parameters.cpus),
      alarm(simulation) {
    SC_METHOD(run);
    sensitive << alarm.soon() << alarm.far();
    dont_initialize();
    for (std::uint64_t i = 0; i < params.pool; ++i) {
        pool.push_back(std::make_unique<PoolThread>(
            sc_core::sc_module_name(("thread" + std::to_string(i)).c_str()), params.stack_bytes));
    }
    // The last of the vector is taken first: thread 0 runs the first task.
    for (auto it = pool.rbegin(); it != pool.rend(); ++it) {
        idle_threads.push_back(it->get());
    }
}

void Dispatcher::Impl::run() {
    Simulation::came();
    const TimePs now = Simulation::now();
    alarm.came();
    if ((!software_delta || software_instant != now) && Simulation::busy_now()) {
        // Hardware of this instant runs in this delta; software follows in the next.
        software_delta = true;
        software_instant = now;
        alarm.set(now);
        return;
    }
    asleep = false;
    if (Task* next = choose_next()) {
        next->thread->resume.notify();
    }
}

Task* Dispatcher::Impl::choose_next() {
    Task* next = nullptr;
    sim.guard([&] {
        sim.note_activation(Simulation::now());
        do {
            next = sim.stopping() ? nullptr : next_task(Simulation::now());
            drop_stale();
        } while (next == nullptr && timeline.next() && sim.skip_to(*timeline.next()));
        if (next == nullptr) {
            arm();
        }
    });
    return next;
}

bool Dispatcher::Impl::goes_on_alone(TimePs until) {
    const auto next = timeline.next();
    if ((next && *next <= until) || !sim.skip_to(until)) {
        return false;
    }
    sim.note_activation(until);
    return true;
}

// What was meant for a time and happened earlier: a deadline of somebody who was woken.
void Dispatcher::Impl::drop_stale() {
    while (const Due* first = timeline.front()) {
        if (first->ticket == first->task->ticket && first->task->state != TaskState::Ended) {
            return;
        }
        timeline.pop();
    }
}

void Dispatcher::Impl::arm() {
    asleep = true;
    drop_stale();
    const auto next = timeline.next();
    const TimePs now = Simulation::now();
    if (next && *next > now) {
        alarm.set(*next);
    } else if (!next) {
        alarm.rest();
    }
}

Task* Dispatcher::Impl::next_task(TimePs now) {
    while (timeline.due(now)) {
        const Due due = timeline.pop();
        Task& task = *due.task;
        if (due.ticket != task.ticket || task.state == TaskState::Ended) {
            continue;
        }
        if (task.cpu < 0) {
            try_start(task);  // schedules itself again once it has a CPU
            continue;
        }
        recorder.begin_software();
        return &task;
    }
    return nullptr;
}

void Dispatcher::Impl::schedule(Task& task, TimePs time) {
    ++task.ticket;
    timeline.schedule(time, static_cast<std::uint32_t>(task.cpu + 1), {&task, task.ticket});
    // While software runs, arm() follows; hardware that wakes a task finds the dispatcher asleep.
    if (asleep) {
        alarm.set(time);
    }
}

bool Dispatcher::Impl::wanted_by_other(const Task& task) const {
    return std::any_of(ready.begin(), ready.end(), [&task](const Task* other) {
        return other->options.cpu < 0 || other->options.cpu == task.cpu;
    });
}

void Dispatcher::Impl::try_start(Task& task) {
    if (task.queued) {
        return;
    }
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        const bool allowed = task.options.cpu < 0 || task.options.cpu == static_cast<int>(i);
        if (allowed && cpus[i].task == nullptr) {
            occupy(task, i);
            schedule(task, Simulation::now());
            return;
        }
    }
    wait_for_cpu(task);
}

void Dispatcher::Impl::wait_for_cpu(Task& task) {
    task.state = TaskState::WaitsForCpu;
    task.queued = true;
    ready.push_back(&task);
    for (const Cpu& cpu : cpus) {
        if (cpu.task != nullptr && cpu.task->state == TaskState::Spins) {
            limit_spinning(*cpu.task);
        }
    }
}

// A task that spins uses no time of its own, so the end of its slice needs an alarm; only while
// another waits for its CPU, or a deadlock would never look idle.
void Dispatcher::Impl::limit_spinning(Task& task) {
    if (!task.woken && !task.inside_instruction() && task.deadline == TimePs::max() &&
        wanted_by_other(task)) {
        schedule(task, std::max(task.got_cpu + params.time_slice, Simulation::now() + TimePs{1}));
    }
}

bool Dispatcher::Impl::must_yield(const Task& task) const {
    return !task.inside_instruction() && Simulation::now() >= task.got_cpu + params.time_slice &&
           wanted_by_other(task);
}

void Dispatcher::Impl::occupy(Task& task, std::size_t cpu) {
    cpus[cpu].task = &task;
    cpus[cpu].last = &task;
    task.cpu = static_cast<int>(cpu);
    task.got_cpu = Simulation::now();
    if (task_switch != nullptr) {
        task_switch->switch_in(cpu, task);
    }
    if (recorder.wants(trace::Category::Sched)) {
        recorder.begin_software();
        recorder.emit(source, trace::SchedRun{static_cast<std::uint32_t>(cpu),
                                              recorder.name(task.options.name)});
    }
}

void Dispatcher::Impl::release_cpu(Task& task) {
    if (task.cpu < 0) {
        return;
    }
    const auto cpu = static_cast<std::size_t>(task.cpu);
    if (task_switch != nullptr) {
        task_switch->switch_out(cpu, task, task.state == TaskState::Ended);
    }
    task.cpu = -1;
    cpus[cpu].task = nullptr;
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (ready[i]->options.cpu < 0 || ready[i]->options.cpu == static_cast<int>(cpu)) {
            candidates.push_back(i);
        }
    }
    if (candidates.empty()) {
        if (recorder.wants(trace::Category::Sched)) {
            recorder.emit(source, trace::SchedIdle{static_cast<std::uint32_t>(cpu),
                                                   recorder.name(task.options.name)});
        }
        return;
    }
    const std::size_t pick = candidates[chooser.choose("cpu.ready", candidates.size())];
    Task& next = *ready[pick];
    ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(pick));
    next.queued = false;
    occupy(next, cpu);
    schedule(next, Simulation::now() + params.context_switch);
}

void Dispatcher::Impl::make_ready(Task& task) {
    if (task.woken) {
        return;
    }
    task.woken = true;
    if (task.queued) {
        return;  // its deadline had passed: it only waits for a CPU
    }
    TimePs latency = params.wake_latency;
    if (task.state == TaskState::Spins) {
        // An instruction that waits for hardware retires at once; a lock changes hands.
        latency = task.inside_instruction() ? TimePs{1} : params.lock_handover;
    }
    schedule(task, Simulation::now() + latency);
}

bool Dispatcher::Impl::interrupt(Task& task) {
    if (task.state == TaskState::Ended) {
        return false;
    }
    task.interrupted = true;
    const bool resumable = task.state == TaskState::Spends || task.state == TaskState::Spins ||
                           (task.state == TaskState::Sleeps && !task.woken);
    if (resumable) {
        schedule(task, Simulation::now() + TimePs{1});
    }
    return true;
}

Dispatcher::Dispatcher(Simulation& sim, const DispatcherParams& params, Chooser& chooser)
    : impl_(std::make_unique<Impl>(sim, params, chooser)) {
    sim.dispatcher_ = this;
    Impl& impl = *impl_;
    tell_locks(impl.monitor, impl.recorder);
}

Dispatcher::~Dispatcher() {
    impl_->sim.dispatcher_ = nullptr;
}

ExecContext& Dispatcher::spawn(TaskOptions options, TimePs at, TaskBody body) {
    SIM_CHECK(!impl_->idle_threads.empty(), "task {}: all {} threads of the pool are in use",
              options.name, impl_->params.pool);
    const SourceId source = impl_->recorder.source(options.name);
    impl_->tasks.push_back(
        std::make_unique<Task>(*impl_, std::move(options), source, std::move(body)));
    Task& task = *impl_->tasks.back();
    task.thread = impl_->idle_threads.back();
    impl_->idle_threads.pop_back();
    task.thread->task = &task;
    impl_->schedule(task, at);
    return task;
}

bool Dispatcher::interrupt(ExecContext& ctx) {
    return impl_->interrupt(static_cast<Task&>(ctx));
}

void Dispatcher::interrupt_cpu(std::size_t cpu) {
    Task* const task = impl_->cpus.at(cpu).task;
    if (task != nullptr) {
        impl_->interrupt(*task);
    }
}

void Dispatcher::wake_one(WaitQueue& queue) {
    if (!queue.empty()) {
        const std::size_t pick = impl_->chooser.choose("wake.waiter", queue.size());
        impl_->make_ready(static_cast<Task&>(*Task::take(queue, pick)));
    }
}

void Dispatcher::wake_all(WaitQueue& queue) {
    while (!queue.empty()) {
        wake_one(queue);
    }
}

void Dispatcher::move(ExecContext& ctx, std::size_t cpu) {
    static_cast<Task&>(ctx).move_to(static_cast<int>(cpu));
}

int Dispatcher::cpu_of(const ExecContext& ctx) const {
    return static_cast<const Task&>(ctx).cpu;
}

TimePs Dispatcher::on_cpu_since(const ExecContext& ctx) const {
    return static_cast<const Task&>(ctx).got_cpu;
}

void Dispatcher::set_task_switch(TaskSwitch& code) {
    impl_->task_switch = &code;
}

LockMonitor& Dispatcher::monitor() {
    return impl_->monitor;
}

std::size_t Dispatcher::unfinished() const {
    return static_cast<std::size_t>(
        std::count_if(impl_->tasks.begin(), impl_->tasks.end(), [](const auto& task) {
            return task->state != TaskState::Ended && !task->options.service;
        }));
}

std::vector<std::string> Dispatcher::wait_for_graph() const {
    std::vector<std::string> lines;
    for (const auto& task : impl_->tasks) {
        if (task->state == TaskState::Ended || task->options.service) {
            continue;
        }
        std::string line = task->name() + " " + state_name(task->state);
        const std::string place = task->waits_for();
        line += place.empty() ? "" : " for " + place;
        const std::string chain = task->call_chain();
        line += chain.empty() ? "" : " in " + chain;
        lines.push_back(std::move(line));
    }
    return lines;
}

void Dispatcher::dump(StateDump& out) const {
    for (const auto& task : impl_->tasks) {
        if (task->state == TaskState::Ended) {
            continue;
        }
        std::string held;
        for (const SimLock* lock : task->held_locks()) {
            held += (held.empty() ? "" : ", ") + lock->name();
        }
        out.line(fmt::format("{}: {}{}{}{}{}{}", task->name(), state_name(task->state),
                             task->cpu >= 0 ? fmt::format(" on cpu{}", task->cpu) : "",
                             task->waits_for().empty() ? "" : ", waits for " + task->waits_for(),
                             held.empty() ? "" : ", holds " + held,
                             task->call_chain().empty() ? "" : ", in " + task->call_chain(),
                             task->options.service ? " (service)" : ""));
    }
}

}  // namespace ioasim::sim
