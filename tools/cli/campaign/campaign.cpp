#include "tools/cli/campaign/campaign.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>

#include <unistd.h>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/campaign/scenario_files.hpp"
#include "tools/cli/campaign/tally.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/reports.hpp"
#include "tools/cli/run_pool.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Node;

void complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
}

// Reports of records, in an order that does not depend on the host.
class RecordReports {
public:
    explicit RecordReports(const std::vector<std::string>& requests) : requests_(requests) {}
    // False: one of them cannot be had, which stderr has been told.
    bool good(const std::vector<std::string>& inputs, bool force, bool json) const {
        const std::vector<std::string> problems = check_reports(requests_, json);
        for (const std::string& problem : problems) {
            complain(Code::Usage, problem);
        }
        if (!problems.empty()) {
            return false;
        }
        Outputs outputs(inputs, force);
        return std::all_of(requests_.begin(), requests_.end(), [&outputs](const auto& request) {
            const std::string file = report_file(request);
            return file.empty() || outputs.add("--report", file);
        });
    }
    void add(const RunRecord& record) {
        if (!requests_.empty()) {
            results_.push_back(result_of(record));
        }
    }
    // The exit code that they leave of `code`.
    int write(int code) {
        const auto place = [](const RunResult& r) {
            return std::tie(r.file, r.name, r.cell, r.seed, r.run, r.hash);
        };
        std::sort(results_.begin(), results_.end(),
                  [place](const RunResult& a, const RunResult& b) { return place(a) < place(b); });
        for (const std::string& request : requests_) {
            const std::string problem = write_report(request, results_);
            if (!problem.empty()) {
                complain(Code::CannotWrite, "cannot write " + problem);
                code = worse(code, kInternal);
            }
        }
        return code;
    }
    bool silent() const { return report_has_stdout(requests_); }

private:
    const std::vector<std::string>& requests_;
    std::vector<RunResult> results_;
};

class CampaignRun {
public:
    explicit CampaignRun(const CampaignOptions& options)
        : options_(options),
          pool_(options.jobs, options.run_seconds, options.run_memory,
                [this](std::uint64_t order) -> const Job& { return job_of(order); }),
          folder_(options.out.empty() ? fmt::format("out/campaign-{}", options.seed)
                                      : options.out) {}

    bool check() { return known_defects_or_tell(options_.defects) && load(); }

    int run() {
        if (!check() || !folder_can_be_made() ||
            !reports_.good(options_.files, options_.force, options_.json)) {
            return kUsage;
        }
        next_ = options_.shard - 1;
        while (more() || !pool_.idle()) {
            while (more() && !pool_.full()) {
                start(next_);
                next_ += options_.shards;
            }
            pool_.look();
            show_progress();
        }
        return finish();
    }

private:
    bool load() {
        bool good = true;
        for (const std::string& name : options_.files) {
            for (const std::string& file : scenario_files(name)) {
                for (scenario::Scenario& cell :
                     load_or_tell(file, {options_.sets, options_.defects}, good)) {
                    if (cell.campaign == "none") {
                        ++left_out_;
                    } else {
                        RunOptions run;
                        run.seed = options_.seed;
                        run.sets = options_.sets;
                        run.defects = options_.defects;
                        run.no_files = true;
                        run.quiet = true;
                        run.timeout_seconds = options_.run_seconds;
                        add(plan(cell, run));
                    }
                }
            }
        }
        if (good && jobs_.empty()) {
            complain(Code::Usage, "no scenario of these may be varied",
                     R"("campaign": "none" keeps a scenario out of campaigns)");
            return false;
        }
        return good;
    }

    // Equal configurations have the same runs, and the same results.
    void add(Job job) {
        const std::string name = file_with_cell(job.scenario.file, job.scenario.cell);
        const auto [first, fresh] = known_.emplace(job.hash, name);
        if (fresh) {
            jobs_.push_back(std::move(job));
        } else {
            ++left_out_;
            twice_.push_back(
                fmt::format("{} is left out: {} has the same configuration", name, first->second));
        }
    }

    bool folder_can_be_made() {
        std::string problem = make_folders(folder_);
        if (problem.empty() && ::access(folder_.c_str(), W_OK) != 0) {
            problem = folder_ + ": it cannot be written";
        }
        if (!problem.empty()) {
            complain(Code::CannotWrite, problem, "--out names another folder");
        }
        return problem.empty();
    }

    bool time_is_over() const {
        return options_.seconds != 0 && seconds() >= static_cast<double>(options_.seconds);
    }

    bool more() const {
        return next_ < options_.runs && signal_seen() == 0 && !time_is_over() && lost_.empty();
    }

    void start(std::uint64_t index) {
        const Job& job = jobs_[index % jobs_.size()];
        const std::uint64_t number = index / jobs_.size();
        RunRecord known;
        if (read_record(folder_, {job.hash, options_.seed, number}, known)) {
            ++taken_;
            tally_.add(known);
            reports_.add(known);
            return;
        }
        const RunKey key{job.hash, options_.seed, number};
        auto done = [this, key, line = reproduce_line(job_of(index))](RunResult result) {
            take(key, line, std::move(result));
        };
        if (options_.fresh) {
            pool_.start(job, index, std::move(done));
        } else {
            pool_.start(index, std::move(done));
        }
    }

