// One run, from configuration to result, inside the process that it has to itself.
#include <algorithm>
#include <csignal>
#include <memory>
#include <new>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/sim/simulation.hpp"
#include "core/trace/run_events.hpp"
#include "models/platform/liveness.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/judge.hpp"
#include "tools/cli/campaign/faults.hpp"
#include "tools/cli/campaign/swarm.hpp"
#include "tools/cli/details.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/checkers.hpp"
#include "traces/replacement.hpp"
#include "traces/state_view.hpp"
#include "traces/stats.hpp"
#include "traces/trace_file.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

using sim::StopReason;

constexpr std::uint32_t kHostSlots = 64;  // IDs that a waveform shows
constexpr std::uint32_t kGuestSlots = 16;
constexpr std::size_t kWaveMachines = 32;  // virtual machines in a waveform

traces::WaveTopology topology(const platform::PlatformConfig& config) {
    traces::WaveTopology t;
    t.kernels.push_back({"host", kHostSlots});
    for (std::size_t i = 0; i < std::min(config.vms.size(), kWaveMachines); ++i) {
        const platform::VmConfig& vm = config.vms[i];
        t.kernels.push_back({vm.name, kGuestSlots});
        for (std::uint32_t v = 0; v < vm.vcpus; ++v) {
            t.cpus.push_back(fmt::format("{}/vcpu{}", vm.name, v));
        }
    }
    for (std::uint64_t i = 0; i < config.cpus; ++i) {
        t.cpus.push_back(fmt::format("cpu{}", i));
    }
    for (const platform::DeviceConfig& device : config.devices) {
        for (const platform::WorkqueueConfig& wq : device.workqueues) {
            t.queues.push_back({device.name, wq.name, wq.size});
        }
    }
    constexpr std::uint32_t kMostPageRequests = 1U << 15U;  // VT-d 10.4.30: queue of 2^7 pages
    for (const platform::IommuConfig& iommu : config.iommus) {
        t.iommus.push_back({iommu.name, kMostPageRequests});
    }
    t.locks = {"host/ioasid_allocator_lock"};
    return t;
}

// The last section of the dump: software that has not ended, who waits for whom, and the circles.
std::vector<std::string> who_waits(const sim::Simulation& sim) {
    const std::vector<std::string> all = sim.dump_state();
    std::vector<std::string> lines;
    for (auto line = std::find(all.rbegin(), all.rend(), "software:").base(); line != all.end();
         ++line) {
        // A service that sleeps and holds nothing waits for work: nobody waits for it.
        if (line->find("(service)") == std::string::npos ||
            line->find(", holds ") != std::string::npos) {
            lines.push_back(line->substr(std::min(line->find_first_not_of(' '), line->size())));
        }
    }
    return lines;
}

// Tells the checkers what was left over, just before they take their last look.
class LeftOvers final : public trace::Listener {
public:
    LeftOvers(sim::Simulation& sim, const std::string& expected, traces::CheckerSet& checkers)
        : sim_(sim), expected_(expected), checkers_(checkers) {}
    void on_event(const trace::EventRecord& record) override {
        if (record.info != &trace::info_of<trace::RunEnd>()) {
            return;
        }
        const std::string& reason =
            sim_.recorder().names().text(IOASIM_NAME(record, RunEnd, reason));
        const bool stuck = reason == "limit" || reason == "hang" || reason == "deadlock";
        if (stuck && reason != expected_) {
            checkers_.set_unfinished(tasks());
        }
    }

private:
    // Tasks that have not ended. Services may wait for ever.
    std::vector<std::string> tasks() const {
        std::vector<std::string> tasks = who_waits(sim_);
        const auto is_none = [](const std::string& line) {
            return line.find("(service)") != std::string::npos || line.rfind("circle: ", 0) == 0;
        };
        tasks.erase(std::remove_if(tasks.begin(), tasks.end(), is_none), tasks.end());
        return tasks;
    }
    sim::Simulation& sim_;
    std::string expected_;
    traces::CheckerSet& checkers_;
};

std::string expected_end(const scenario::Scenario& scenario) {
    for (const scenario::Expectation& e : scenario.expectations) {
        if (e.kind == scenario::Expectation::Kind::Ends) {
            return e.name;
        }
    }
    return "idle";
}

