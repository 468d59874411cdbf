#include "scenarios/language/judge.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "scenarios/language/reading.hpp"
#include "traces/event_text.hpp"
#include "traces/fields.hpp"

namespace ioasim::scenario {
namespace {

constexpr std::size_t kShown = 4;  // events that one message shows
constexpr std::size_t kKeptFindings = 200;

bool text_matches(const std::string& wanted, const std::string& text) {
    if (!wanted.empty() && wanted.back() == '*') {
        return text.compare(0, wanted.size() - 1, wanted, 0, wanted.size() - 1) == 0;
    }
    return wanted == text;
}

std::string times(std::uint64_t n) {
    return n == 1 ? std::string("once") : fmt::format("{} times", n);
}

std::string amount(const Expectation& e) {
    if (e.at_least && e.at_most) {
        return *e.at_least == *e.at_most ? times(*e.at_least)
                                         : fmt::format("{} to {} times", *e.at_least, *e.at_most);
    }
    return e.at_most ? "at most " + times(*e.at_most) : "at least " + times(e.at_least.value_or(1));
}

bool within(std::uint64_t value, const Expectation& e) {
    return (!e.at_least || value >= *e.at_least) && (!e.at_most || value <= *e.at_most);
}

// Hexadecimal digits have no case.
bool same_value(const std::string& a, const std::string& b) {
    const auto hex = [](const std::string& text) { return text.rfind("0x", 0) == 0; };
    return a == b || (hex(a) && hex(b) && a.size() == b.size() &&
                      std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
                          return std::tolower(static_cast<unsigned char>(x)) ==
                                 std::tolower(static_cast<unsigned char>(y));
                      }));
}

std::string hex_bytes(const std::vector<std::uint8_t>& bytes, std::size_t at) {
    std::string out;
    for (std::size_t i = at; i < std::min(bytes.size(), at + 8); ++i) {
        out += fmt::format("{:02x}", bytes[i]);
    }
    return out;
}

std::vector<std::uint8_t> from_hex(const std::string& text) {
    const auto digit = [](char c) {
        return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    };
    std::vector<std::uint8_t> out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(digit(text[i]) * 16 + digit(text[i + 1])));
    }
    return out;
}

}  // namespace

bool matches(const Pattern& pattern, const trace::EventRecord& record,
             const trace::NameTable& names) {
    if (pattern.event != record.info) {
        return false;
    }
    return std::all_of(pattern.tests.begin(), pattern.tests.end(), [&](const FieldTest& test) {
        const std::uint64_t value = record.values[test.field];
        if (test.type == trace::FieldType::Text) {
            const std::string& text = names.text(traces::as_name(value));
            return std::any_of(test.texts.begin(), test.texts.end(),
                               [&text](const std::string& t) { return text_matches(t, text); });
        }
        return std::any_of(test.ranges.begin(), test.ranges.end(), [value](const auto& range) {
            return value >= range.low && value <= range.high;
        });
    });
}

// One expectation on its way.
struct Judge::State {
    const Expectation* e = nullptr;
    std::uint64_t count = 0;
    std::vector<trace::EventRecord> matched;  // the first few
    std::optional<trace::EventRecord> last;
    std::uint64_t others = 0;  // right event, wrong fields
    std::optional<trace::EventRecord> other;
    // Order.
    std::size_t turn = 0;
    std::optional<trace::EventRecord> early;
    std::size_t early_index = 0;
    // Latency: open starts by key, and what broke the bound.
    struct Start {
        TimePs time;
        std::uint64_t seq = 0;
    };
    std::map<std::uint64_t, std::deque<Start>> open;
    std::uint64_t broken = 0;
    std::uint64_t least = ~std::uint64_t{0};
    std::uint64_t most = 0;
    std::vector<std::pair<Start, trace::EventRecord>> broken_pairs;
};

struct Judge::Watch {
    Judge* judge = nullptr;
    State* state = nullptr;  // nullptr: findings or steps
    static void call(void* self, const trace::EventRecord& record) {
        auto& watch = *static_cast<Watch*>(self);
        watch.judge->see(*watch.state, record);
    }
};