    // Run number `index` of the campaign; the job is its own until the next is asked for.
    const Job& job_of(std::uint64_t index) {
        Job& job = jobs_[index % jobs_.size()];
        job.options.run = index / jobs_.size();
        job.effective_seed = effective_seed(options_.seed, job.options.run);
        return job;
    }

    void take(const RunKey& key, const std::string& reproduce, RunResult result) {
        result.seed = key.seed;
        result.run = key.run;
        result.reproduce = reproduce;
        if (by_signal(result.exit_code)) {
            return;
        }
        ++made_;
        // What the host did to a run is no result of it: another attempt may end otherwise.
        if (result.exit_code == kHostTimeout) {
            ++cut_;
            cut_lines_.push_back(fmt::format("{}\n    {}", result.error, reproduce));
            return;
        }
        const RunRecord record = record_of(result, options_.defects);
        lost_ = lost_.empty() ? write_record(folder_, record) : lost_;
        tally_.add(record);
        reports_.add(record);
    }

    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

    // So many of the whole are this shard's.
    std::uint64_t planned() const {
        return options_.runs < options_.shard
                   ? 0
                   : (options_.runs - options_.shard) / options_.shards + 1;
    }

    void show_progress() {
        if (options_.quiet || !colour_on_stderr() ||
            Clock::now() - shown_ < std::chrono::milliseconds(200)) {
            return;
        }
        shown_ = Clock::now();
        const double rate = static_cast<double>(made_) / std::max(seconds(), 1e-3);
        const std::uint64_t done = tally_.runs() + cut_;
        const double left =
            rate > 0 ? static_cast<double>(planned() - std::min(done, planned())) / rate : 0;
        print_err(fmt::format("\r\033[K{}/{} runs, {:.0f}/s, {} failed{}{}, {:.0f} s left", done,
                              planned(), rate, tally_.failed(), tally_.failed() == 0 ? "" : ": ",
                              tally_.by_code(3), left));
        visible_ = true;
    }

    int finish() {
        if (visible_) {
            print_err("\r\033[K");
        }
        int code = tally_.exit_code();
        if (cut_ != 0) {
            code = worse(code, kHostTimeout);
        }
        if (!lost_.empty()) {
            complain(Code::CannotWrite, lost_,
                     "the results in the folder are whole; the same command goes on from there");
            code = worse(code, kInternal);
        }
        if (signal_seen() != 0) {
            code = worse(code, 128 + signal_seen());
        }
        code = reports_.write(code);
        if (!reports_.silent()) {
            options_.json ? print_json(code) : print_text();
        }
        return code;
    }

    std::string summary() const {
        std::string line = fmt::format(
            "{} of {}: {} passed, {} failed", plural(tally_.runs(), "run"),
            plural(jobs_.size(), "scenario"), tally_.runs() - tally_.failed(), tally_.failed());
        if (cut_ != 0) {
            line += fmt::format(", {} cut by the host", cut_);
        }
        if (taken_ != 0) {
            line += fmt::format(", {} known before", taken_);
        }
        const std::uint64_t done = tally_.runs() + cut_;
        if (done < planned()) {
            line += fmt::format(", {} not made", planned() - done);
        }
        return line;
    }

    void print_text() const {
        std::string out = fmt::format(
            "campaign: seed {}, {} of {} that may be varied, {} at a time\n", options_.seed,
            plural(jobs_.size(), "scenario"), jobs_.size() + left_out_, pool_.at_once());
        for (const std::string& line : twice_) {
            out += "  " + line + "\n";
        }
        if (options_.shards > 1) {
            out += fmt::format("  shard {} of {}\n", options_.shard, options_.shards);
        }
        out += fmt::format("  {:.0f} runs a second, {:.1f} s\n",
                           static_cast<double>(made_) / std::max(seconds(), 1e-3), seconds());
        out += fmt::format("  results: {}/\n", folder_);
        out += tally_.text() + tally_.marks_text();
        if (!cut_lines_.empty()) {
            out += "cut by the host, no results of the campaign\n";
            for (const std::string& line : cut_lines_) {
                out += "  " + line + "\n";
            }
        }
        print_out(out + summary() + "\n");
    }

    void print_json(int code) const {
        Node node = Node::object();
        node.set("seed", Node::number(options_.seed));
        node.set("scenarios", Node::number(jobs_.size()));
        node.set("left_out", list_of(twice_));
        node.set("runs", Node::number(tally_.runs()));
        node.set("passed", Node::number(tally_.runs() - tally_.failed()));
        node.set("failed", Node::number(tally_.failed()));
        node.set("cut_by_host", Node::number(cut_));
        node.set("known_before", Node::number(taken_));
        node.set("milliseconds", Node::number(static_cast<std::uint64_t>(seconds() * 1000)));
        node.set("folder", Node::string(folder_));
        node.set("failures", tally_.node());
        node.set("marks_never_hit", list_of(tally_.marks_never_hit()));
        node.set("exit_code", Node::number(static_cast<std::uint64_t>(code)));
        node.set("summary", Node::string(summary()));
        print_out(to_json(node, 0) + "\n");
    }