class OneRun {
public:
    explicit OneRun(const Job& job, std::unique_ptr<Chooser> chooser = nullptr)
        : job_(job), sim_(options_of(job)), progress_(job.show_progress) {
        if (chooser) {
            sim_.set_chooser(std::move(chooser));
        } else if (!job.scenario.schedule.choices.empty()) {
            auto replay = std::make_unique<ReplayChooser>(job.scenario.schedule.choices);
            replay_ = replay.get();
            sim_.set_chooser(std::move(replay));
        } else if (job.options.run != 0) {
            // Runs under the same seed differ in whatever order the modelled system leaves open.
            sim_.set_chooser(std::make_unique<SeededChooser>(job.effective_seed));
        }
    }

    RunResult run() {
        describe();
        try {
            if (job_.options.watch_defects) {
                sim_.probes().watch_defects();
            }
            listen();
            platform_ = std::make_unique<platform::Platform>(sim_, job_.scenario.config);
            sim_.heartbeat = [this] { beat(); };
            finish(sim_.run());
        } catch (const std::bad_alloc&) {
            result_.exit_code = kHostTimeout;
            result_.reason = "memory";
            result_.error = "the run needs more memory of the host than it may take";
        } catch (const std::exception& bug) {
            crash(bug.what());
        }
        close_sinks();
        return std::move(result_);
    }

private:
    static sim::SimulationOptions options_of(const Job& job) {
        sim::SimulationOptions options;
        options.seed = job.effective_seed;
        options.limit = job.scenario.limit;
        options.window = job.scenario.schedule.window;
        options.stall = job.scenario.schedule.stall;
        return options;
    }

    void describe() {
        result_.file = job_.scenario.file;
        result_.name = job_.scenario.name;
        result_.cell = job_.scenario.cell;
        result_.purpose = job_.scenario.purpose;
        result_.hash = job_.hash;
        result_.profile = profile_text(job_.scenario.config);
        result_.folder = job_.folder;
    }

    void listen() {
        trace::Recorder& recorder = sim_.recorder();
        if (job_.options.checkers) {
            traces::CheckerOptions options;
            options.spec_order = job_.scenario.config.ioasid_profile == "spec";
            options.spaces_told = !job_.scenario.config.without_kernel();
            if (const auto& heal = job_.scenario.config.heal) {
                options.healed =
                    fmt::format("within {} after the last fault at {} at the latest",
                                format_time(platform::liveness_bound(job_.scenario.config).total),
                                format_time(heal->at));
            }
            options.state_dump = [this] { return who_waits(sim_); };
            checkers_ = std::make_unique<traces::CheckerSet>(recorder, options);
            left_overs_ =
                std::make_unique<LeftOvers>(sim_, expected_end(job_.scenario), *checkers_);
            recorder.add_listener(*left_overs_, trace::category_bit(trace::Category::Run));
            recorder.add_listener(*checkers_, checkers_->categories());
        }
        judge_ = std::make_unique<scenario::Judge>(job_.scenario, recorder);
        recorder.add_listener(*judge_, judge_->categories());
        state_ = std::make_unique<traces::StateView>(
            recorder, checkers_ == nullptr ? nullptr : &checkers_->facts());
        recorder.add_listener(*state_, state_->categories());
        statistics_ = std::make_unique<traces::Stats>(recorder);
        recorder.add_listener(*statistics_, statistics_->categories());
        traces::TraceContext context;
        context.header.version = kVersion;
        context.header.config = job_.hash;
        context.header.seed = job_.effective_seed;
        if (!job_.traces.empty()) {
            context.topology = topology(job_.scenario.config);
        }
        if (job_.attach) {
            if (trace::Listener* const listener = job_.attach(recorder)) {
                recorder.add_listener(*listener, trace::kAllCategories);
            }
        }
        for (const std::string& path : job_.traces) {
            replacements_.push_back(std::make_unique<traces::Replacement>(path));
            traces_.push_back(traces::open_trace(recorder, replacements_.back()->written(), context,
                                                 job_.options.selection));
            recorder.add_listener(*traces_.back(), traces_.back()->categories());
        }
    }