Judge::Judge(const Scenario& scenario, const trace::Recorder& recorder)
    : scenario_(scenario), step_lists_(platform::step_lists(scenario.config)), recorder_(recorder) {
    for (const Expectation& e : scenario.expectations) {
        states_.emplace_back();
        states_.back().e = &e;
        std::vector<const trace::EventInfo*> seen;
        for (const Pattern& pattern : e.patterns) {
            if (std::find(seen.begin(), seen.end(), pattern.event) == seen.end()) {
                seen.push_back(pattern.event);
                watch(states_.size() - 1, *pattern.event);
            }
        }
    }
    table_.add(trace::info_of<trace::RunFinding>(),
               {[](void* self, const trace::EventRecord& record) {
                    static_cast<Judge*>(self)->see_finding(record);
                },
                this});
    table_.add(trace::info_of<trace::StepResult>(),
               {[](void* self, const trace::EventRecord& record) {
                    static_cast<Judge*>(self)->see_step(record);
                },
                this});
    table_.add(trace::info_of<trace::StepMismatch>(),
               {[](void* self, const trace::EventRecord& record) {
                    static_cast<Judge*>(self)->see_mismatch(record);
                },
                this});
}

Judge::~Judge() = default;

void Judge::watch(std::size_t expectation, const trace::EventInfo& event) {
    watches_.emplace_back();
    watches_.back().judge = this;
    watches_.back().state = &states_[expectation];
    table_.add(event, {&Watch::call, &watches_.back()});
}

bool Judge::matches(const Pattern& pattern, const trace::EventRecord& record) const {
    return scenario::matches(pattern, record, recorder_.names());
}

std::string Judge::show(const trace::EventRecord& record) const {
    return fmt::format("{} (event {})", traces::format_event(recorder_, record), record.seq);
}

void Judge::see(State& state, const trace::EventRecord& record) {
    switch (state.e->kind) {
        case Expectation::Kind::Order:
            see_order(state, record);
            break;
        case Expectation::Kind::Latency:
            see_latency(state, record);
            break;
        default:
            see_count(state, record);
            break;
    }
}

void Judge::see_count(State& state, const trace::EventRecord& record) {
    if (!matches(state.e->patterns[0], record)) {
        ++state.others;
        state.other = record;
        return;
    }
    ++state.count;
    if (state.matched.size() < kShown) {
        state.matched.push_back(record);
    }
    state.last = record;
}

// The next one in turn advances; one whose turn has not come breaks the order; those before may
// repeat.
void Judge::see_order(State& state, const trace::EventRecord& record) {
    const std::vector<Pattern>& patterns = state.e->patterns;
    if (state.early || state.turn == patterns.size()) {
        return;
    }
    if (matches(patterns[state.turn], record)) {
        state.matched.push_back(record);
        ++state.turn;
        return;
    }
    for (std::size_t i = state.turn + 1; i < patterns.size(); ++i) {
        if (matches(patterns[i], record)) {
            state.early = record;
            state.early_index = i;
            return;
        }
    }
}

void Judge::see_latency(State& state, const trace::EventRecord& record) {
    const Expectation& e = *state.e;
    if (matches(e.patterns[1], record)) {
        const std::uint64_t key = e.matched ? record.values[e.match_to] : 0;
        const auto open = state.open.find(key);
        if (open != state.open.end()) {
            const State::Start start = open->second.front();
            open->second.pop_front();
            if (open->second.empty()) {
                state.open.erase(open);
            }
            const std::uint64_t took = (record.time - start.time).ps();
            ++state.count;
            state.least = std::min(state.least, took);
            state.most = std::max(state.most, took);
            if (!within(took, e)) {
                ++state.broken;
                if (state.broken_pairs.size() < kShown) {
                    state.broken_pairs.emplace_back(start, record);
                }
            }
        }
    }
    if (matches(e.patterns[0], record)) {
        const std::uint64_t key = e.matched ? record.values[e.match_from] : 0;
        state.open[key].push_back({record.time, record.seq});
    }
}

void Judge::see_finding(const trace::EventRecord& record) {
    const auto text = [&](trace::Name name) { return recorder_.names().text(name); };
    SeenFinding finding;
    finding.code = text(IOASIM_NAME(record, RunFinding, code));
    ++findings_total_;
    ++finding_counts_[finding.code];
    if (findings_.size() < kKeptFindings) {
        finding.who = text(IOASIM_NAME(record, RunFinding, who));
        finding.text = text(IOASIM_NAME(record, RunFinding, text));
        finding.time = record.time;
        finding.seq = record.seq;
        findings_.push_back(std::move(finding));
    }
}

