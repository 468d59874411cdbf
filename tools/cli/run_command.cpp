#include "tools/cli/run_command.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/base/random.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/reports.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/byte_sink.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Node;
using Paths = std::vector<std::string>;

void complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
}

// Takes a folder that nobody has: the name itself, or with a number. Empty: see `error`.
std::string take_folder(const std::string& wanted, std::string& error) {
    const std::size_t slash = wanted.rfind('/');
    if (slash != std::string::npos && slash != 0) {
        error = make_folders(wanted.substr(0, slash));
        if (!error.empty()) {
            return {};
        }
    }
    for (unsigned number = 1; number < 100'000; ++number) {
        const std::string path = number == 1 ? wanted : fmt::format("{}.{}", wanted, number);
        if (::mkdir(path.c_str(), 0777) == 0) {
            return path;
        }
        if (errno != EEXIST) {
            error = fmt::format("cannot make folder {}: {}", path, std::strerror(errno));
            return {};
        }
    }
    error = fmt::format("too many folders named {}", wanted);
    return {};
}

class RunCommand {
public:
    explicit RunCommand(const RunOptions& options) : options_(options) {}

    int run() {
        // A folder that cannot be made is found before anything runs; one that can be no more, when
        // the disk filled up in between, costs its files alone.
        if (!check_options() || !load_all() || !plan_files()) {
            return kUsage;
        }
        const std::string no_folder = make_folder(jobs_.front());
        if (!no_folder.empty()) {
            complain(Code::CannotWrite, no_folder,
                     "--out names another folder, --no-files writes none");
            return kUsage;
        }
        int code = kPass;
        for (Job& job : jobs_) {
            if (signal_seen() != 0) {
                break;
            }
            const std::string lost = &job == &jobs_.front() ? "" : make_folder(job);
            RunResult result = run_isolated(job);
            if (!lost.empty()) {
                result.not_written.push_back(lost);
            }
            complete(job, result);
            code = worse(code, result.status());
            show(result);
            results_.push_back(std::move(result));
        }
        return finish(code);
    }

private:
    bool check_options() {
        const std::vector<std::string> problems = check_reports(options_.reports, options_.json);
        for (const std::string& problem : problems) {
            complain(Code::Usage, problem);
        }
        bool good = problems.empty();
        if (options_.no_files && options_.traces.empty() &&
            (!options_.selection.everything() ||
             options_.selection.limit != traces::TraceSelection{}.limit ||
             options_.trace_on_failure)) {
            complain(Code::Usage, "what goes into traces was chosen, and none is written",
                     "--trace FILE names one; without --no-files each run has two");
            good = false;
        }
        good = good_traces(options_.traces) && good;
        if (options_.no_files && !options_.out.empty()) {
            complain(Code::Usage,
                     fmt::format("--no-files writes no folder of results, --out {} names one",
                                 options_.out),
                     "give one of the two");
            good = false;
        }
        return known_defects_or_tell(options_.defects) && good;
    }

    bool load_all() {
        bool good = true;
        std::string json;
        for (const std::string& file : options_.files) {
            for (scenario::Scenario& cell : load_or_tell(file, {options_.sets, options_.defects},
                                                         good, options_.json ? &json : nullptr)) {
                jobs_.push_back(plan(cell, options_));
            }
        }
        if (!good && options_.json) {
            print_out(json);
        }
        if (good && !options_.checkers) {
            good = no_checker_needed();
        }
        return good;
    }

    bool no_checker_needed() {
        using Kind = scenario::Expectation::Kind;
        for (const Job& job : jobs_) {
            for (const scenario::Expectation& e : job.scenario.expectations) {
                if (e.kind == Kind::Invariants || e.kind == Kind::Finding) {
                    complain(Code::NoCheckers,
                             fmt::format("{}: {} needs the checkers that --no-checkers switches "
                                         "off",
                                         e.where, e.text));
                    return false;
                }
            }
        }
        return true;
    }