    void beat() {
        progress_.update(sim::Simulation::now(), job_.scenario.limit, sim_.recorder().released());
        const std::uint64_t timeout = job_.options.timeout_seconds;
        if (timeout != 0 && progress_.seconds() > static_cast<double>(timeout)) {
            sim_.request_stop(StopReason::HostTime);
        }
    }

    void finish(StopReason reason) {
        result_.reason = sim::stop_reason_name(reason);
        result_.end_ps = sim::Simulation::now().ps();
        result_.events = sim_.recorder().released();
        scenario::RunEnd end;
        end.reason = result_.reason;
        end.time = sim::Simulation::now();
        end.complete = reason != StopReason::Signal && reason != StopReason::HostTime;
        if (checkers_) {
            result_.checkers = checkers_->active();
            end.finding_events = [this](const scenario::SeenFinding& seen) {
                return events_of(seen);
            };
        }
        end.checkers = result_.checkers.size();
        for (const platform::IommuConfig& unit : job_.scenario.config.iommus) {
            state_->add_iommu(unit.name);
        }
        for (const platform::VmConfig& vm : job_.scenario.config.vms) {
            state_->add_vm(vm.name);
        }
        end.state = [this](const std::string& path, std::string& problem) {
            const traces::StateAnswer answer = state_->query(path);
            problem = answer.problem();
            return answer.value ? std::optional<std::string>(answer.value->text()) : std::nullopt;
        };
        end.bytes = [this](const std::string& program, std::size_t step, const std::string& buffer,
                           std::uint64_t offset, std::vector<std::uint8_t>& out) {
            return platform_->read_buffer(program, step, buffer, offset, out);
        };
        scenario::Verdict verdict = judge_->finish(end);
        result_.expectations = verdict.expectations;
        result_.findings = std::move(verdict.findings);
        result_.findings_total = verdict.findings_total;
        result_.failures = std::move(verdict.failures);
        judge_schedule();
        for (auto& [name, result] : verdict.steps) {
            result_.steps.push_back({std::move(name), std::move(result)});
        }
        result_.details = detail_lines(statistics_->result(), *state_);
        result_.figures = figures_of(statistics_->result());
        for (const Declaration* mark : sim_.probes().marks_hit()) {
            result_.marks.emplace_back(mark->name());
        }
        for (const Declaration* defect : sim_.probes().asked_defects()) {
            result_.defects.emplace_back(defect->name());
        }
        const bool stuck = reason == StopReason::Limit || reason == StopReason::Hang ||
                           reason == StopReason::Deadlock;
        const bool unexpected = stuck && result_.reason != expected_end(job_.scenario);
        if (unexpected) {
            result_.state = sim_.dump_state();
        }
        result_.exit_code = reason == StopReason::Signal
                                ? 128 + (signal_seen() != 0 ? signal_seen() : SIGTERM)
                            : reason == StopReason::HostTime ? kHostTimeout
                            : unexpected                     ? kHang
                            : result_.failures.empty()       ? kPass
                                                             : kFailed;
        if (reason == StopReason::HostTime) {
            result_.error =
                fmt::format("stopped after {} s of host time; results up to {} are kept",
                            job_.options.timeout_seconds, format_time(sim::Simulation::now()));
        }
    }

    // A recorded schedule that the run does not have shows nothing.
    void judge_schedule() {
        const std::string mismatch = replay_ == nullptr ? std::string() : replay_->mismatch();
        if (!mismatch.empty()) {
            scenario::Failure failure;
            failure.where = job_.scenario.schedule.places.at(replay_->mismatch_at());
            failure.text = "the schedule is not of this run: " + mismatch;
            result_.failures.push_back(std::move(failure));
        }
    }

    std::vector<std::string> events_of(const scenario::SeenFinding& seen) const {
        for (const traces::Finding& finding : checkers_->findings()) {
            if (finding.code == seen.code && finding.who == seen.who && finding.text == seen.text) {
                return finding.events;
            }
        }
        return {};
    }

    void crash(const std::string& what) {
        result_.exit_code = kInternal;
        result_.reason = "internal error";
        result_.end_ps = sim::Simulation::now().ps();
        result_.events = sim_.recorder().released();
        result_.error = "internal error, please report: " + what;
        if (platform_) {
            result_.state = sim_.dump_state();
        }
    }

