// Runs a scenario's program: its steps one after the other, as calls of the process (or VMM) that
// it names. Every step ends with a program.step event; a step that fails although it must not ends
// the program, because what follows would act on things that are not there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/user_submit.hpp"
#include "models/memory/memory_if.hpp"
#include "models/platform/config.hpp"
#include "models/platform/kernel_objects.hpp"
#include "models/vm/virtual_machine.hpp"

namespace ioasim::platform {

// Reads guest or host virtual memory of a process after its run, without time and without the
// process: contents are kept when the program ends, before its memory goes back.
struct KeptBuffers {
    std::vector<std::uint8_t> source;
    std::vector<std::uint8_t> destination;
};

// What a program can do: one implementation for processes of a kernel, one for kernel threads, one
// for VMMs.
class ProgramActor {
public:
    virtual ~ProgramActor() = default;
    virtual Errno start(ExecContext& ctx) = 0;
    virtual StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t index) = 0;
    virtual void finish(ExecContext& ctx) = 0;
    // False when what the program stands for is gone (its VM was killed).
    virtual bool alive() const = 0;
    // Where it sleeps so that who kills it can wake it; null: nobody can kill it.
    virtual WaitQueue* deaths() { return nullptr; }
    // Its vCPU is interrupted wherever it is; others see a signal on their way back to user mode.
    virtual bool in_guest() const { return false; }
    virtual KeptBuffers kept(std::size_t) const { return {}; }
};

// What a child knows from its parent: numbers, and where things are in memory.
struct Inheritance {
    Variables variables;
    std::map<std::string, std::uint64_t> mappings;
};

// Everything a program may name.
struct ProgramWorld {
    trace::Recorder& recorder;
    os::Kernel& host;
    KernelObjects& objects;  // of the host's kernel
    std::map<std::string, vm::VirtualMachine*> vms;
    // Functional view of host memory for kept buffers; `machine` turns an address of the process's
    // machine into a host address.
    const memory::PhysicalMemory* memory = nullptr;
    WaitQueue sleepers{"sleep"};  // processes of the host that a kill may end
    // Children that were forked, and programs that ended: nobody waits for a child of these.
    std::map<std::string, Inheritance> children{};
    std::set<std::string> ended{};
    WaitQueue forks{"fork"};
    // Threads by the names of their programs: whose.
    std::map<std::string, os::Process*> threads{};
};

// Where a program comes from: a process that it is a child or a thread of; nowhere, when empty.
struct Descent {
    std::string parent;
    bool thread = false;
};

using MachineToHost = std::function<std::optional<Hpa>(std::uint64_t)>;

std::unique_ptr<ProgramActor> make_process_actor(ProgramWorld& world, os::Kernel& kernel,
                                                 const std::string& name, MachineToHost to_host,
                                                 vm::VirtualMachine* inside,
                                                 const Descent& descent);
// A thread of the host's kernel that acts for the address space `mm`, or for none.
std::unique_ptr<ProgramActor> make_kernel_thread(ProgramWorld& world, const std::string& name,
                                                 const std::string& mm);
// `pasids`: the host IDs that the VMM asks for unless a step names a range.
std::unique_ptr<ProgramActor> make_vmm_actor(ProgramWorld& world, vm::VirtualMachine& machine,
                                             PasidRange pasids);

// The program cannot run: its first step ends with this error under the name "start".
void tell_not_started(ExecContext& ctx, trace::Recorder& recorder, const ProgramConfig& program,
                      Errno error);
// Who wants to be there when a step begins, and to know what came of it.
struct StepWatch {
    std::function<void(std::size_t index)> begins;
    std::function<void(std::size_t index, const StepOutcome& outcome)> ended;
};
void run_program(ExecContext& ctx, trace::Recorder& recorder, const ProgramConfig& program,
                 ProgramActor& actor, const StepWatch* watch = nullptr);

}  // namespace ioasim::platform
