// What kernel code asks of the scheduler of the machine under it: where a task runs, and helper
// tasks. DispatcherScheduler (dispatcher_scheduler.hpp) implements it on simulated CPUs.
#pragma once

#include <functional>
#include <string>

#include "core/base/exec_context.hpp"

namespace ioasim::os {

class TaskScheduler {
public:
    virtual ~TaskScheduler() = default;
    // The logical CPU that the context runs on, or -1; and since when it has had it.
    virtual int cpu_of(const ExecContext& ctx) const = 0;
    virtual TimePs on_cpu_since(const ExecContext& ctx) const = 0;
    // Starts a helper task of the kernel as soon as possible.
    virtual void spawn(const std::string& name, MachinePort* port,
                       std::function<void(ExecContext&)> body) = 0;
    // The same for a task that may sleep for ever.
    virtual void spawn_service(const std::string& name, MachinePort* port,
                               std::function<void(ExecContext&)> body) = 0;
    // An interrupt wakes software.
    virtual void wake_all(WaitQueue& queue) = 0;
    // The same on one processor, as a function call from another one is: it waits for the slice of
    // whatever runs there.
    virtual void spawn_on(int cpu, const std::string& name, MachinePort* port,
                          std::function<void(ExecContext&)> body) = 0;
    // The task, which runs, goes on on this processor (sched_setaffinity of oneself).
    virtual void move(ExecContext& ctx, std::size_t cpu) = 0;
};

}  // namespace ioasim::os