    std::string label(const Job& job) const {
        std::string name = job.scenario.name;
        name += job.scenario.cell.empty() ? "" : "." + file_safe(job.scenario.cell);
        return name;
    }

    bool plan_files() {
        const bool several = jobs_.size() > 1;
        bool good = true;
        Outputs outputs(options_.files, options_.force);
        for (const std::string& report : options_.reports) {
            const std::string file = report_file(report);
            good = (file.empty() || outputs.add("--report", file)) && good;
        }
        for (Job& job : jobs_) {
            // Two files may hold the same name; their traces must not share a file.
            std::string distinct = job.scenario.cell;
            if (several && options_.files.size() > 1) {
                distinct = job.scenario.name + (distinct.empty() ? "" : "." + distinct);
            }
            for (const std::string& trace : options_.traces) {
                const std::string path = with_cell(trace, several ? distinct : "");
                job.traces.push_back(path);
                good = add_trace(outputs, path) && good;
            }
        }
        if (!options_.no_files && !options_.out.empty() && !options_.force &&
            path_exists(options_.out) && !empty_folder(options_.out)) {
            complain(Code::OutputExists, fmt::format("--out {} exists", options_.out),
                     "--force writes into it, or name another folder");
            good = false;
        }
        return good;
    }

    // Empty: it is there, with the run's configuration in it. Else what could not be written.
    std::string make_folder(Job& job) {
        if (options_.no_files) {
            return {};
        }
        std::string error;
        const std::string leaf =
            fmt::format("{}-{}{}", label(job), job.options.seed.value_or(job.scenario.seed),
                        options_.run != 0 ? fmt::format("-{}", options_.run) : "");
        if (options_.out.empty()) {
            job.folder = take_folder("out/" + leaf, error);
        } else {
            const std::string wanted = jobs_.size() > 1 ? options_.out + "/" + leaf : options_.out;
            // Two runs of one name: a number tells them apart, as without --out.
            job.folder = wanted;
            for (unsigned number = 2; !folders_.insert(job.folder).second; ++number) {
                job.folder = fmt::format("{}.{}", wanted, number);
            }
            error = make_folders(job.folder);
        }
        if (!error.empty()) {
            job.folder.clear();
            return error;
        }
        // Of each run the events and a waveform, unless both were asked for elsewhere.
        using Holds = traces::TraceFormatInfo::Holds;
        for (const auto& [holds, name] :
             {std::pair{Holds::Events, "/trace.jsonl"}, std::pair{Holds::Signals, "/wave.vcd"}}) {
            const bool asked = std::any_of(job.traces.begin(), job.traces.end(),
                                           [kind = holds](const std::string& trace) {
                                               return traces::trace_format_of(trace)->holds == kind;
                                           });
            if (!asked) {
                job.traces.push_back(job.folder + name);
            }
        }
        return traces::replace_file(job.folder + "/resolved.json",
                                    to_json(job.scenario.document, 2) + "\n");
    }

    // What only the parent knows, and the files about the run.
    void complete(const Job& job, RunResult& result) {
        result.seed = job.options.seed.value_or(job.scenario.seed);
        result.run = job.options.run;
        result.reproduce = reproduce_line(job);
        if (job.folder.empty()) {
            return;
        }
        result.files.push_back(job.folder +
                               "/: resolved.json (this run as one file), run.json, summary.txt");
        constexpr std::size_t kAll = ~std::size_t{0};
        const std::size_t lost = result.not_written.size();
        // Neither file may keep the other from being written.
        for (const std::string& problem :
             {traces::replace_file(job.folder + "/run.json", to_json(to_node(result), 2) + "\n"),
              traces::replace_file(job.folder + "/summary.txt",
                                   summary_text(result, false, kAll))}) {
            if (!problem.empty()) {
                result.not_written.push_back(problem);
            }
        }
        if (result.not_written.size() != lost) {
            result.files.pop_back();
        }
    }

