// Checkers over the run as a whole: liveness (work that never ended), hazards (calls that real code
// would not survive), injections (faults that the scenario wants and that never came).
#include <map>

#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

class LivenessChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "liveness"; }
    void add_handlers(HandlerTable&) override {}

    void on_end(TimePs end) override {
        const std::string reason =
            c_.facts.run_end_reason == 0 ? "" : c_.sink.name(c_.facts.run_end_reason);
        if (reason == "hazard") {
            return;  // ended on purpose, in the middle of its work
        }
        const auto& waiting = c_.unfinished;
        const std::string& healed = c_.options.healed;
        const char* const code = healed.empty() ? "liveness.unfinished" : "liveness.not_healed";
        const std::string bound = healed.empty() ? "" : " " + healed;
        for (std::size_t i = 0; i < waiting.size() && i < kShown; ++i) {
            const std::string line =
                waiting[i].substr(std::min(waiting[i].find_first_not_of(' '), waiting[i].size()));
            c_.sink.report_end(code, end, line.substr(0, line.find_first_of(": ")),
                               fmt::format("did not end{}: {}", bound, line));
        }
        if (waiting.size() > kShown) {
            c_.sink.report_end(
                code, end, "run",
                fmt::format("{} more did not end{}", waiting.size() - kShown, bound));
        }
        if (reason == "deadlock" || reason == "hang") {
            c_.sink.report_end(
                reason == "hang" ? "liveness.hang" : "liveness.deadlock", end, "run",
                reason == "hang" ? "time stands still: activations without end"
                                 : "nothing is left to happen, but tasks wait",
                c_.options.state_dump ? c_.options.state_dump() : std::vector<std::string>{});
        }
    }

private:
    static constexpr std::size_t kShown = 20;
};

class HazardChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "hazard"; }
    void add_handlers(HandlerTable& table) override {
        on<HazardChecker, trace::IoasidHazard, &HazardChecker::on_hazard>(table);
    }

private:
    void on_hazard(const trace::EventRecord& record) {
        const std::string lock = c_.sink.name(IOASIM_U32(record, IoasidHazard, lock));
        const std::string chain = c_.sink.name(IOASIM_U32(record, IoasidHazard, chain));
        c_.sink.report(
            "hazard.real_code_breaks", record,
            c_.sink.name(IOASIM_U32(record, IoasidHazard, actor)),
            fmt::format("{}{}{}{}{}",
                        trace::kIoasidHazardLabels[IOASIM_FIELD(record, IoasidHazard, kind)],
                        lock.empty() ? "" : " at ", lock, chain.empty() ? "" : " in ", chain));
    }
};

// A scenario about a fault that did not happen would pass for the wrong reason. One that struck
// nobody did not happen.
class InjectionChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "injection"; }
    void add_handlers(HandlerTable& table) override {
        on<InjectionChecker, trace::RunInjection, &InjectionChecker::on_declared>(table);
        on<InjectionChecker, trace::RunInject, &InjectionChecker::on_delivered>(table);
        on<InjectionChecker, trace::RunInjectMissed, &InjectionChecker::on_missed>(table);
    }

    void on_end(TimePs end) override {
        for (const auto& [index, one] : awaited_) {
            if (one.delivered == 0) {
                c_.sink.report_end("injection.not_delivered", end, fmt::format("inject[{}]", index),
                                   one.what + (one.missed.empty() ? "" : ": " + one.missed));
            }
        }
    }

private:
    struct One {
        std::string what;
        std::uint64_t delivered = 0;
        std::string missed{};  // how it ended, the last time
    };
    void on_declared(const trace::EventRecord& record) {
        if (IOASIM_FIELD(record, RunInjection, certain) != 0) {
            const std::string target = c_.sink.name(IOASIM_U32(record, RunInjection, target));
            awaited_.emplace(
                IOASIM_U32(record, RunInjection, index),
                One{fmt::format("{}{} never took effect ({})",
                                c_.sink.name(IOASIM_U32(record, RunInjection, fault)),
                                target.empty() ? "" : " of " + target,
                                c_.sink.name(IOASIM_U32(record, RunInjection, trigger)))});
        }
    }
    void on_delivered(const trace::EventRecord& record) {
        const auto found = awaited_.find(IOASIM_U32(record, RunInject, index));
        if (found != awaited_.end()) {
            ++found->second.delivered;
        }
    }
    // A step before the fault itself was refused, or the fault, told already, struck nobody.
    void on_missed(const trace::EventRecord& record) {
        const auto found = awaited_.find(IOASIM_U32(record, RunInjectMissed, index));
        if (found == awaited_.end()) {
            return;
        }
        One& one = found->second;
        one.delivered -= IOASIM_FIELD(record, RunInjectMissed, told) != 0 ? 1 : 0;
        one.missed = fmt::format(
            "at {} {} ended with {}", format_time(record.time),
            c_.sink.name(IOASIM_U32(record, RunInjectMissed, step)),
            errno_name(static_cast<Errno>(IOASIM_FIELD(record, RunInjectMissed, result))));
    }

    std::map<std::uint32_t, One> awaited_;  // by position
};

}  // namespace

std::unique_ptr<Checker> make_liveness_checker(const CheckerContext& context) {
    return std::make_unique<LivenessChecker>(context);
}

std::unique_ptr<Checker> make_hazard_checker(const CheckerContext& context) {
    return std::make_unique<HazardChecker>(context);
}

std::unique_ptr<Checker> make_injection_checker(const CheckerContext& context) {
    return std::make_unique<InjectionChecker>(context);
}

}  // namespace ioasim::traces
