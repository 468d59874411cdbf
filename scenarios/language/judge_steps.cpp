// Results of the steps of programs: each must be the one that the step wants.
#include <algorithm>

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "scenarios/language/judge.hpp"
#include "traces/fields.hpp"

namespace ioasim::scenario {

void Judge::see_step(const trace::EventRecord& record) {
    const std::string& program = recorder_.names().text(IOASIM_NAME(record, StepResult, program));
    const auto result = static_cast<Errno>(IOASIM_FIELD(record, StepResult, result));
    const StepSeen seen{result, IOASIM_FIELD(record, StepResult, value), record.time, record.seq};
    const auto [known, fresh] =
        steps_.emplace(std::pair(program, IOASIM_FIELD(record, StepResult, index)), seen);
    // Steps of notification blocks and deferred work run more than once: a wrong result is kept.
    const platform::Step* step = fresh ? nullptr : step_of(known->first.first, known->first.second);
    if (step != nullptr && known->second.result == step->error.value_or(Errno::Ok)) {
        known->second = seen;
    }
}

void Judge::see_mismatch(const trace::EventRecord& record) {
    const auto text = [&](trace::Name name) { return recorder_.names().text(name); };
    mismatches_.emplace(
        std::pair(text(IOASIM_NAME(record, StepMismatch, program)),
                  IOASIM_FIELD(record, StepMismatch, index)),
        fmt::format("expected: {}; found: {}", text(IOASIM_NAME(record, StepMismatch, expected)),
                    text(IOASIM_NAME(record, StepMismatch, found))));
}

void Judge::judge_steps(Verdict& verdict) const {
    for (const auto& [key, seen] : steps_) {
        const platform::Step* step = step_of(key.first, key.second);
        if (step == nullptr) {
            continue;
        }
        verdict.steps.emplace_back(fmt::format("{}[{}]", key.first, key.second),
                                   errno_name(seen.result));
        const bool judged =
            std::any_of(scenario_.expectations.begin(), scenario_.expectations.end(),
                        [&k = key](const Expectation& e) {
                            return e.kind == Expectation::Kind::Step && e.name == k.first &&
                                   e.step == k.second && e.error;
                        });
        const Errno wanted = step->error.value_or(Errno::Ok);
        if (seen.result == wanted || judged || step->any_result || scenario_.disturbed) {
            continue;
        }
        const std::string name = fmt::format("{}[{}]", key.first, key.second);
        const std::string missing = never_made(key.first, key.second, seen);
        verdict.failures.push_back(
            {step->where,
             wanted == Errno::Ok ? fmt::format("step {} succeeds", name)
                                 : fmt::format("step {} ends with {}", name, errno_name(wanted)),
             "",
             {fmt::format("it ended with {} at {} (event {}){}{}", errno_name(seen.result),
                          format_time(seen.time), seen.seq, missing.empty() ? "" : ": ",
                          missing)}});
        const auto mismatch = mismatches_.find(key);
        if (mismatch != mismatches_.end()) {
            verdict.failures.back().seen.push_back(mismatch->second);
        }
    }
}

}  // namespace ioasim::scenario