bool Judge::judge_count(const State& state, std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    const bool never = e.kind == Expectation::Kind::Never;
    if (never ? state.count == 0 : within(state.count, e)) {
        return true;
    }
    seen.push_back(
        never ? fmt::format("{} happened {}; wanted: never", e.patterns[0].text, times(state.count))
              : fmt::format("{} happened {}; wanted: {}", e.patterns[0].text, times(state.count),
                            amount(e)));
    for (const trace::EventRecord& record : state.matched) {
        seen.push_back("  " + show(record));
    }
    if (state.count > state.matched.size()) {
        seen.push_back(fmt::format("  ... the last one: {}", show(*state.last)));
    }
    if (state.count == 0 && state.other) {
        seen.push_back(fmt::format("  {} with other fields happened {}; the last one: {}",
                                   e.patterns[0].event->name, times(state.others),
                                   show(*state.other)));
    }
    return false;
}

bool Judge::judge_order(const State& state, std::vector<std::string>& seen) const {
    const std::vector<Pattern>& patterns = state.e->patterns;
    if (state.turn == patterns.size()) {
        return true;
    }
    if (state.early) {
        seen.push_back(fmt::format(
            "number {} ({}) came before number {} ({}):", state.early_index + 1,
            patterns[state.early_index].text, state.turn + 1, patterns[state.turn].text));
        seen.push_back("  " + show(*state.early));
    } else {
        seen.push_back(
            fmt::format("number {} ({}) never came", state.turn + 1, patterns[state.turn].text));
    }
    for (std::size_t i = 0; i < state.matched.size(); ++i) {
        seen.push_back(fmt::format("  number {}: {}", i + 1, show(state.matched[i])));
    }
    return false;
}

bool Judge::judge_latency(const State& state, std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    std::uint64_t unanswered = 0;
    std::optional<State::Start> first;
    for (const auto& entry : state.open) {
        unanswered += entry.second.size();
        if (!first || entry.second.front().seq < first->seq) {
            first = entry.second.front();
        }
    }
    if (state.broken == 0 && unanswered == 0 && state.count > 0) {
        return true;
    }
    const std::string pair = fmt::format("{} to {}", e.patterns[0].text, e.patterns[1].text);
    if (state.count == 0 && unanswered == 0) {
        seen.push_back(fmt::format("{}: never happened", pair));
    }
    if (unanswered != 0) {
        seen.push_back(fmt::format("{} of {} were never followed by {}; the first at {} (event {})",
                                   unanswered, e.patterns[0].text, e.patterns[1].text,
                                   format_time(first->time), first->seq));
    }
    if (state.broken != 0) {
        seen.push_back(fmt::format("{}: {} of {} took too long or too short ({} to {})", pair,
                                   state.broken, state.count, format_time(TimePs{state.least}),
                                   format_time(TimePs{state.most})));
    }
    for (const auto& [start, end] : state.broken_pairs) {
        seen.push_back(fmt::format("  {} after {} (event {}): {}",
                                   format_time(end.time - start.time), format_time(start.time),
                                   start.seq, show(end)));
    }
    return false;
}

const platform::Step* Judge::step_of(const std::string& program, std::uint64_t index) const {
    const auto found = step_lists_.find(program);
    return found == step_lists_.end() || index >= found->second->size() ? nullptr
                                                                        : &(*found->second)[index];
}

bool Judge::judge_step(const State& state, std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    const auto found = steps_.find({e.name, e.step});
    const std::string name = fmt::format("step {} of {}", e.step, e.name);
    if (found == steps_.end()) {
        seen.push_back(fmt::format("{} never ended", name));
        return false;
    }
    const StepSeen& step = found->second;
    bool good = true;
    if (e.error && step.result != *e.error) {
        seen.push_back(fmt::format("{} ended with {} at {} (event {}); wanted: {}", name,
                                   errno_name(step.result), format_time(step.time), step.seq,
                                   errno_name(*e.error)));
        good = false;
    }
    if (e.value && step.value != *e.value) {
        seen.push_back(fmt::format("{} returned {} at {} (event {}); wanted: {}", name, step.value,
                                   format_time(step.time), step.seq, *e.value));
        good = false;
    }
    return good;
}