    void show(const RunResult& result) {
        if (report_has_stdout(options_.reports)) {
            // Programs read it.
        } else if (options_.json) {
            print_out(to_json(to_node(result), 0) + "\n");
        } else if (options_.quiet) {
            print_out(last_line(result) + "\n");
        } else {
            constexpr std::size_t kStateLines = 60;
            print_out(summary_text(result, colour_on_stdout(), kStateLines) +
                      (jobs_.size() > 1 ? "\n" : ""));
        }
        if (by_signal(result.exit_code)) {
            const std::string at = format_time(TimePs{result.end_ps});
            const std::string kept =
                !result.folder.empty()  ? "results up to there are in " + result.folder
                : !result.files.empty() ? "the traces hold what was up to there"
                                        : "no results are kept of it";
            print_err(result.error.empty() ? fmt::format("interrupted at {}; {}\n", at, kept)
                                           : fmt::format("interrupted: {}\n", result.error));
        }
    }

    int finish(int code) {
        for (const std::string& report : options_.reports) {
            const std::string problem = write_report(report, results_);
            if (!problem.empty()) {
                complain(Code::CannotWrite, "cannot write " + problem);
                code = worse(code, kInternal);
            }
        }
        if (signal_seen() != 0) {
            code = worse(code, 128 + signal_seen());
        }
        if (jobs_.size() > 1 && !report_has_stdout(options_.reports)) {
            const auto passed = std::count_if(results_.begin(), results_.end(),
                                              [](const auto& r) { return r.status() == kPass; });
            std::string line = fmt::format("{} runs: {} passed, {} failed", jobs_.size(), passed,
                                           static_cast<std::ptrdiff_t>(results_.size()) - passed);
            if (results_.size() < jobs_.size()) {
                line += fmt::format(", {} not started", jobs_.size() - results_.size());
            }
            print_out(options_.json ? fmt::format("{{\"summary\": {}, \"exit_code\": {}}}\n",
                                                  scenario::json_quote(line), code)
                                    : line + "\n");
        }
        return code;
    }

    const RunOptions& options_;
    std::vector<Job> jobs_;
    std::set<std::string> folders_;  // of this command's runs
    std::vector<RunResult> results_;
};

std::string diagnostics_json(const scenario::Loaded& loaded, const std::string& file) {
    std::string out;
    for (const scenario::Diagnostic& d : loaded.diagnostics.sorted()) {
        Node node = Node::object();
        const auto at = loaded.sources.locate(d.place);
        const std::string& name = loaded.sources.name(d.place.file);
        node.set("file", Node::string(name.empty() ? file : name));
        if (d.place.file != 0 && d.place.length != 0) {  // else it is about the file as a whole
            node.set("line", Node::number(at.line));
            node.set("column", Node::number(at.column));
        }
        node.set("severity", Node::string(d.warning ? "warning" : "error"));
        node.set("code", Node::string(scenario::code_name(d.code)));
        node.set("text", Node::string(d.text));
        node.set("help", Node::string(d.help));
        node.set("pointer", Node::string(d.pointer));
        out += to_json(node, 0) + "\n";
    }
    return out;
}

}  // namespace

std::uint64_t effective_seed(std::uint64_t seed, std::uint64_t run) {
    return run == 0 ? seed : RandomStream(seed, "run", std::to_string(run)).next();
}

