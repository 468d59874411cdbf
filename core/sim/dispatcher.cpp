#include "core/sim/dispatcher.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "core/sim/lock_telling.hpp"
#include "core/sim/sim_probes.hpp"
#include "core/sim/task.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::sim {
namespace {

const char* state_name(TaskState state) {
    static constexpr std::array<const char*, 6> kNames{"waits for a CPU", "runs",   "spends time",
                                                       "spins",           "sleeps", "ended"};
    return kNames.at(static_cast<std::size_t>(state));
}

// Who may have a CPU that became free: places in the list of those that are ready.
struct Candidates {
    const std::vector<Task*>& ready;
    const std::vector<std::size_t>& places;
};

}  // namespace

Dispatcher::Impl::Impl(Simulation& simulation, const DispatcherParams& parameters, Chooser& choices)
    : sc_core::sc_module(sc_core::sc_module_name("dispatcher")),
      sim(simulation),
      params(parameters),
      chooser(choices),
      recorder(simulation.recorder()),
      source(simulation.recorder().source("dispatcher")),
      cpus(parameters.cpus) {}

PoolThread& Dispatcher::Impl::free_thread() {
    if (idle_threads.empty()) {
        pool.push_back(std::make_unique<PoolThread>(*this));
        return *pool.back();
    }
    PoolThread& thread = *idle_threads.back();
    idle_threads.pop_back();
    return thread;
}

void Dispatcher::Impl::woke(PoolThread& thread) {
    thread.alarm.came();
    const TimePs now = Simulation::now();
    if (software_instant != now) {
        software_instant = now;
        // Threads run after the methods of a delta. Hardware that has more to do in this instant
        // goes first once more.
        if (sc_core::sc_pending_activity_at_current_time()) {
            opener = &thread;
            thread.alarm.set(now);
        }
    } else if (opener == &thread) {
        opener = nullptr;
    }
    if (opener == nullptr && running == nullptr) {
        Task* next = choose_next();
        if (next != thread.task) {
            hand_on(next);
        }
    }
}

void Dispatcher::Impl::hand_on(Task* next) const {
    if (next != nullptr) {
        next->thread->alarm.ring();
    }
}

Task* Dispatcher::Impl::choose_next() {
    Task* next = nullptr;
    asleep = false;
    sim.guard([&] {
        do {
            next = sim.stopping() ? nullptr : next_task(Simulation::now());
            drop_stale();
        } while (next == nullptr && !timeline.empty() && go_alone(*timeline.next()));
        if (next == nullptr) {
            arm();
        } else {
            sim.note_activation(Simulation::now());
        }
    });
    running = next;
    asleep = next == nullptr;
    return next;
}

bool Dispatcher::Impl::go_alone(TimePs until) {
    if (!sim.skip_to(until)) {
        return false;
    }
    software_instant = until;  // no hardware has anything to do in it
    return true;
}

bool Dispatcher::Impl::goes_on_alone(TimePs until) {
    drop_stale();
    const auto next = timeline.next();
    if ((next && *next <= until) || !go_alone(until)) {
        return false;
    }
    sim.note_activation(until);
    return true;
}

// What was meant for a time and happened earlier: deadlines of tasks that were woken or ended.
void Dispatcher::Impl::drop_stale() {
    while (!timeline.empty()) {
        const Due& first = timeline.front();
        if (first.ticket == first.task->ticket && first.task->state != TaskState::Ended) {
            return;
        }
        timeline.pop();
    }
}

void Dispatcher::Impl::arm() {
    const auto next = timeline.next();
    if (next && *next > Simulation::now()) {
        PoolThread& thread = *timeline.front().task->thread;
        thread.alarm.set(*next);
        if (!thread.armed) {
            thread.armed = true;
            armed.push_back(&thread);
        }
    }
    if (!next) {
        // All software waits for hardware or for good: deadlines of threads were for nothing.
        for (PoolThread* thread : armed) {
            thread->armed = false;
            thread->alarm.rest();
        }
        armed.clear();
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
    // While software runs, arm() follows; hardware that wakes a task finds nobody running.
    if (asleep) {
        task.thread->alarm.set(time);
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
    if (recorder.listened()) {
        recorder.begin_software();
        recorder.emit_made<trace::SchedRun>(source, [&] {
            return trace::SchedRun{static_cast<std::uint32_t>(cpu),
                                   recorder.name(task.options.name)};
        });
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
        recorder.emit_made<trace::SchedIdle>(source, [&] {
            return trace::SchedIdle{static_cast<std::uint32_t>(cpu),
                                    recorder.name(task.options.name)};
        });
        return;
    }
    const Candidates waiting{ready, candidates};
    const std::size_t pick = candidates[chooser.choose(
        {"cpu.ready", candidates.size(), &waiting, [](const void* place, std::size_t candidate) {
             const auto& all = *static_cast<const Candidates*>(place);
             return "a CPU for " + all.ready[all.places[candidate]]->name();
         }})];
    Task& next = *ready[pick];
    ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(pick));
    if (pick != candidates.front() && sim.probes().has(kPassedOverLost)) {
        ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(candidates.front()));
    }
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
    if (task.serving_while_blocked) {
        return;  // it serves an interruption, and looks when it comes back
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
    const SourceId source = impl_->recorder.source(options.name);
    impl_->tasks.push_back(
        std::make_unique<Task>(*impl_, std::move(options), source, std::move(body)));
    Task& task = *impl_->tasks.back();
    task.thread = &impl_->free_thread();
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
        const std::size_t pick = impl_->chooser.choose(waking_choice(queue));
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

namespace {

// Who waits for a lock, and who holds it: at most one edge leaves a task.
using Owners = std::map<const ExecContext*, const ExecContext*>;

// The names from the task round to itself; nothing: the way along the owners ends somewhere else.
std::string circle_from(const ExecContext& task, const Owners& owners) {
    std::string text = task.name();
    std::set<const ExecContext*> seen;
    for (auto next = owners.find(&task); next != owners.end(); next = owners.find(next->second)) {
        text += " waits for " + next->second->name();
        if (next->second == &task) {
            return text;
        }
        if (!seen.insert(next->second).second) {
            return {};
        }
    }
    return {};
}

}  // namespace

// Each circle once, from the task that was made first.
std::vector<std::string> Dispatcher::Impl::circles() const {
    Owners owners;
    for (const auto& task : tasks) {
        for (const SimLock* lock : task->held_locks()) {
            for (const ExecContext* waiter : lock->waiters()) {
                owners[waiter] = task.get();
            }
        }
    }
    std::vector<std::string> lines;
    std::set<const ExecContext*> told;
    for (const auto& task : tasks) {
        const std::string circle = circle_from(*task, owners);
        if (circle.empty() || told.count(task.get()) != 0) {
            continue;
        }
        for (const ExecContext* next = task.get(); told.insert(next).second;) {
            next = owners.at(next);
        }
        lines.push_back("circle: " + circle);
    }
    return lines;
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
    for (std::string& circle : impl_->circles()) {
        lines.push_back(std::move(circle));
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
    for (const std::string& circle : impl_->circles()) {
        out.line(circle);
    }
}

}  // namespace ioasim::sim