    void close_sinks() {
        for (std::size_t i = 0; i < traces_.size(); ++i) {
            const std::string& path = job_.traces[i];
            traces::Replacement& place = *replacements_[i];
            traces_[i]->close();
            const bool unwanted = job_.options.trace_on_failure && result_.exit_code == kPass;
            if (unwanted && traces_[i]->error().empty()) {
                place.discard();
                result_.files.push_back(path + ": not kept, the run passed" +
                                        (place.replaces() ? "; the older one stays" : ""));
                continue;
            }
            const std::string problem = place.finish(traces_[i]->error());
            if (!problem.empty()) {
                result_.not_written.push_back(problem);
            } else {
                result_.files.push_back(
                    place.told(traces::trace_line(path, *traces_[i], job_.options.selection)));
            }
        }
    }

    const Job& job_;
    RunResult result_;
    sim::Simulation sim_;
    const ReplayChooser* replay_ = nullptr;  // the simulation's chooser, if it is one
    Progress progress_;
    std::unique_ptr<traces::CheckerSet> checkers_;
    std::unique_ptr<LeftOvers> left_overs_;
    std::unique_ptr<scenario::Judge> judge_;
    std::unique_ptr<traces::StateView> state_;
    std::unique_ptr<traces::Stats> statistics_;
    std::vector<std::unique_ptr<traces::Replacement>> replacements_;  // where traces_ are written
    std::vector<std::unique_ptr<traces::TraceFile>> traces_;
    // Last: modules go before the simulation that they belong to.
    std::unique_ptr<platform::Platform> platform_;
};

// A machine drawn for this run, and for some runs faults. `make` makes the run.
template <class Make>
RunResult run_drawn(const Job& job, Make&& make) {
    if (job.options.run == 0 || job.scenario.campaign != "swarm") {
        return make(job);
    }
    Job drawn = job;
    const std::vector<std::string> changes = draw_machine(drawn.scenario, job.effective_seed);
    drawn.scenario.disturbed = true;
    std::string phases;
    std::optional<RunResult> cut;  // by the host: nothing is known of the run
    const auto faults = faults_of_run(drawn, [&cut](const Job& calm) {
        RunResult result = OneRun(calm).run();
        if (result.exit_code == kHostTimeout || by_signal(result.exit_code)) {
            cut = result;
        }
        return result;
    });
    if (cut) {
        return *std::move(cut);
    }
    if (faults) {
        const std::size_t dropped = add_faults(drawn.scenario, *faults);
        phases = fmt::format("faults of this run until {}, then all must end within {}: {}",
                             format_time(faults->heal),
                             format_time(platform::liveness_bound(drawn.scenario.config).total),
                             faults->text());
        if (dropped != 0) {
            phases += fmt::format(
                "; {} not judged: after these faults calls may fail, and who is killed is gone",
                plural(dropped, "expectation"));
        }
    }
    const auto* const endless = platform::endless_injection(drawn.scenario.config);
    if (endless != nullptr) {
        phases = fmt::format(
            "no faults are drawn: {} has no \"count\", and nothing bounds when all "
            "must end",
            endless->fault.kind->name);
    }
    for (platform::InjectionConfig& injection : drawn.scenario.config.injections) {
        injection.certain = false;  // what it waits for may not happen there
    }
    RunResult result = make(drawn);
    std::string line = "machine of this run:";
    for (const std::string& change : changes) {
        line += " " + change;
    }
    if (!phases.empty()) {
        result.details.insert(result.details.begin(), phases);
    }
    result.details.insert(result.details.begin(), line + (changes.empty() ? " as it is" : ""));
    return result;
}

}  // namespace

RunResult run_one(const Job& job) {
    return run_drawn(job, [](const Job& drawn) { return OneRun(drawn).run(); });
}

RunResult run_last(const Job& job, std::unique_ptr<Chooser> chooser) {
    return run_drawn(job, [&chooser](const Job& drawn) {
        // Its destructor would put back piece by piece what goes with the process at once.
        auto* run = new OneRun(drawn, std::move(chooser));
        return run->run();
    });
}

}  // namespace ioasim::tools
