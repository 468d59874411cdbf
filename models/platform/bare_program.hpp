// Performs the steps of a bare program: loads, stores and MMIO of a CPU, nothing else. What a test
// bench knows beside it (whether the hardware is idle, which writes of a device took effect) comes
// through BareWorld and only judges.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/memory/memory_if.hpp"
#include "models/platform/config.hpp"
#include "models/platform/program.hpp"

namespace ioasim::platform {

// Where software finds a component's registers.
struct BareUnit {
    std::uint64_t registers = 0;
    bool iommu = false;
    bool requester = false;
    Rid rid;
    std::string unit;                 // of a device: the IOMMU in front of it
    std::uint64_t configuration = 0;  // of a device: its page of configuration space
    // Of an accelerator.
    std::uint64_t portals = 0;
    std::uint32_t engines = 0;
    std::vector<WorkqueueConfig> workqueues{};

    bool accelerator() const { return portals != 0; }
};

// What reached memory of a device's operation, beside the device: writes are posted, so that only
// memory can tell.
class EffectLog {
public:
    void add(Rid rid, std::uint64_t operation, std::uint32_t bytes) {
        bytes_[{rid.value(), operation}] += bytes;
    }
    std::uint64_t bytes(Rid rid, std::uint64_t operation) const {
        const auto found = bytes_.find({rid.value(), operation});
        return found == bytes_.end() ? 0 : found->second;
    }

private:
    std::map<std::pair<std::uint16_t, std::uint64_t>, std::uint64_t> bytes_;
};

// Messages to the CPUs, kept until a step asks for them.
class InterruptLog final : public cpu::InterruptSink {
public:
    void on_interrupt_message(std::uint8_t, std::uint64_t address, std::uint32_t data) override {
        ++waiting_[{address, data}];
        ++came_[{address, data}];
        if (on_message) {
            on_message(address, data);
        }
    }
    // Software that sleeps for messages.
    std::function<void(std::uint64_t address, std::uint32_t data)> on_message;
    // Since power on, asked for or not.
    std::uint64_t came(std::uint64_t address, std::uint32_t data) const {
        const auto found = came_.find({address, data});
        return found == came_.end() ? 0 : found->second;
    }
    std::uint64_t waiting(std::uint64_t address, std::uint32_t data) const {
        const auto found = waiting_.find({address, data});
        return found == waiting_.end() ? 0 : found->second;
    }
    void take(std::uint64_t address, std::uint32_t data, std::uint64_t count) {
        waiting_[{address, data}] -= count;
    }

private:
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> waiting_;
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> came_;
};

struct BareWorld {
    trace::Recorder& recorder;
    std::map<std::string, BareUnit> units;
    std::string first_iommu;
    EffectLog writes;
    InterruptLog interrupts;
    // When the hardware does something next; none: it is idle.
    std::function<std::optional<TimePs>()> next_activity;
    std::function<bool(std::uint64_t address, std::uint64_t bytes)> is_memory;
    cpu::TimedInstructions* cpus = nullptr;
    std::function<bool(std::uint64_t address, std::uint64_t bytes)> is_poisoned;
    // Faults from outside.
    std::function<void(std::uint64_t address, std::uint64_t bytes)> poison;
    std::function<void(const std::string& site)> fail_next;
    // Requesters that a program tells what to do, or that were started and not seen to have ended.
    enum class Engaged : std::uint8_t { No, Told, Started };
    std::map<std::string, Engaged> engaged{};
    // Another task, pinned to a processor (-1: any).
    std::function<void(const std::string& name, int cpu,
                       const std::function<void(ExecContext&)>& body)>
        spawn{};
    // An interrupt handler wakes whoever sleeps there.
    std::function<void(WaitQueue& queue)> wake{};
    // What the processors see of memory, for a bench that prepares it.
    memory::PhysicalMemory* memory = nullptr;
    std::uint64_t processors = 1;
    // The task goes on on another processor.
    std::function<void(ExecContext&, std::size_t cpu)> move{};
};

std::unique_ptr<ProgramActor> make_bare_actor(BareWorld& world, const ProgramConfig& program);

}  // namespace ioasim::platform
