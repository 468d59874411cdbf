#define SC_INCLUDE_DYNAMIC_PROCESSES  // the kernel's switch for sc_spawn
#include "core/sim/task.hpp"

#include "core/sim/sim_probes.hpp"

namespace ioasim::sim {

PoolThread::PoolThread(Dispatcher::Impl& dispatcher) : impl(dispatcher), alarm(dispatcher.sim) {
    sc_core::sc_spawn_options options;
    options.set_stack_size(static_cast<int>(impl.params.stack_bytes));
    options.set_sensitivity(&alarm.soon());
    options.set_sensitivity(&alarm.far());
    options.dont_initialize();
    sc_core::sc_spawn([this] { run(); }, ("thread" + std::to_string(impl.pool.size())).c_str(),
                      &options);
}

void PoolThread::run() {
    // The first activation is a wake-up like any other.
    impl.woke(*this);
    while (true) {
        if (impl.running == nullptr || impl.running != task) {
            await_turn();
        }
        Task& mine = *task;
        mine.state = TaskState::Runs;
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
        impl.hand_on(impl.choose_next());
    }
}

void PoolThread::await_turn() {
    do {
        if (!alarm.pending()) {
            alarm.rest();
        }
        sc_core::wait();
        impl.woke(*this);
    } while (task == nullptr || impl.running != task);
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

std::size_t Task::choose(const Choice& choice) {
    const std::size_t pick = impl.chooser.choose(choice);
    const bool lock = choice.what == std::string_view("lock.waiter");
    unwoken = pick == 0 ? nullptr : lock ? &kLockOvertakerUnwoken : &kSleeperOvertakerUnwoken;
    return pick;
}

void Task::make_ready(ExecContext& other) {
    const Defect* const lost = std::exchange(unwoken, nullptr);
    if (lost == nullptr || !impl.sim.probes().has(*lost)) {
        impl.make_ready(static_cast<Task&>(other));
    }
}

// A schedule may hold a task up anywhere between two instructions: the firmware, the host under a
// guest or a machine check takes the CPU, and the task with its locks stands still.
void Task::hold_up(const Operation& operation) {
    if (!inside_instruction() && impl.chooser.hold_up(operation)) {
        spend(impl.sim.options().stall);
    }
}

void Task::before_lock(const SimLock& lock) {
    if (impl.sim.options().stall != TimePs{}) {
        hold_up({"lock", this, &lock, now(), [](const Operation& operation) {
                     return static_cast<const Task*>(operation.actor)->name() + " before " +
                            static_cast<const SimLock*>(operation.object)->name();
                 }});
    }
}

void Task::before_mmio() {
    if (impl.sim.options().stall != TimePs{}) {
        hold_up({"mmio", this, nullptr, now(), [](const Operation& operation) {
                     const auto& task = *static_cast<const Task*>(operation.actor);
                     const std::string chain = task.call_chain();
                     return task.name() + " before a device's register" +
                            (chain.empty() ? "" : ", in " + chain);
                 }});
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
    struct Serving {  // also on the way of an exception
        bool& flag;
        ~Serving() { flag = false; }
    };
    serving_while_blocked = true;
    const Serving serving{serving_while_blocked};
    serve_interrupt();
}

// Waits nest: what interrupts a wait may wait itself (a vCPU that waits for a guest's lock when its
// machine is stopped). Who wakes a task does not say from which of its waits, so a wake-up only
// says that there is something to see: callers look whether they wait still, and come again.
bool Task::block(bool keeps_cpu, TimePs until) {
    const bool inside_other = std::exchange(serving_while_blocked, false);
    const TimePs deadline_of_other = deadline;
    const bool came = wait_for_wake(keeps_cpu, until);
    deadline = deadline_of_other;
    if (inside_other) {
        serving_while_blocked = true;
        // What woke this wait, or came in the middle of it, may have been meant for the other one.
        woken = deadline != TimePs::max() || !impl.sim.probes().has(kNestedWakeLost);
        timed_out = false;
    }
    return came;
}

bool Task::wait_for_wake(bool keeps_cpu, TimePs until) {
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
    if (!keeps_cpu && impl.sim.options().stall != TimePs{}) {
        // On its way out of the scheduler: interrupts and other classes of tasks come first.
        hold_up({"wake", this, nullptr, now(), [](const Operation& operation) {
                     return static_cast<const Task*>(operation.actor)->name() + " when it woke";
                 }});
    }
    return woken;
}

}  // namespace ioasim::sim
