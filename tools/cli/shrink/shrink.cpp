#include "tools/cli/shrink/shrink.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "core/base/time.hpp"
#include "core/base/units.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/campaign/faults.hpp"
#include "tools/cli/campaign/swarm.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/run_pool.hpp"
#include "tools/cli/shrink/reduce.hpp"
#include "tools/cli/shrink/signature.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Node;

constexpr std::uint64_t kRoom = 2;  // a smaller run may take so many times as long
constexpr std::uint64_t kRunMemory = std::uint64_t{4} << 30U;

void complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
}

// The value of a key, made if need be.
Node& member(Node& object, const char* key, Node made) {
    scenario::Member* const found = object.find(key);
    return found != nullptr ? found->value : object.set(key, std::move(made));
}

// A run of the document that differs in one thing, and passes where the document fails.
enum class Control { NoDefects, FixedOrder };

// False: the document has nothing of it.
bool make_control(Control control, Node& document) {
    if (control == Control::NoDefects) {
        const bool any = document.find("defects") != nullptr;
        document.erase("defects");
        return any;
    }
    scenario::Member* const run = document.find("run");
    const bool numbered = run != nullptr && run->value.find("number") != nullptr;
    if (numbered) {
        run->value.erase("number");
    }
    return numbered;
}

// A machine drawn for a run becomes the machine of the scenario, and so do the run's faults.
std::vector<std::string> drawn_run(const scenario::Scenario& cell, const RunOptions& options,
                                   std::uint64_t seed) {
    Job job = plan(cell, options);
    job.effective_seed = effective_seed(seed, options.run);
    std::vector<std::string> sets = draw_machine(job.scenario, job.effective_seed);
    sets.push_back("run.limit=" + time_text(job.scenario.limit.ps()));
    if (const auto faults = faults_of_run(job, run_isolated)) {
        const std::vector<std::string> more = faults->sets(cell);
        sets.insert(sets.end(), more.begin(), more.end());
    }
    return sets;
}

// What a run on another machine is not judged by.
bool judged_anywhere(const Node& expectation) {
    static constexpr const char* kKinds[] = {"final", "invariants", "ends", "finding"};
    return scenario::boolean_value(expectation.get("always"), false) ||
           std::any_of(std::begin(kKinds), std::end(kKinds),
                       [&](const char* kind) { return expectation.get(kind) != nullptr; });
}

class Shrink {
public:
    explicit Shrink(const ShrinkOptions& options)
        : options_(options), pool_(options.jobs, options.run_seconds, kRunMemory) {}

    int run() {
        if (!known_defects_or_tell(options_.run.defects) || !find_failure() || !plan_output()) {
            return kUsage;
        }
        find_controls();
        before_ = counts(document_);
        Reducer reducer(
            document_, [this](const Node& node) { return stays(node); },
            static_cast<std::size_t>(pool_.at_once()),
            [this](const std::vector<Node>& candidates) { return first_of(candidates); });
        reducer.run();
        document_ = reducer.document();
        return write();
    }

private:
    using Clock = std::chrono::steady_clock;

    // The cell to look at, as a document without bases, parameters and matrix, each value of which
    // has a place of its own.
    bool take_document(const scenario::Scenario& cell, std::uint64_t seed) {
        Node document = cell.document;
        for (const char* const key : {"covers", "proof", "campaign", "$schema"}) {
            document.erase(key);
        }
        Node& run = member(document, "run", Node::object());
        run.set("seed", Node::number(seed));
        if (options_.run.run != 0) {
            run.set("number", Node::number(options_.run.run));
        }
        if (Node& expect = member(document, "expect", Node::array()); cell.disturbed) {
            auto& items = expect.items;
            items.erase(std::remove_if(items.begin(), items.end(),
                                       [](const Node& item) { return !judged_anywhere(item); }),
                        items.end());
        }
        sources_ = {};
        document_ = {};
        scenario::Diagnostics diagnostics;
        const std::uint32_t text = sources_.add(cell.file, to_json(document, 2));
        return parse_json(text, sources_, diagnostics, document_);
    }

