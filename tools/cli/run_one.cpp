// One run, from configuration to result, inside the process that it has to itself.
#include <algorithm>
#include <csignal>
#include <memory>
#include <new>
#include <optional>

#include <fmt/format.h>

#include "core/sim/simulation.hpp"
#include "core/trace/run_events.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/judge.hpp"
#include "tools/cli/campaign/swarm.hpp"
#include "tools/cli/details.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/checkers.hpp"
#include "traces/jsonl_sink.hpp"
#include "traces/state_view.hpp"
#include "traces/stats.hpp"
#include "traces/vcd_sink.hpp"

namespace ioasim::tools {
namespace {

using sim::StopReason;

constexpr std::uint32_t kHostSlots = 64;  // IDs that a waveform shows
constexpr std::uint32_t kGuestSlots = 16;
constexpr std::size_t kWaveMachines = 32;  // virtual machines in a waveform

traces::VcdTopology topology(const platform::PlatformConfig& config) {
    traces::VcdTopology t;
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
            checkers_.set_unfinished(software_lines());
        }
    }

private:
    // The last section of the dump: tasks that have not ended. Services may wait for ever.
    std::vector<std::string> software_lines() const {
        const std::vector<std::string> all = sim_.dump_state();
        std::vector<std::string> tasks;
        for (auto line = std::find(all.rbegin(), all.rend(), "software:").base(); line != all.end();
             ++line) {
            if (line->find("(service)") == std::string::npos) {
                tasks.push_back(line->substr(std::min(line->find_first_not_of(' '), line->size())));
            }
        }
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
    explicit OneRun(const Job& job)
        : job_(job),
          sim_(sim::SimulationOptions{job.effective_seed, job.scenario.limit}),
          progress_(job.show_progress) {}

    RunResult run() {
        describe();
        try {
            // Runs under the same seed differ in whatever order the modelled system leaves open.
            if (job_.options.run != 0) {
                sim_.set_chooser(std::make_unique<SeededChooser>(job_.effective_seed));
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
        if (!job_.jsonl_path.empty()) {
            jsonl_file_ = std::make_unique<traces::OutputFile>(job_.jsonl_path);
            traces::JsonlHeader header;
            header.version = kVersion;
            header.config = job_.hash;
            header.seed = job_.effective_seed;
            jsonl_ = std::make_unique<traces::JsonlSink>(recorder, *jsonl_file_, header);
            recorder.add_listener(*jsonl_, trace::kAllCategories);
        }
        if (!job_.vcd_path.empty()) {
            traces::VcdOptions options;
            options.comment =
                fmt::format("seed {} configuration {}", job_.effective_seed, job_.hash);
            vcd_ = std::make_unique<traces::VcdSink>(recorder, job_.vcd_path,
                                                     topology(job_.scenario.config), options);
            recorder.add_listener(*vcd_, vcd_->categories());
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
        for (auto& [name, result] : verdict.steps) {
            result_.steps.push_back({std::move(name), std::move(result)});
        }
        result_.details = detail_lines(statistics_->result(), *state_);
        result_.figures = figures_of(statistics_->result());
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
        const auto told = [this](const std::string& error, std::string line) {
            if (error.empty()) {
                result_.files.push_back(std::move(line));
            } else {
                result_.not_written.push_back(error);
            }
        };
        if (jsonl_) {
            jsonl_file_->close();
            told(jsonl_->error(), fmt::format("{}: {} events", job_.jsonl_path, jsonl_->lines()));
        }
        if (vcd_) {
            std::string save = job_.vcd_path;
            save.replace(save.size() - 4, 4, ".gtkw");
            told(vcd_->error(),
                 fmt::format("{}: {} changes; open with: gtkwave {}{}", job_.vcd_path,
                             vcd_->changes(), save,
                             vcd_->ids_not_shown() == 0
                                 ? ""
                                 : fmt::format(" ({} IDs are not shown)", vcd_->ids_not_shown())));
        }
    }

    const Job& job_;
    RunResult result_;
    sim::Simulation sim_;
    Progress progress_;
    std::unique_ptr<traces::CheckerSet> checkers_;
    std::unique_ptr<LeftOvers> left_overs_;
    std::unique_ptr<scenario::Judge> judge_;
    std::unique_ptr<traces::StateView> state_;
    std::unique_ptr<traces::Stats> statistics_;
    std::unique_ptr<traces::OutputFile> jsonl_file_;
    std::unique_ptr<traces::JsonlSink> jsonl_;
    std::unique_ptr<traces::VcdSink> vcd_;
    // Last: modules go before the simulation that they belong to.
    std::unique_ptr<platform::Platform> platform_;
};

}  // namespace

RunResult run_one(const Job& job) {
    if (job.options.run == 0 || job.scenario.campaign != "swarm") {
        return OneRun(job).run();
    }
    Job drawn = job;
    const std::vector<std::string> changes = draw_machine(drawn.scenario, job.effective_seed);
    drawn.scenario.disturbed = true;
    for (platform::InjectionConfig& injection : drawn.scenario.config.injections) {
        injection.certain = false;  // what it waits for may not happen there
    }
    RunResult result = OneRun(drawn).run();
    std::string line = "machine of this run:";
    for (const std::string& change : changes) {
        line += " " + change;
    }
    result.details.insert(result.details.begin(), line + (changes.empty() ? " as it is" : ""));
    return result;
}

}  // namespace ioasim::tools