bool Judge::judge_bytes(const State& state, const RunEnd& end,
                        std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    const platform::Step* step = step_of(e.name, e.step);
    // The descriptors of a step share their buffers.
    const std::uint64_t total = step == nullptr ? 0 : step->size;
    const std::uint64_t rest = total > e.offset ? total - e.offset : 0;
    const std::uint64_t length = e.length != 0 ? std::min(e.length, rest) : rest;
    const auto read = [&](const std::string& buffer, std::vector<std::uint8_t>& out) {
        out.assign(length, 0);
        return end.bytes && end.bytes(e.name, e.step, buffer, e.offset, out);
    };
    if (total != 0 && rest == 0) {
        seen.push_back(
            fmt::format("the {} buffer of step {} of {} has {} bytes: offset {} lies "
                        "behind it",
                        e.buffer, e.step, e.name, total, e.offset));
        return false;
    }
    std::vector<std::uint8_t> have;
    if (length == 0 || !read(e.buffer, have)) {
        seen.push_back(
            fmt::format("step {} of {} has no {} buffer to look at", e.step, e.name, e.buffer));
        return false;
    }
    std::vector<std::uint8_t> want(have.size(), 0);
    if (e.other == "source" || e.other == "destination") {
        if (!read(e.other, want)) {
            seen.push_back(fmt::format("step {} of {} has no {} buffer to compare with", e.step,
                                       e.name, e.other));
            return false;
        }
    } else if (e.other != "zero") {
        want = from_hex(e.other);
        have.resize(std::min(have.size(), want.size()));
    }
    const std::size_t common = std::min(have.size(), want.size());
    std::size_t differing = 0;
    std::size_t first = common;
    for (std::size_t i = common; i-- > 0;) {
        if (have[i] != want[i]) {
            ++differing;
            first = i;
        }
    }
    const bool equal = differing == 0 && have.size() == want.size();
    if (equal == e.equal) {
        return true;
    }
    if (e.equal) {
        seen.push_back(
            fmt::format("{} of {} bytes of the {} of step {} of {} differ from {}; the "
                        "first at offset {}: {} instead of {}",
                        differing, have.size(), e.buffer, e.step, e.name, e.other, e.offset + first,
                        hex_bytes(have, first), hex_bytes(want, first)));
    } else {
        seen.push_back(fmt::format("all {} bytes of the {} of step {} of {} equal {}", have.size(),
                                   e.buffer, e.step, e.name, e.other));
    }
    return false;
}

bool Judge::judge_findings(const State& state, std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    if (e.kind == Expectation::Kind::Finding) {
        const auto found = finding_counts_.find(e.name);
        const std::uint64_t count = found == finding_counts_.end() ? 0 : found->second;
        if (within(count, e)) {
            return true;
        }
        seen.push_back(
            fmt::format("finding {} came {}; wanted: {}", e.name, times(count), amount(e)));
        return false;
    }
    // Each unwanted finding is a failure of its own; this one names the expectation they break.
    std::uint64_t unwanted = 0;
    for (const auto& [code, count] : finding_counts_) {
        const bool wanted =
            std::any_of(scenario_.expectations.begin(), scenario_.expectations.end(),
                        [c = code](const Expectation& other) {
                            return other.kind == Expectation::Kind::Finding && other.name == c;
                        });
        unwanted += wanted ? 0 : count;
    }
    if (unwanted != 0) {
        seen.push_back(fmt::format(
            "{} that no expectation wants, told below",
            unwanted == 1 ? std::string("a finding") : fmt::format("{} findings", unwanted)));
    }
    return unwanted == 0;
}

bool Judge::judge_final(const State& state, const RunEnd& end,
                        std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    std::string problem = "the run has no state to ask";
    const std::optional<std::string> value = end.state ? end.state(e.name, problem) : std::nullopt;
    const std::string wanted = e.is ? *e.is : "not " + *e.is_not;
    const bool good = value && (e.is ? same_value(*value, *e.is) : !same_value(*value, *e.is_not));
    if (!good) {
        seen.push_back(value ? fmt::format("{} is {} at the end ({}); wanted: {}", e.name, *value,
                                           format_time(end.time), wanted)
                             : fmt::format("{} has no value at the end: {}; wanted: {}", e.name,
                                           problem, wanted));
    }
    return good;
}