    std::optional<scenario::Scenario> with_machine(const scenario::Scenario& cell,
                                                   const std::string& file, std::uint64_t seed) {
        std::vector<std::string> sets = options_.run.sets;
        const std::vector<std::string> machine = drawn_run(cell, options_.run, seed);
        sets.insert(sets.end(), machine.begin(), machine.end());
        bool good = true;
        for (scenario::Scenario& other : load_or_tell(file, {sets, options_.run.defects}, good)) {
            if (other.cell == cell.cell) {
                other.disturbed = true;
                return std::move(other);
            }
        }
        return std::nullopt;
    }

    bool find_failure() {
        const auto [file, wanted] = file_and_cell(options_.file);
        bool good = true;
        const std::vector<scenario::Scenario> cells =
            load_or_tell(file, {options_.run.sets, options_.run.defects}, good);
        if (!good) {
            return false;
        }
        bool named = wanted.empty();
        for (const scenario::Scenario& cell : cells) {
            if (!wanted.empty() && cell.cell != wanted) {
                continue;
            }
            named = true;
            const std::uint64_t seed = options_.run.seed.value_or(cell.seed);
            const bool swarm = cell.campaign == "swarm" && options_.run.run != 0;
            const auto drawn = swarm ? with_machine(cell, file, seed) : std::nullopt;
            if (fails(drawn ? *drawn : cell, seed)) {
                return true;
            }
        }
        if (!named) {
            complain(Code::Usage, fmt::format("{} has no cell {}", file, ioasim::quoted(wanted)),
                     "ioasim run names the cells");
        } else if (signal_seen() == 0) {
            complain(Code::Usage,
                     options_.code.empty()
                         ? fmt::format("{} does not fail: there is nothing to shrink", file)
                         : fmt::format("{} has no unwanted finding {}", file, options_.code),
                     "--seed, --run, --set and --defect make the run that failed");
        }
        return false;
    }

    bool fails(const scenario::Scenario& cell, std::uint64_t seed) {
        if (!take_document(cell, seed)) {
            return false;
        }
        name_ = cell.full_name();
        file_name_ = cell.name;
        source_ = cell.file;
        const auto first = job_of(document_);
        if (!first) {
            return false;
        }
        const RunResult result = run_isolated(*first);
        ++runs_;
        signature_ = signature_of(result, options_.code);
        if (signature_.kind == Signature::Kind::None) {
            return false;
        }
        hash_ = first->hash;
        longest_ = TimePs{kRoom * result.end_ps};
        first_line_ = first_failure(result);
        if (signature_.kind == Signature::Kind::Finding) {
            expect_invariants();
        }
        return true;
    }

    std::string first_failure(const RunResult& result) const {
        for (const scenario::SeenFinding& f : result.findings) {
            if (signature_.kind == Signature::Kind::Finding && f.code == signature_.what) {
                return fmt::format("{} {}: {}", f.code, f.who, f.text);
            }
        }
        for (const scenario::Failure& f : result.failures) {
            if (signature_.kind == Signature::Kind::Failure && f.where == signature_.where) {
                return f.text + (f.seen.empty() ? "" : ": " + f.seen.front());
            }
        }
        return result.error.empty() ? signature_.text() : result.error;
    }

    // What a finding breaks stands in the file.
    void expect_invariants() {
        Node& expect = member(document_, "expect", Node::array());
        const auto invariants = [](const Node& item) { return item.get("invariants") != nullptr; };
        if (std::none_of(expect.items.begin(), expect.items.end(), invariants)) {
            Node hold = Node::object();
            hold.set("invariants", Node::string("hold"));
            expect.items.push_back(std::move(hold));
        }
    }

    bool plan_output() {
        out_ = options_.out.empty() ? file_safe(file_name_) + ".shrunk.json" : options_.out;
        constexpr std::string_view kEnding = ".json";
        if (out_.size() <= kEnding.size() ||
            out_.compare(out_.size() - kEnding.size(), kEnding.size(), kEnding) != 0) {
            complain(Code::Usage, fmt::format("--out {}: scenarios end in .json", out_));
            return false;
        }
        Outputs outputs({file_and_cell(options_.file).first}, options_.force);
        return outputs.add("--out", out_);
    }

