#include "tools/cli/explore/explore.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/base/words.hpp"
#include "core/sim/simulation.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/campaign/run_record.hpp"
#include "tools/cli/explore/explorer.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/terminal.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Node;
using Clock = std::chrono::steady_clock;

// About as long as the firmware keeps a processor for a short visit, and longer than any lock of
// the modelled kernels is held for work in memory.
constexpr const char* kDefaultStall = "2us";
constexpr const char* kDefaultWindow = "0ps";

int complain(Code code, const std::string& text, const std::string& help, int exit_code) {
    print_err(scenario::render_plain(code, text, help));
    return exit_code;
}

std::string codes_of(const RunResult& result) {
    std::string all;
    for (const std::string& code : record_of(result).codes) {
        all += (all.empty() ? "" : " ") + code;
    }
    return all;
}

class ExploreCommand {
public:
    explicit ExploreCommand(const ExploreOptions& options) : options_(options) {}

    int run() {
        if (!known_defects_or_tell(options_.defects) || !load() || !output_is_free()) {
            return kUsage;
        }
        ExploreLimits limits;
        limits.deviations = options_.preemptions;
        limits.jobs =
            options_.jobs != 0 ? options_.jobs : std::max(1U, std::thread::hardware_concurrency());
        limits.reduction = options_.reduction;
        limits.stall = job_.scenario.schedule.stall;
        limits.from = from_;
        limits.now = [] { return sim::Simulation::now(); };
        limits.runs = options_.runs;
        limits.seconds = options_.seconds;
        limits.stop = [] { return signal_seen() != 0; };
        limits.progress = [this](std::uint64_t runs, unsigned bound) { show(runs, bound); };
        explored_ = explore(
            [this](std::unique_ptr<Chooser> chooser) { return outcome(std::move(chooser)); },
            limits);
        return finish();
    }

private:
    struct Replay {
        std::string file;
        std::string problem;  // empty: it ends as it was found
    };

    // The one cell of the file, or the one that is named.
    bool load_cell(scenario::Scenario& out) const {
        const auto [file, cell] = file_and_cell(options_.file);
        bool good = true;
        std::vector<scenario::Scenario> cells =
            load_or_tell(file, {order_sets(), options_.defects}, good);
        if (!cell.empty()) {
            cells.erase(
                std::remove_if(cells.begin(), cells.end(),
                               [&name = cell](const auto& one) { return one.cell != name; }),
                cells.end());
        }
        if (good && cells.empty()) {
            complain(Code::Usage, fmt::format("{} has no cell {}", file, quoted(cell)),
                     "ioasim run names the cells", kUsage);
        } else if (good && cells.size() != 1) {
            complain(Code::Usage,
                     fmt::format("{} has {} cells; one is explored at a time", file, cells.size()),
                     "FILE#CELL or --set AXIS=VALUE chooses one", kUsage);
        }
        if (!good || cells.size() != 1) {
            return false;
        }
        out = std::move(cells.front());
        return true;
    }

    bool load() {
        scenario::Scenario cell;
        if (!load_cell(cell)) {
            return false;
        }
        const UnitResult from = parse_time_text(options_.from.empty() ? "0ps" : options_.from);
        if (!from.ok()) {
            complain(Code::BadTime, fmt::format("--from {} is no time", quoted(options_.from)),
                     "a time has a unit: 120us", kUsage);
            return false;
        }
        from_ = TimePs{from.value};
        RunOptions run;
        run.seed = options_.seed;
        run.sets = options_.sets;
        run.defects = options_.defects;
        run.no_files = true;
        job_ = plan(cell, run);
        job_.show_progress = false;
        if (!job_.scenario.schedule.choices.empty()) {
            complain(Code::Usage, fmt::format("{} has one order, in run.choices", options_.file),
                     "`ioasim run` repeats it; without the choices it can be explored", kUsage);
            return false;
        }
        fill_in("window", kDefaultWindow);
        fill_in("stall", kDefaultStall);
        bound_time();
        return true;
    }

    // Another order takes about as long; one in which work goes on that the fixed order ends, like
    // that of a guest whose VMM frees the wrong ID, must not take a hundred times as long.
    void bound_time() {
        constexpr std::uint64_t kTimes = 4;
        const TimePs end{options_.limit.empty() ? run_isolated(job_).end_ps : 0};
        if (end != TimePs{}) {
            job_.scenario.limit = std::min(job_.scenario.limit, end * kTimes);
            run_of(job_.scenario.document)
                .set("limit", Node::string(fmt::format("{}ps", job_.scenario.limit.ps())));
        }
    }

