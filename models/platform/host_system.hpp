// A host of the platform: an operating system with its own IOASID core, its own remapping units,
// the devices behind them, and a range of memory. A platform has one, "host"; with `hosts` it has
// more, as a machine with hardware partitions has: processors, memory controllers and fabric are
// shared, everything that software manages is not.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/ioasid/ioasid.hpp"
#include "core/sim/simulation.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/platform/config.hpp"
#include "models/platform/hardware.hpp"

namespace ioasim::platform {

struct HostSystem {
    std::string name;
    std::unique_ptr<IoasidCore> ioasid;
    std::unique_ptr<os::Kernel> kernel;
    std::vector<const DeviceConfig*> accelerators;  // what its virtual machines get
};

struct HostParts {
    sim::Simulation& sim;
    Hardware& hardware;
    os::TaskScheduler& scheduler;
    const Switches& switches;
};
// `index`: its position among the names; memory is shared out in equal parts.
HostSystem make_host(const HostParts& parts, const PlatformConfig& config, std::size_t index);
// The virtual device of another host: the queue at the same place of the accelerator at the same
// place.
os::MdevSetup alike(const MdevConfig& mdev, const HostSystem& home, const HostSystem& host);
// Where there are several: tells listeners what belongs to whom.
void tell_hosts(trace::Recorder& recorder, const PlatformConfig& config);

// Interrupt messages reach the kernel that owns the vector: hosts use ranges of their own.
class InterruptFanOut final : public cpu::InterruptSink {
public:
    void add(cpu::InterruptSink& sink) { sinks_.push_back(&sink); }
    void on_interrupt_message(std::uint8_t vector, std::uint64_t address,
                              std::uint32_t data) override {
        for (cpu::InterruptSink* sink : sinks_) {
            sink->on_interrupt_message(vector, address, data);
        }
    }

private:
    std::vector<cpu::InterruptSink*> sinks_;
};

}  // namespace ioasim::platform