    bool stays(const Node& node) const {
        if (signature_.kind == Signature::Kind::Finding) {
            return node.get("invariants") != nullptr;
        }
        return signature_.kind == Signature::Kind::Failure && node.is(Node::Kind::Object) &&
               sources_.describe(node.place) == signature_.where;
    }

    // Nothing: it is no scenario.
    std::optional<Job> job_of(const Node& document) const {
        scenario::Loaded loaded =
            scenario::load_tree(source_, sources_, document, program_vocabulary(), {});
        if (loaded.cells.size() != 1) {
            return std::nullopt;
        }
        RunOptions options;
        options.no_files = true;
        options.quiet = true;
        options.timeout_seconds = options_.run_seconds;
        Job job = plan(loaded.cells.front(), options);
        // Without what stops it, a small scenario may do more than the whole one.
        job.scenario.limit = std::min(job.scenario.limit, longest_);
        return job;
    }

    void find_controls() {
        for (const Control control : {Control::NoDefects, Control::FixedOrder}) {
            Node other = document_;
            const auto job = make_control(control, other) ? job_of(other) : std::nullopt;
            if (job) {
                ++runs_;
                const RunResult result = run_isolated(*job);
                if (!signature_.shown_by(result)) {
                    controls_.push_back({control, result.exit_code == kPass});
                    longest_ = std::max(longest_, TimePs{kRoom * result.end_ps});
                }
            }
        }
    }

    bool over() const {
        const auto past = std::chrono::duration<double>(Clock::now() - start_).count();
        return signal_seen() != 0 ||
               (options_.seconds != 0 && past >= static_cast<double>(options_.seconds));
    }

    // A candidate under way: its own run, then its controls, each only if the one before was as
    // wanted.
    void try_one(const std::vector<Node>& candidates, std::size_t index, std::size_t stage) {
        Node document = candidates[index];
        const bool control = stage > 0;
        if (control && !make_control(controls_[stage - 1].first, document)) {
            state_[index] = State::No;
            return;
        }
        const std::optional<Job> job = job_of(document);
        if (!job) {
            state_[index] = State::No;
            return;
        }
        ++runs_;
        pool_.start(*job, index, [this, &candidates, index, stage](const RunResult& result) {
            const bool as_wanted = stage == 0                    ? signature_.shown_by(result)
                                   : controls_[stage - 1].second ? result.exit_code == kPass
                                                                 : !signature_.shown_by(result);
            if (!as_wanted) {
                state_[index] = State::No;
            } else if (stage == controls_.size()) {
                state_[index] = State::Yes;
            } else {
                try_one(candidates, index, stage + 1);
            }
        });
    }

    // The answer depends on the candidates alone, however many run at a time.
    std::size_t first_of(const std::vector<Node>& candidates) {
        state_.assign(candidates.size(), State::Open);
        const auto first_not = [this](State state) {
            return static_cast<std::size_t>(std::find_if(state_.begin(), state_.end(),
                                                         [state](State s) { return s != state; }) -
                                            state_.begin());
        };
        std::size_t next = 0;
        std::size_t undecided = first_not(State::No);
        while (undecided < candidates.size() && state_[undecided] != State::Yes) {
            if (over()) {
                pool_.kill_if([](std::uint64_t) { return true; });
                return candidates.size();
            }
            while (next < candidates.size() && !pool_.full()) {
                try_one(candidates, next++, 0);
            }
            if (!pool_.idle()) {
                pool_.look();
            }
            undecided = first_not(State::No);
        }
        pool_.kill_if([](std::uint64_t) { return true; });
        show_progress();
        return undecided;
    }

    struct Counts {
        std::size_t steps = 0;
        std::size_t vms = 0;
        std::size_t bytes = 0;
    };

    static Counts counts(const Node& document) {
        return {count_steps(document), scenario::items_of(document.get("vms")).size(),
                to_json(document, 0).size()};
    }

