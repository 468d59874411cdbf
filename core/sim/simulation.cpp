#include "core/sim/simulation.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include <systemc>

#include "core/sim/agenda.hpp"
#include "core/sim/alarm.hpp"
#include "core/sim/dispatcher.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::sim {
namespace {

std::atomic<bool> g_signalled{false};

constexpr std::uint64_t kHeartbeatActivations = 8192;

// Kernel messages are for developers of models; as exceptions they reach run(), on stdout they
// would spoil a result.
void silence_kernel_reports() {
    using sc_core::sc_report_handler;
    sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
    sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
    sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
    sc_report_handler::set_actions(sc_core::SC_FATAL, sc_core::SC_THROW);
}

}  // namespace

std::string_view stop_reason_name(StopReason reason) {
    switch (reason) {
        case StopReason::Idle:
            return "idle";
        case StopReason::Limit:
            return "limit";
        case StopReason::Hang:
            return "hang";
        case StopReason::Deadlock:
            return "deadlock";
        case StopReason::Hazard:
            return "hazard";
        case StopReason::Requested:
            return "requested";
        case StopReason::Signal:
            return "signal";
        case StopReason::HostTime:
            return "host_time";
    }
    return "?";
}

void Simulation::read_clock() {
    now_ = std::max(now_, TimePs{sc_core::sc_time_stamp().value()});
}

bool Simulation::skip_to(TimePs time) {
    // Nothing runs at the limit itself.
    if (stopping_ || time >= options_.limit) {
        return false;
    }
    if (!kernel_known_) {
        kernel_known_ = true;
        kernel_next_ = look_at_kernel();
    }
    if (kernel_next_ <= time) {
        return false;
    }
    now_ = time;
    return true;
}

TimePs Simulation::look_at_kernel() const {
    if (sc_core::sc_pending_activity_at_current_time()) {
        return {};
    }
    sc_core::sc_time next;
    return sc_core::sc_get_curr_simcontext()->next_time(next) ? TimePs{next.value()}
                                                              : TimePs::max();
}

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
      recorder_(&Simulation::now),
      chooser_(std::make_unique<FirstChooser>()),
      agenda_(std::make_unique<Agenda>(*this)) {
    if (options.window) {
        order_.emplace(chooser_, *options.window);
    }
    silence_kernel_reports();
    now_ = TimePs{};
    g_signalled = false;
}

Simulation::~Simulation() {
    SIM_CHECK(modules_.empty(), "modules outlive their simulation");
    agenda_.reset();
    sc_core::sc_get_curr_simcontext()->reset();
}

void Simulation::add(Module& module) {
    modules_.push_back(&module);
}

void Simulation::remove(Module& module) {
    modules_.erase(std::find(modules_.begin(), modules_.end(), &module));
}

void Simulation::interrupt_from_signal() {
    g_signalled = true;
}

void Simulation::wants(Alarm& alarm) {
    ++wanting_;
    if (!alarm.known_) {
        alarm.known_ = true;
        alarms_.push_back(&alarm);
    }
}

void Simulation::rests() {
    if (--wanting_ == 0) {
        for (Alarm* alarm : alarms_) {
            alarm->take_back();
        }
    }
}

void Simulation::note_activation(TimePs now) {
    if (now != instant_) {
        instant_ = now;
        activations_in_instant_ = 0;
    }
    if (++activations_in_instant_ > options_.activations_per_instant) {
        request_stop(StopReason::Hang);
    }
    if (++activations_ % kHeartbeatActivations == 0 && heartbeat) {
        heartbeat();
    }
    if (g_signalled.load(std::memory_order_relaxed)) {
        request_stop(StopReason::Signal);
    }
}

void Simulation::request_stop(StopReason reason) {
    if (!stopping_) {
        stopping_ = true;
        reason_ = reason;
        sc_core::sc_pause();
    }
}

void Simulation::fail(std::exception_ptr failure) {
    if (!failure_) {
        failure_ = std::move(failure);
    }
    request_stop(StopReason::Requested);
}

std::optional<TimePs> Simulation::next_activity() const {
    std::optional<TimePs> next;
    for (const Module* module : modules_) {
        next = module->background() ? next : earliest(next, module->next_wakeup());
    }
    return next;
}

StopReason Simulation::judge_idle() const {
    const bool busy = std::any_of(modules_.begin(), modules_.end(),
                                  [](const Module* module) { return module->busy(); });
    const bool unfinished = dispatcher_ != nullptr && dispatcher_->unfinished() > 0;
    return busy || unfinished ? StopReason::Deadlock : StopReason::Idle;
}

StopReason Simulation::run() {
    try {
        return run_to_end();
    } catch (const sc_core::sc_report& report) {
        // No memory for the stack of a thread is no bug of ours.
        if (std::strcmp(report.get_msg_type(), sc_core::SC_ID_STACK_SETUP_FAILED_) == 0) {
            throw std::bad_alloc();
        }
        throw;
    }
}

StopReason Simulation::run_to_end() {
    const SourceId source = recorder_.source("run");
    recorder_.emit(source, trace::RunStart{options_.seed});
    for (Module* module : modules_) {
        module->start();
        if (const auto first = module->next_wakeup()) {
            module->wake_at(*first);
        }
    }
    // Events at the limit itself do not run: sc_start excludes its end.
    sc_core::sc_start(sc_core::sc_time::from_value(options_.limit.ps()),
                      sc_core::SC_EXIT_ON_STARVATION);
    read_clock();
    if (!stopping_) {
        reason_ = sc_core::sc_pending_activity() ? StopReason::Limit : judge_idle();
    }
    if (!stopping_ && reason_ == StopReason::Limit) {
        // Nothing is left up to the limit: only the clock moves, so that the end has its time.
        now_ = options_.limit;
    }
    if (failure_) {
        recorder_.flush();
        std::rethrow_exception(failure_);
    }
    recorder_.begin_software();
    if (before_end) {
        before_end();
    }
    recorder_.emit(source, trace::RunEnd{recorder_.name(stop_reason_name(reason_))});
    recorder_.finish(now());
    return reason_;
}

std::vector<std::string> Simulation::dump_state() const {
    StateDump dump;
    dump.section("time");
    dump.line(format_time(now()));
    for (const Module* module : modules_) {
        dump.section(module->name());
        module->dump(dump);
    }
    if (dispatcher_ != nullptr) {
        dump.section("software");
        dispatcher_->dump(dump);
    }
    return dump.lines();
}

}  // namespace ioasim::sim
