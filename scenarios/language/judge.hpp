// Judges a run by its event stream: every expectation is folded as events pass, nothing is stored
// but counts and the few events that a message may show. The final state and memory are asked at
// the end. A failed expectation tells what was seen instead, and when.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "scenarios/language/scenario.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::scenario {

struct Failure {
    std::string where;              // "file:line:col"; empty: no expectation of the file
    std::string text;               // what was expected
    std::string why;                // of the file
    std::vector<std::string> seen;  // what was seen instead, one line each
    bool about_finding = false;     // of a checker, not of what the scenario expects
};

struct SeenFinding {
    std::string code;
    std::string who;
    std::string text;
    TimePs time;
    std::uint64_t seq = 0;
    bool wanted = false;
};

struct Verdict {
    std::vector<Failure> failures;
    std::size_t expectations = 0;  // judged
    std::vector<SeenFinding> findings;
    std::uint64_t findings_total = 0;
    // How each step that ran ended: "vm1/vcpu0/app[3]", "-EFAULT".
    std::vector<std::pair<std::string, std::string>> steps;
};

// What the runner knows at the end.
struct RunEnd {
    std::string reason;  // "idle", "limit", "hang", "deadlock", "signal", "host_time", ...
    TimePs time;
    bool complete = true;      // false: stopped from outside; only what was seen is judged
    std::size_t checkers = 0;  // active
    // Value of a path into the final state; nothing: `problem` says why there is none.
    std::function<std::optional<std::string>(const std::string& path, std::string& problem)> state;
    std::function<bool(const std::string& program, std::size_t step, const std::string& buffer,
                       std::uint64_t offset, std::vector<std::uint8_t>& out)>
        bytes;
    // What led to a finding, one line each.
    std::function<std::vector<std::string>(const SeenFinding&)> finding_events;
};

class Judge final : public trace::Listener {
public:
    Judge(const Scenario& scenario, const trace::Recorder& recorder);
    ~Judge() override;
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    // What to pass to Recorder::add_listener.
    std::uint32_t categories() const { return table_.categories(); }
    void on_event(const trace::EventRecord& record) override { table_.dispatch(record); }
    void add_handlers(const trace::EventInfo& info,
                      std::vector<trace::Handler>& handlers) override {
        table_.append_to(handlers, info);
    }

    Verdict finish(const RunEnd& end);

private:
    struct State;
    struct Watch;
    void watch(std::size_t expectation, const trace::EventInfo& event);
    bool matches(const Pattern& pattern, const trace::EventRecord& record) const;
    std::string show(const trace::EventRecord& record) const;
    void see(State& state, const trace::EventRecord& record);
    void see_count(State& state, const trace::EventRecord& record);
    void see_order(State& state, const trace::EventRecord& record);
    void see_latency(State& state, const trace::EventRecord& record);
    void see_finding(const trace::EventRecord& record);
    void see_step(const trace::EventRecord& record);
    void see_mismatch(const trace::EventRecord& record);
    bool holds_anywhere(const Expectation& e) const;
    bool judge(const State& state, const RunEnd& end, std::vector<std::string>& seen) const;
    bool judge_count(const State& state, std::vector<std::string>& seen) const;
    bool judge_order(const State& state, std::vector<std::string>& seen) const;
    bool judge_latency(const State& state, std::vector<std::string>& seen) const;
    bool judge_step(const State& state, std::vector<std::string>& seen) const;
    bool judge_bytes(const State& state, const RunEnd& end, std::vector<std::string>& seen) const;
    bool judge_final(const State& state, const RunEnd& end, std::vector<std::string>& seen) const;
    bool judge_findings(const State& state, std::vector<std::string>& seen) const;
    void judge_steps(Verdict& verdict) const;
    void judge_end(const RunEnd& end, Verdict& verdict) const;
    void judge_unwanted(const RunEnd& end, Verdict& verdict) const;
    const platform::Step* step_of(const std::string& program, std::uint64_t index) const;

    const Scenario& scenario_;
    std::map<std::string, const std::vector<platform::Step>*> step_lists_;
    const trace::Recorder& recorder_;
    traces::HandlerTable table_;
    std::deque<State> states_;
    std::deque<Watch> watches_;
    std::vector<SeenFinding> findings_;
    std::map<std::string, std::uint64_t> finding_counts_;
    std::uint64_t findings_total_ = 0;
    struct StepSeen {
        Errno result = Errno::Ok;
        std::uint64_t value = 0;
        TimePs time;
        std::uint64_t seq = 0;
    };
    // "A was never allocated: ..", or empty when what the step names is there (judge_names.cpp).
    std::string never_made(const std::string& program, std::uint64_t index,
                           const StepSeen& seen) const;
    bool was_made(const std::string& name, std::string (*made)(const platform::Step&),
                  const std::string& user, std::uint64_t seq, bool& others) const;
    bool made_by_steps(const std::string& set) const;

    std::map<std::pair<std::string, std::uint64_t>, StepSeen> steps_;
    // Of bare programs: what a failing step found.
    std::map<std::pair<std::string, std::uint64_t>, std::string> mismatches_;
};

}  // namespace ioasim::scenario
