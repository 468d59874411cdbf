// For tests with the simulation kernel: small modules with behaviour given as functions, and a run
// with a dispatcher whose log tells when what happened ("1000 task did"). Times in the log are
// picoseconds.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/sim/dispatcher.hpp"
#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/simulation.hpp"
#include "core/trace/recorder.hpp"
#include "tests/support/lines.hpp"

namespace ioasim::test {

// Does something at given times.
class Script final : public sim::Module {
public:
    using sim::Module::Module;
    void at(TimePs time, std::function<void()> action) {
        plan_.schedule(time, 0, std::move(action));
    }
    void advance(TimePs now) override {
        ++advances;
        while (plan_.due(now)) {
            plan_.pop()();
        }
    }
    std::optional<TimePs> next_wakeup() const override { return plan_.next(); }
    bool busy() const override { return is_busy; }

    int advances = 0;
    bool is_busy = false;

private:
    sim::Timeline<std::function<void()>> plan_;
};

// Writes down what arrives, and when.
class Receiver final : public sim::Module {
public:
    Receiver(sim::Simulation& sim, const std::string& name, std::vector<std::string>& log)
        : Module(sim, name), log_(log) {}
    void advance(TimePs now) override {
        while (inbox.due(now)) {
            log_.push_back(fmt::format("{} {} got {}", now.ps(), name(), inbox.pop().message));
        }
    }
    std::optional<TimePs> next_wakeup() const override { return inbox.next(); }

    sim::Inbox<int> inbox{*this, 1024};

private:
    std::vector<std::string>& log_;
};

// Keeps the stream as text: "time source event".
class StreamLog final : public trace::Listener {
public:
    StreamLog(trace::Recorder& recorder, std::uint32_t categories) : recorder_(recorder) {
        recorder.add_listener(*this, categories);
    }
    void on_event(const trace::EventRecord& record) override {
        lines.push_back(fmt::format("{} {} {}", record.time.ps(),
                                    recorder_.source_name(record.source), record.info->name));
    }
    std::vector<std::string> lines;

private:
    trace::Recorder& recorder_;
};

// A simulation with a dispatcher. Latencies of software are 1 ps but for what a test sets, so that
// the times in its log are the test's own.
class SoftwareRun {
public:
    explicit SoftwareRun(const sim::DispatcherParams& params)
        : simulation_(std::make_unique<sim::Simulation>(sim::SimulationOptions{})),
          dispatcher_(
              std::make_unique<sim::Dispatcher>(*simulation_, params, simulation_->chooser())) {}
    SoftwareRun(const sim::DispatcherParams& params, Chooser& chooser)
        : simulation_(std::make_unique<sim::Simulation>(sim::SimulationOptions{})),
          dispatcher_(std::make_unique<sim::Dispatcher>(*simulation_, params, chooser)) {}

    static sim::DispatcherParams params(std::uint64_t cpus) {
        sim::DispatcherParams p;
        p.cpus = cpus;
        p.wake_latency = 1_ps;
        p.lock_handover = 1_ps;
        p.context_switch = 1_ps;
        return p;
    }

    sim::Simulation& sim() { return *simulation_; }
    sim::Dispatcher& dispatcher() { return *dispatcher_; }

    ExecContext& task(const std::string& name, TimePs at, sim::TaskBody body, int cpu = -1,
                      bool service = false) {
        sim::TaskOptions options;
        options.name = name;
        options.cpu = cpu;
        options.service = service;
        return dispatcher_->spawn(std::move(options), at, std::move(body));
    }
    void note(const ExecContext& ctx, const std::string& what) {
        log.push_back(fmt::format("{} {} {}", ctx.now().ps(), ctx.name(), what));
    }
    // A device whose behaviour is a plan.
    Script& script(const std::string& name) { return scripts_.emplace_back(*simulation_, name); }
    sim::StopReason run() { return simulation_->run(); }

    std::vector<std::string> log;

private:
    std::unique_ptr<sim::Simulation> simulation_;
    std::unique_ptr<sim::Dispatcher> dispatcher_;
    std::deque<Script> scripts_;
};

}  // namespace ioasim::test
