// What kernel code asks of the scheduler of the machine under it: inter-processor interrupts and
// helper tasks. DispatcherScheduler (dispatcher_scheduler.hpp) implements it on simulated CPUs.
#pragma once

#include <functional>
#include <string>

#include "core/base/exec_context.hpp"

namespace ioasim::os {

class TaskScheduler {
public:
    virtual ~TaskScheduler() = default;
    // Interrupts what `ctx` does at the moment; false when its task has ended.
    virtual bool interrupt(ExecContext& ctx) = 0;
    // True while the context holds a logical CPU.
    virtual bool on_cpu(const ExecContext& ctx) const = 0;
    // Starts a helper task of the kernel as soon as possible.
    virtual void spawn(const std::string& name, MachinePort* port,
                       std::function<void(ExecContext&)> body) = 0;
};

}  // namespace ioasim::os