std::string shell_word(const std::string& text) {
    const bool plain = !text.empty() && text.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-./=:,+@%") == std::string::npos;
    if (plain) {
        return text;
    }
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

std::string reproduce_line(const Job& job) {
    const RunOptions& o = job.options;
    std::string line = fmt::format("ioasim run {} --seed {}", shell_word(job.scenario.file),
                                   o.seed.value_or(job.scenario.seed));
    if (o.run != 0) {
        line += fmt::format(" --run {}", o.run);
    }
    std::set<std::string> pinned;
    for (const std::string& set : o.sets) {
        line += " --set " + shell_word(set);
        pinned.insert(set.substr(0, set.find('=')));
    }
    std::string cell = job.scenario.cell;
    while (!cell.empty()) {
        const std::string axis = cell.substr(0, cell.find(','));
        cell = axis.size() == cell.size() ? std::string() : cell.substr(axis.size() + 1);
        if (pinned.count(axis.substr(0, axis.find('='))) == 0) {
            line += " --set " + shell_word(axis);
        }
    }
    for (const std::string& defect : o.defects) {
        line += " --defect " + shell_word(defect);
    }
    return line + (o.checkers ? "" : " --no-checkers") + "  # " + job.hash;
}

std::string profile_text(const platform::PlatformConfig& config) {
    std::string out = config.ioasid_profile;
    for (const auto& [name, value] : config.ioasid_switches) {
        out += fmt::format(", {} {}", name, value);
    }
    return out;
}

Job plan(const scenario::Scenario& scenario, const RunOptions& options) {
    Job job;
    job.scenario = scenario;
    job.options = options;
    const std::uint64_t seed = options.seed.value_or(scenario.seed);
    job.options.run = options.run != 0 ? options.run : scenario.number;
    job.effective_seed = effective_seed(seed, job.options.run);
    job.scenario.config.bystanders = options.bystanders;
    job.scenario.config.shuffle = options.shuffle;
    job.show_progress = !options.quiet;
    // The configuration is what it is whatever the seed: equal hashes, comparable runs.
    Node document = scenario.document;
    scenario::Member* run = document.find("run");
    if (run != nullptr) {
        run->value.erase("seed");
        run->value.erase("number");
    }
    job.hash = scenario::config_hash(document);
    if (run == nullptr) {
        document.set("run", Node::object());
        run = document.find("run");
    }
    run->value.set("seed", Node::number(seed));
    if (job.options.run != 0) {
        run->value.set("number", Node::number(job.options.run));
    }
    job.scenario.document = std::move(document);
    return job;
}

std::vector<scenario::Scenario> load_or_tell(const std::string& file,
                                             const scenario::LoadOptions& options, bool& good,
                                             std::string* json) {
    scenario::Loaded loaded = scenario::load(file, program_vocabulary(), options);
    // A file that is read for two sides of a comparison says what is wrong with it once.
    static std::set<std::string> told;
    std::string text = scenario::render(loaded.diagnostics, loaded.sources, colour_on_stderr());
    if (told.insert(text).second) {
        print_err(text);
    }
    if (json != nullptr) {
        *json += diagnostics_json(loaded, file);
    }
    good = good && !loaded.diagnostics.has_errors();
    return std::move(loaded.cells);
}

bool known_defects_or_tell(const std::vector<std::string>& defects) {
    const std::vector<std::string>& known = program_vocabulary().defects;
    static std::set<std::string> told;
    bool good = true;
    for (const std::string& defect : defects) {
        if (std::find(known.begin(), known.end(), defect) == known.end()) {
            if (told.insert(defect).second) {
                complain(Code::UnknownDefect,
                         fmt::format("there is no seeded defect {}", quoted(defect)),
                         suggest(defect, known));
            }
            good = false;
        }
    }
    return good;
}

int run_command(const RunOptions& options) {
    return RunCommand(options).run();
}

int validate_command(const std::vector<std::string>& files, const std::vector<std::string>& sets,
                     bool json) {
    bool all_good = true;
    std::size_t bad = 0;
    for (const std::string& file : files) {
        bool good = true;
        std::string lines;
        const auto cells = load_or_tell(file, {sets, {}}, good, json ? &lines : nullptr);
        if (json) {
            print_out(lines);
        } else if (good) {
            print_out(fmt::format("{}: valid, {} run{}\n", file, cells.size(),
                                  cells.size() == 1 ? "" : "s"));
        }
        bad += good ? 0 : 1;
        all_good = all_good && good;
    }
    const std::string line = fmt::format("{} file{}, {} valid, {} with errors", files.size(),
                                         files.size() == 1 ? "" : "s", files.size() - bad, bad);
    print_out(json ? fmt::format("{{\"summary\": {}}}\n", scenario::json_quote(line))
                   : line + "\n");
    return all_good ? kPass : kUsage;
}

}  // namespace ioasim::tools