bool Judge::judge(const State& state, const RunEnd& end, std::vector<std::string>& seen) const {
    const Expectation& e = *state.e;
    switch (e.kind) {
        case Expectation::Kind::Count:
        case Expectation::Kind::Never:
            return judge_count(state, seen);
        case Expectation::Kind::Order:
            return judge_order(state, seen);
        case Expectation::Kind::Latency:
            return judge_latency(state, seen);
        case Expectation::Kind::Step:
            return judge_step(state, seen);
        case Expectation::Kind::Bytes:
            return judge_bytes(state, end, seen);
        case Expectation::Kind::Ends:
            if (end.reason == e.name) {
                return true;
            }
            seen.push_back(fmt::format("the run ended with \"{}\" at {}; wanted: \"{}\"",
                                       end.reason, format_time(end.time), e.name));
            return false;
        case Expectation::Kind::Finding:
            return judge_findings(state, seen);
        case Expectation::Kind::Invariants:
            if (end.checkers == 0) {
                seen.emplace_back("no checker was active: nobody would have seen anything");
                return false;
            }
            return judge_findings(state, seen);
        case Expectation::Kind::Final:
            return judge_final(state, end, seen);
    }
    return false;
}

// Every step must end as it says, whether or not an expectation names it.
void Judge::judge_end(const RunEnd& end, Verdict& verdict) const {
    const bool named = std::any_of(states_.begin(), states_.end(), [](const State& s) {
        return s.e->kind == Expectation::Kind::Ends;
    });
    if (!named && end.reason != "idle") {
        verdict.failures.push_back(
            {"",
             "the run ends by itself, with every task done",
             "",
             {fmt::format("it ended with \"{}\" at {}", end.reason, format_time(end.time))}});
    }
}

void Judge::judge_unwanted(const RunEnd& end, Verdict& verdict) const {
    std::size_t shown = 0;
    constexpr std::size_t kMaxShown = 10;
    for (SeenFinding finding : findings_) {
        finding.wanted = std::any_of(states_.begin(), states_.end(), [&finding](const State& s) {
            return s.e->kind == Expectation::Kind::Finding && s.e->name == finding.code;
        });
        if (!finding.wanted && ++shown <= kMaxShown) {
            Failure failure{"", fmt::format("unwanted finding {}", finding.code), "", {}, true};
            failure.seen.push_back(fmt::format("{} (event {}) {}: {}", format_time(finding.time),
                                               finding.seq, finding.who, finding.text));
            if (end.finding_events) {
                for (const std::string& line : end.finding_events(finding)) {
                    failure.seen.push_back("  " + line);
                }
            }
            verdict.failures.push_back(std::move(failure));
        }
        verdict.findings.push_back(std::move(finding));
    }
    if (shown > kMaxShown) {
        verdict.failures.push_back(
            {"", fmt::format("unwanted findings: {} more", shown - kMaxShown), "", {}, true});
    }
    verdict.findings_total = findings_total_;
}

// Counts, orders and latencies are of one machine, and so are results of steps.
bool Judge::holds_anywhere(const Expectation& e) const {
    using Kind = Expectation::Kind;
    return !scenario_.disturbed || e.always || e.kind == Kind::Final ||
           e.kind == Kind::Invariants || e.kind == Kind::Ends;
}

Verdict Judge::finish(const RunEnd& end) {
    Verdict verdict;
    judge_steps(verdict);
    if (end.complete) {
        for (const State& state : states_) {
            if (!holds_anywhere(*state.e)) {
                continue;
            }
            std::vector<std::string> seen;
            ++verdict.expectations;
            if (!judge(state, end, seen)) {
                // Broken invariants are findings, each told below.
                const bool finding = state.e->kind == Expectation::Kind::Invariants;
                verdict.failures.push_back(
                    {state.e->where, state.e->text, state.e->why, std::move(seen), finding});
            }
        }
        judge_end(end, verdict);
    }
    judge_unwanted(end, verdict);
    return verdict;
}

}  // namespace ioasim::scenario
