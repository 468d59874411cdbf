// Owns the SystemC life cycle of a run: elaboration, slices, stop reasons, limits, the state dump.
// One Simulation lives in a process at a time. Only sc_main's thread calls it.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/chooser.hpp"
#include "core/base/defects.hpp"
#include "core/base/random.hpp"
#include "core/base/time.hpp"
#include "core/sim/arrival_order.hpp"
#include "core/sim/module.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::sim {

enum class StopReason : std::uint8_t {
    Idle,       // nothing left to do and every task ended
    Limit,      // the simulated-time limit
    Hang,       // too many activations in one instant
    Deadlock,   // nothing left to do, but tasks wait
    Hazard,     // the scenario wants the run to end where real code would break
    Requested,  // a model or a finding asked for the end
    Signal,     // Ctrl-C
    HostTime,   // the host timeout
};
std::string_view stop_reason_name(StopReason reason);

struct SimulationOptions {
    std::uint64_t seed = 1;
    TimePs limit = TimePs{10'000'000'000};  // exclusive: nothing runs at the limit itself
    std::uint64_t activations_per_instant = 10'000;
    // Messages for one module that come by different links within this time may come in any order
    // (ArrivalOrder); none: as the links say.
    std::optional<TimePs> window = std::nullopt;
    // How long a task is held up where the chooser says so; 0: it is not asked.
    TimePs stall{};
};

class Agenda;
class Alarm;
class Dispatcher;

class Simulation {
public:
    explicit Simulation(const SimulationOptions& options);
    ~Simulation();
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    trace::Recorder& recorder() { return recorder_; }
    Probes& probes() { return probes_; }
    Chooser& chooser() { return *chooser_; }
    void set_chooser(std::unique_ptr<Chooser> chooser) { chooser_ = std::move(chooser); }
    RandomStream stream(std::string_view component, std::string_view purpose) const {
        return RandomStream{options_.seed, component, purpose};
    }
    const SimulationOptions& options() const { return options_; }
    // Null: messages come as the links say.
    const ArrivalOrder* arrival_order() const { return order_ ? &*order_ : nullptr; }
    // The present instant: as the process that runs found it, or later (skip_to).
    static TimePs now() { return now_; }

    // Runs to the end and returns why it ended. Throws ModelBug for a bug in the simulator.
    StopReason run();
    // Ends the run after the current delta. The first request names the reason.
    void request_stop(StopReason reason);
    bool stopping() const { return stopping_; }
    // Software's threads cannot let an exception cross the kernel either: it is kept for run().
    void fail_from_software(std::exception_ptr failure) { fail(std::move(failure)); }
    // Called after the last activation, before the end is told: what is only known then.
    std::function<void()> before_end;
    // Called every few thousand activations: progress display, host timeout, Ctrl-C.
    std::function<void()> heartbeat;
    // When the hardware does something next, by itself; none: it is idle. Modules in the background
    // do not count.
    std::optional<TimePs> next_activity() const;
    // Activations of modules and of software so far.
    std::uint64_t activations() const { return activations_; }
    // Everything that modules and software know about themselves.
    std::vector<std::string> dump_state() const;
    // From a signal handler.
    static void interrupt_from_signal();

private:
    friend class Agenda;
    friend class Alarm;
    friend class Module;
    friend class Dispatcher;
    void add(Module& module);
    void remove(Module& module);
    // A process of the kernel wants to be activated at some time, or needs nothing any more.
    void wants(Alarm& alarm);
    void rests();
    static void read_clock();
    // It is `time` from here on, without the kernel: only when nothing happens before and nothing
    // then, so that nobody could tell it from the kernel's own way there. False: not so.
    bool skip_to(TimePs time);
    // What the kernel does next may be something else than before.
    void kernel_moved() { kernel_known_ = false; }
    TimePs look_at_kernel() const;
    // Counts activations: the delta limit, the heartbeat, signals.
    void note_activation(TimePs now);
    // Runs model code inside a SystemC process: an exception must not cross the kernel.
    template <class Code>
    void guard(Code&& code) {
        try {
            code();
        } catch (const std::exception&) {
            fail(std::current_exception());
        }
    }
    void fail(std::exception_ptr failure);
    StopReason run_to_end();
    StopReason judge_idle() const;

    // Asked several times an activation: the kernel's clock is read once.
    inline static TimePs now_;
    SimulationOptions options_;
    trace::Recorder recorder_;
    Probes probes_;
    std::unique_ptr<Chooser> chooser_;
    std::optional<ArrivalOrder> order_;
    std::vector<Module*> modules_;
    std::unique_ptr<Agenda> agenda_;  // of the modules
    Dispatcher* dispatcher_ = nullptr;
    std::vector<Alarm*> alarms_;  // that were set once
    std::size_t wanting_ = 0;
    TimePs kernel_next_;  // when the kernel does something, if known
    bool kernel_known_ = false;
    std::exception_ptr failure_;
    bool stopping_ = false;
    StopReason reason_ = StopReason::Idle;
    TimePs instant_;
    std::uint64_t activations_in_instant_ = 0;
    std::uint64_t activations_ = 0;
};

}  // namespace ioasim::sim