    std::vector<std::string> order_sets() const {
        std::vector<std::string> sets = options_.sets;
        if (!options_.window.empty()) {
            sets.push_back("run.window=" + options_.window);
        }
        if (!options_.stall.empty()) {
            sets.push_back("run.stall=" + options_.stall);
        }
        if (!options_.limit.empty()) {
            sets.push_back("run.limit=" + options_.limit);
        }
        return sets;
    }

    // What neither the scenario nor the command line says.
    void fill_in(const char* key, const char* value) {
        Node& run = run_of(job_.scenario.document);
        if (run.get(key) == nullptr) {
            const Node& node = run.set(key, Node::string(value));
            const TimePs time = scenario::time_of(&node, TimePs{});
            if (std::string_view(key) == "window") {
                job_.scenario.schedule.window = time;
            } else {
                job_.scenario.schedule.stall = time;
            }
        }
    }

    static Node& run_of(Node& document) {
        scenario::Member* run = document.find("run");
        return run != nullptr ? run->value : document.set("run", Node::object());
    }

    bool output_is_free() {
        if (options_.out.empty()) {
            return true;
        }
        Outputs outputs({file_and_cell(options_.file).first}, options_.force);
        return outputs.add("--out", options_.out);
    }

    // In a process that ends with the run.
    Outcome outcome(std::unique_ptr<Chooser> chooser) const {
        const RunResult result = run_last(job_, std::move(chooser));
        return {codes_of(result), record_of(result).first, !by_signal(result.exit_code)};
    }

    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

    void show(std::uint64_t runs, unsigned bound) {
        if (!colour_on_stderr() || Clock::now() - shown_ < std::chrono::milliseconds(200)) {
            return;
        }
        shown_ = Clock::now();
        print_err(fmt::format("\r\033[K{} interleavings, {:.0f}/s, now with {}", runs,
                              static_cast<double>(runs) / std::max(seconds(), 1e-3),
                              plural(bound, "deviation")));
        visible_ = true;
    }

    // The scenario with a schedule, as a file of its own that repeats it.
    Replay write(const Found& found, std::size_t number) {
        Node document = job_.scenario.document;
        for (const char* key : {"covers", "proof", "matrix", "params"}) {
            document.erase(key);
        }
        std::string purpose = found.codes + ", found by exploring: ";
        Node choices = Node::array();
        for (std::size_t i = 0; i < found.schedule.size(); ++i) {
            const Deviation& deviation = found.schedule[i];
            Node choice = Node::object();
            choice.set("at", Node::number(deviation.at));
            choice.set("what", Node::string(deviation.what));
            choice.set("pick", Node::number(deviation.pick));
            choices.items.push_back(std::move(choice));
            purpose += (i == 0 ? "" : "; ") + found.choices[i];
        }
        document.set(
            "purpose",
            Node::string(found.schedule.empty() ? found.codes + ", in the fixed order" : purpose));
        document.set("campaign", Node::string("none"));
        Node& run = run_of(document);
        run.set("seed", Node::number(job_.effective_seed));
        run.set("choices", std::move(choices));
        Replay replay;
        std::string error = name_file(number, replay.file);
        if (error.empty()) {
            error = traces::replace_file(replay.file, to_json(document, 2) + "\n");
        }
        if (!error.empty()) {
            lost_ = true;
            complain(Code::CannotWrite, error, "--out names another file", kInternal);
            replay.file.clear();
            return replay;
        }
        replay.problem = repeat(replay.file, found);
        return replay;
    }

    std::string name_file(std::size_t number, std::string& file) const {
        const std::string more = number == 0 ? "" : std::to_string(number + 1);
        if (!options_.out.empty()) {
            file = with_cell(options_.out, more);
            return !options_.force && number != 0 && path_exists(file) ? file + " exists" : "";
        }
        const std::string stem = "out/" + file_safe(job_.scenario.name) + "-order";
        for (std::size_t i = 1; file.empty() || path_exists(file); ++i) {
            file = fmt::format("{}{}.json", stem, i == 1 ? "" : fmt::format(".{}", i));
        }
        return make_folders("out");
    }

    // Empty: the file ends as the order did of which it was made.
    std::string repeat(const std::string& file, const Found& found) const {
        bool good = true;
        const std::vector<scenario::Scenario> cells = load_or_tell(file, {}, good);
        if (!good || cells.size() != 1) {
            return "it cannot be read";
        }
        RunOptions run;
        run.no_files = true;
        const std::string codes = codes_of(run_isolated(plan(cells.front(), run)));
        return codes == found.codes ? "" : fmt::format("it ends with {}", quoted(codes));
    }