    using Clock = std::chrono::steady_clock;
    const CampaignOptions& options_;
    RunPool pool_;
    std::string folder_;
    std::vector<Job> jobs_;
    std::map<std::string, std::string> known_;  // files by configuration
    std::vector<std::string> twice_;            // those of them that are left out
    std::size_t left_out_ = 0;
    std::uint64_t next_ = 0;
    Tally tally_;
    RecordReports reports_{options_.reports};
    std::uint64_t made_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t cut_ = 0;
    std::vector<std::string> cut_lines_;
    std::string lost_;  // the first result that could not be written
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool visible_ = false;
};

}  // namespace

int campaign_run(const CampaignOptions& options) {
    return CampaignRun(options).run();
}

bool campaign_check(const CampaignOptions& options) {
    return CampaignRun(options).check();
}

int campaign_merge(const MergeOptions& options) {
    RecordReports reports(options.reports);
    if (!reports.good({}, options.force, options.json)) {
        return kUsage;
    }
    std::map<RunKey, RunRecord> all;
    std::vector<std::string> damaged;
    std::string differ;
    std::uint64_t differing = 0;
    std::vector<std::string> folders = options.folders;
    // What is there already is an input, and stays: the first result of a run is kept.
    const bool onto = !options.out.empty() && path_exists(options.out);
    if (onto) {
        folders.erase(std::remove(folders.begin(), folders.end(), options.out), folders.end());
        folders.insert(folders.begin(), options.out);
    }
    for (const std::string& folder : folders) {
        if (!path_exists(folder)) {
            complain(Code::Usage, fmt::format("there is no folder {}", ioasim::quoted(folder)));
            return kUsage;
        }
        const std::size_t known_damage = damaged.size();
        const auto records = read_records(folder, damaged);
        // Of a shard that made none the number of runs tells.
        if (records.empty() && damaged.size() == known_damage && options.runs == 0 &&
            !(onto && folder == options.out)) {
            complain(Code::Usage,
                     fmt::format("{} holds no results of a campaign", ioasim::quoted(folder)),
                     "`ioasim campaign run --out FOLDER` makes such a folder");
            return kUsage;
        }
        for (const auto& [key, record] : records) {
            const auto [known, fresh] = all.emplace(key, record);
            if (!fresh && !same_result(known->second, record)) {
                ++differing;
                differ += fmt::format("  {} in {}\n    {}", key.path(), folder, to_text(record));
            }
        }
    }
    Tally tally;
    std::string lost;
    for (const auto& [key, record] : all) {
        tally.add(record);
        reports.add(record);
        if (!options.out.empty() && lost.empty()) {
            lost = write_record(options.out, record);
        }
    }
    for (const std::string& file : damaged) {
        complain(Code::CannotOpen, file, "the run is made again when the campaign goes on");
    }
    int code = damaged.empty() ? tally.exit_code() : worse(tally.exit_code(), kUsage);
    if (!lost.empty()) {
        complain(Code::CannotWrite, lost);
        code = worse(code, kInternal);
    }
    // A shard may have been cut, or a machine of it lost.
    const std::uint64_t missing = options.runs > tally.runs() ? options.runs - tally.runs() : 0;
    code = missing == 0 ? code : worse(code, kHostTimeout);
    const std::string line =
        fmt::format("{}: {} passed, {} failed{}{}{}", plural(tally.runs(), "run"),
                    tally.runs() - tally.failed(), tally.failed(),
                    damaged.empty() ? "" : fmt::format(", {} not readable", damaged.size()),
                    differing == 0 ? "" : fmt::format(", {} not deterministic", differing),
                    missing == 0 ? "" : fmt::format(", {} not made", missing));
    code = reports.write(code);
    if (reports.silent()) {
        // Programs read it.
    } else if (options.json) {
        Node node = Node::object();
        node.set("runs", Node::number(tally.runs()));
        node.set("failed", Node::number(tally.failed()));
        node.set("not_deterministic", Node::number(differing));
        node.set("not_made", Node::number(missing));
        node.set("not_readable", Node::number(damaged.size()));
        node.set("failures", tally.node());
        node.set("marks_never_hit", list_of(tally.marks_never_hit()));
        node.set("summary", Node::string(line));
        print_out(to_json(node, 0) + "\n");
    } else {
        print_out(tally.text() + tally.marks_text() +
                  (differ.empty() ? "" : "different results of the same run\n" + differ) + line +
                  "\n");
    }
    return differing == 0 ? code : worse(code, kInternal);
}

}  // namespace ioasim::tools