    void show_progress() {
        if (options_.quiet || !colour_on_stderr() ||
            Clock::now() - shown_ < std::chrono::milliseconds(200)) {
            return;
        }
        shown_ = Clock::now();
        print_err(fmt::format("\r\033[K{} attempts", runs_));
        visible_ = true;
    }

    std::string command_line() const {
        std::string line = "ioasim shrink " + options_.file;
        if (options_.run.seed) {
            line += fmt::format(" --seed {}", *options_.run.seed);
        }
        if (options_.run.run != 0) {
            line += fmt::format(" --run {}", options_.run.run);
        }
        for (const std::string& set : options_.run.sets) {
            line += " --set " + set;
        }
        for (const std::string& defect : options_.run.defects) {
            line += " --defect " + defect;
        }
        return line + (options_.code.empty() ? "" : " --code " + options_.code);
    }

    std::string header(const Counts& now) const {
        const auto line = [](std::string text) {
            std::replace(text.begin(), text.end(), '\n', ' ');
            return "// " + text + "\n";
        };
        std::string needs;
        for (const auto& [control, passes] : controls_) {
            needs += control == Control::NoDefects
                         ? line(passes ? "Without its defects it passes."
                                       : "Without its defects it does not.")
                         : line(passes ? "In the fixed order, without run.number, it passes."
                                       : "In the fixed order, without run.number, it does not.");
        }
        return line(fmt::format("{} (configuration {}) fails: {}", name_, hash_, first_line_)) +
               line("This fails the same way: ioasim run FILE, exit code " +
                    std::to_string(signature_.exit_code)) +
               needs +
               line(fmt::format("Found by {}, in {}: {} of {} left.", command_line(),
                                plural(runs_, "run"), now.steps, plural(before_.steps, "step")));
    }

    int write() {
        if (visible_) {
            print_err("\r\033[K");
        }
        const Counts now = counts(document_);
        document_.find("name")->value.text = file_name_ + "-shrunk";
        document_.find("purpose")->value.text =
            fmt::format("the least of {} that still fails: {}", name_, signature_.kind_text());
        const std::string problem =
            traces::replace_file(out_, header(now) + to_json(document_, 2) + "\n");
        if (!problem.empty()) {
            complain(Code::CannotWrite, problem, "--out names another file");
            return kInternal;
        }
        // What was written is what counts.
        bool good = true;
        const auto cells = load_or_tell(out_, {}, good);
        RunOptions options;
        options.no_files = true;
        options.quiet = true;
        options.timeout_seconds = options_.run_seconds;
        const bool again = good && cells.size() == 1 &&
                           (signal_seen() != 0 || signature_.shown_anywhere_by(
                                                      run_isolated(plan(cells.front(), options))));
        if (!again) {
            print_err(fmt::format("ioasim: internal error: {} does not fail so\n", out_));
            return kInternal;
        }
        print_out(fmt::format("{}: {}\n{}: {} of {}, {} of {}, {} of {} bytes left after {}{}\n",
                              name_, first_line_, out_, now.steps, plural(before_.steps, "step"),
                              now.vms, plural(before_.vms, "virtual machine"), now.bytes,
                              before_.bytes, plural(runs_, "run"),
                              over() ? "; stopped before the end" : ""));
        return signal_seen() != 0 ? 128 + signal_seen() : kPass;
    }

    enum class State : std::uint8_t { Open, No, Yes };

    const ShrinkOptions& options_;
    RunPool pool_;
    scenario::SourceSet sources_;
    Node document_;
    std::string name_;
    std::string file_name_;
    std::string source_;
    std::string hash_;
    std::string first_line_;
    std::string out_;
    Signature signature_;
    TimePs longest_{~std::uint64_t{0}};
    std::vector<std::pair<Control, bool>> controls_;  // and whether it passes altogether
    std::vector<State> state_;
    Counts before_;
    std::uint64_t runs_ = 0;
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool visible_ = false;
};

}  // namespace

int shrink_command(const ShrinkOptions& options) {
    return Shrink(options).run();
}

}  // namespace ioasim::tools