    int finish() {
        if (visible_) {
            print_err("\r\033[K");
        }
        int code = explored_.found.empty() ? kPass : kFailed;
        std::vector<Replay> replays;
        for (const Found& found : explored_.found) {
            replays.push_back(write(found, replays.size()));
            if (!replays.back().problem.empty()) {
                code = worse(code, kInternal);
            }
        }
        if (lost_) {
            code = worse(code, kInternal);
        }
        if (signal_seen() != 0) {
            code = worse(code, 128 + signal_seen());
        } else if (!explored_.complete && code == kPass) {
            code = kHostTimeout;
        }
        options_.json ? print_json(replays, code) : print_text(replays);
        return code;
    }

    std::string summary() const {
        std::uint64_t bad = 0;
        std::string codes;
        for (const Found& found : explored_.found) {
            bad += found.runs;
            codes += (codes.empty() ? "" : ", ") + found.codes;
        }
        const std::string runs = plural(explored_.all_runs(), "interleaving");
        const std::string open = explored_.complete ? "" : " (stopped before the end)";
        return bad == 0 ? fmt::format("{}{}, none bad", runs, open)
                        : fmt::format("{}{}, {} bad: {}", runs, open, bad, codes);
    }

    void print_text(const std::vector<Replay>& replays) const {
        const scenario::Schedule& schedule = job_.scenario.schedule;
        std::string out = fmt::format(
            "{}: messages within {}, tasks held up for {}, at most {}{}, "
            "runs of at most {}\n",
            job_.scenario.full_name(), format_time(schedule.window.value_or(TimePs{})),
            format_time(schedule.stall), plural(options_.preemptions, "deviation"),
            options_.reduction ? "" : ", no reduction", format_time(job_.scenario.limit));
        for (const ChoiceCount& kind : explored_.choices) {
            out += fmt::format("  {:<14}{:>9} in the fixed order, {} followed\n", kind.what,
                               kind.seen, kind.followed);
        }
        for (std::size_t i = 0; i < explored_.runs.size(); ++i) {
            out +=
                fmt::format("  {}: {}\n", plural(i, "deviation"), plural(explored_.runs[i], "run"));
        }
        out += fmt::format("  {:.0f} interleavings a second, {:.1f} s\n",
                           static_cast<double>(explored_.all_runs()) / std::max(seconds(), 1e-3),
                           seconds());
        for (std::size_t i = 0; i < explored_.found.size(); ++i) {
            out += text_of(explored_.found[i], replays[i]);
        }
        print_out(out + summary() + "\n");
    }

    static std::string text_of(const Found& found, const Replay& replay) {
        std::string out =
            fmt::format("{}: {}, of which the shortest\n", found.codes, plural(found.runs, "run"));
        for (std::size_t i = 0; i < found.schedule.size(); ++i) {
            out += fmt::format("  choice {}, {}: {}\n", found.schedule[i].at,
                               found.schedule[i].what, found.choices[i]);
        }
        out += "  " + found.text + "\n";
        if (!replay.file.empty()) {
            out += fmt::format("  ioasim run {}{}\n", shell_word(replay.file),
                               replay.problem.empty() ? "" : "  # not the same: " + replay.problem);
        }
        return out;
    }

    void print_json(const std::vector<Replay>& replays, int code) const {
        Node node = Node::object();
        node.set("scenario", Node::string(job_.scenario.full_name()));
        node.set("interleavings", Node::number(explored_.all_runs()));
        node.set("complete", Node::boolean_of(explored_.complete));
        node.set("milliseconds", Node::number(static_cast<std::uint64_t>(seconds() * 1000)));
        Node levels = Node::array();
        for (const std::uint64_t runs : explored_.runs) {
            levels.items.push_back(Node::number(runs));
        }
        node.set("runs_by_deviations", std::move(levels));
        Node list = Node::array();
        for (std::size_t i = 0; i < explored_.found.size(); ++i) {
            const Found& found = explored_.found[i];
            Node item = Node::object();
            item.set("codes", Node::string(found.codes));
            item.set("runs", Node::number(found.runs));
            item.set("first", Node::string(found.text));
            item.set("deviations", Node::number(found.schedule.size()));
            item.set("file", Node::string(replays[i].file));
            item.set("repeats", Node::boolean_of(replays[i].problem.empty()));
            list.items.push_back(std::move(item));
        }
        node.set("found", std::move(list));
        node.set("exit_code", Node::number(static_cast<std::uint64_t>(code)));
        node.set("summary", Node::string(summary()));
        print_out(to_json(node, 0) + "\n");
    }

    const ExploreOptions& options_;
    Job job_;
    TimePs from_;
    Explored explored_;
    bool lost_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool visible_ = false;
};

}  // namespace

int explore_command(const ExploreOptions& options) {
    return ExploreCommand(options).run();
}

}  // namespace ioasim::tools
