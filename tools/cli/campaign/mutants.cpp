#include "tools/cli/campaign/mutants.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "core/base/defects.hpp"
#include "core/base/words.hpp"
#include "tools/cli/campaign/mutant.hpp"
#include "tools/cli/campaign/mutant_report.hpp"
#include "tools/cli/campaign/mutant_table.hpp"
#include "tools/cli/campaign/run_record.hpp"
#include "tools/cli/campaign/scenario_files.hpp"
#include "tools/cli/run_pool.hpp"
#include "tools/cli/terminal.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

constexpr std::uint64_t kRunMemory = std::uint64_t{4} << 30U;

// A finding says more than that some expectation failed.
std::string telling_code(const std::vector<std::string>& codes) {
    const auto finding = std::find_if(codes.begin(), codes.end(), [](const std::string& code) {
        return code.find('.') != std::string::npos;
    });
    return finding == codes.end() ? codes.front() : *finding;
}

class Mutants {
public:
    explicit Mutants(const MutantOptions& options)
        : options_(options),
          seed_(options.seed),
          pool_(options.jobs, options.run_seconds, kRunMemory) {}

    int run() {
        if (!known_defects_or_tell(options_.defects) || !read_documents() || !load()) {
            return kUsage;
        }
        choose_mutants();
        if (!options_.check.empty()) {
            checking_ = true;
            plan_known();
            search();
            note_moved();
            checking_ = false;
        }
        const bool more = std::any_of(mutants_.begin(), mutants_.end(),
                                      [](const Mutant& m) { return !m.row.caught(); });
        if (more && signal_seen() == 0) {
            survey_default_runs();
            plan_search();
            search();
        }
        return finish();
    }

private:
    bool read_documents() {
        if (!options_.check.empty()) {
            std::string problem = options_.check + " cannot be read";
            if (!read_file(options_.check, checked_) ||
                !read_table(checked_, known_, seed_, problem)) {
                complain(scenario::Code::Usage, options_.check + ": " + problem);
                return false;
            }
        }
        const std::string problem =
            !options_.out.empty() ? make_folders(options_.out) : std::string();
        if (!problem.empty()) {
            complain(scenario::Code::CannotWrite, problem);
        }
        return problem.empty();
    }

    static bool read_file(const std::string& path, std::string& text) {
        std::ifstream in(path, std::ios::binary);
        text.assign(std::istreambuf_iterator<char>(in), {});
        return in.good() || in.eof();
    }

    static void complain(scenario::Code code, const std::string& text) {
        print_err(scenario::render_plain(code, text, {}));
    }

    // A scenario that no campaign varies runs at its own seed only. Those with many of everything
    // take minutes: no suite runs them, neither does this.
    static bool too_big(const scenario::Scenario& cell) {
        return cell.campaign == "none" && cell.file.find("stress/") != std::string::npos;
    }

    bool load() {
        bool good = true;
        for (const std::string& name : options_.files) {
            for (const std::string& file : scenario_files(name)) {
                bool later = false;
                for (scenario::Scenario& cell : load_or_tell(file, {}, good)) {
                    if (too_big(cell)) {
                        continue;
                    }
                    RunOptions run;
                    run.no_files = true;
                    run.quiet = true;
                    run.timeout_seconds = options_.run_seconds;
                    Subject subject;
                    subject.fixed = cell.campaign == "none";
                    subject.job = plan(cell, run);
                    subject.later_cell = std::exchange(later, true);
                    subjects_.push_back(std::move(subject));
                }
            }
        }
        return good;
    }

    // Run 0 is the scenario at its own seed, in the fixed order.
    Job numbered(const Subject& subject, std::uint64_t number) const {
        Job job = subject.job;
        if (number != 0) {
            job.options.seed = seed_;
            job.options.run = number;
            job.effective_seed = effective_seed(seed_, number);
        }
        return job;
    }

    using Judge = std::function<void(const RunRecord&)>;

    // Makes a run, or takes its result from where an earlier search left it.
    void make(const Job& job, std::uint64_t number, const std::string& mutant, const Judge& judge) {
        const RunKey key{job.hash, number == 0 ? job.scenario.seed : seed_, number};
        const std::string kind = !mutant.empty()             ? mutant
                                 : job.options.watch_defects ? "survey"
                                                             : "unbroken";
        const std::string folder = options_.out.empty() ? "" : options_.out + "/" + kind;
        RunRecord known;
        if (!folder.empty() && read_record(folder, key, known)) {
            ++taken_;
            judge(known);
            return;
        }
        ++runs_;
        pool_.start(job, 0, [this, key, folder, mutant, judge](RunResult result) {
            result.seed = key.seed;
            result.run = key.run;
            std::vector<std::string> defects;
            if (!mutant.empty()) {
                defects.push_back(mutant);
            }
            const RunRecord record = record_of(result, defects);
            // What the host did to a run is no result of it.
            if (!folder.empty() && record.exit_code != kHostTimeout &&
                !by_signal(record.exit_code) && lost_.empty()) {
                lost_ = write_record(folder, record);
            }
            judge(record);
        });
    }

    // What the unbroken models ask for in a run. It is made once, for all mutants.
    Survey& survey_of(std::size_t index, std::uint64_t number) {
        Survey& survey = surveys_[{index, number}];
        if (!survey.started) {
            survey.started = true;
            Job job = numbered(subjects_[index], number);
            job.options.watch_defects = true;
            make(job, number, {}, [this, index, number, &survey](const RunRecord& record) {
                survey.ended = true;
                survey.passes = record.exit_code == kPass;
                survey.asked.insert(record.asked.begin(), record.asked.end());
                if (!survey.passes && !by_signal(record.exit_code)) {
                    broken_.insert(reproduce_line(numbered(subjects_[index], number)));
                }
                Subject& subject = subjects_[index];
                if (number == 0) {
                    subject.passes = survey.passes;
                    subject.events = record.events;
                }
            });
        }
        return survey;
    }

    void survey_default_runs() {
        for (std::size_t i = 0; i < subjects_.size() && signal_seen() == 0; ++i) {
            while (pool_.full()) {
                pool_.look();
            }
            survey_of(i, 0);
            show("looking at the unbroken models");
        }
        while (!pool_.idle()) {
            pool_.look();
        }
        plan_varied();
    }

    // What is varied, the same for all mutants: two of three are scenarios that were made for that,
    // which stand in a folder of their own, the third is one of all others; those with the fewest
    // events first.
    void plan_varied() {
        std::vector<std::size_t> order;
        std::vector<std::size_t> made_for_it;
        std::vector<std::size_t> others;
        std::size_t first_cells = 0;
        for (const std::size_t i : order_for({}, first_cells)) {
            const scenario::Scenario& cell = subjects_[i].job.scenario;
            if (cell.campaign == "swarm") {
                (cell.file.find("stress/") != std::string::npos ? made_for_it : others)
                    .push_back(i);
            } else if (!subjects_[i].fixed) {
                order.push_back(i);
            }
        }
        if (others.empty() && made_for_it.empty()) {
            others = order;
        }
        const auto add = [this](const std::vector<std::size_t>& from, std::size_t n) {
            if (!from.empty()) {
                varied_.push_back({from[n % from.size()], 1 + n / from.size()});
            }
        };
        varied_.clear();
        for (std::size_t n = 0; varied_.size() < options_.runs && !subjects_.empty(); ++n) {
            const std::size_t before = varied_.size();
            add(made_for_it, 2 * n);
            add(made_for_it, 2 * n + 1);
            add(others, n);
            if (varied_.size() == before) {
                break;
            }
        }
    }

    // Scenarios of the model's own folder, then those that make the fewest events; of a matrix the
    // first cell, and the others in the second round.
    std::vector<std::size_t> order_for(const std::string& model, std::size_t& first_cells) const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < subjects_.size(); ++i) {
            if (subjects_[i].passes) {
                order.push_back(i);
            }
        }
        const auto rank = [&](std::size_t i) {
            const Subject& s = subjects_[i];
            const bool own = s.job.scenario.file.find("/" + model + "/") != std::string::npos;
            return std::make_tuple(s.later_cell, !own, s.events, i);
        };
        std::sort(order.begin(), order.end(),
                  [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
        first_cells = static_cast<std::size_t>(
            std::count_if(order.begin(), order.end(),
                          [this](std::size_t i) { return !subjects_[i].later_cell; }));
        return order;
    }

    // First cells at their own seeds; then, in turn, a later cell and a run of another kind.
    std::vector<Turn> turns_of(const std::string& name) {
        std::size_t first_cells = 0;
        const std::vector<std::size_t> order =
            order_for(name.substr(0, name.find('.')), first_cells);
        std::vector<Turn> turns;
        std::vector<Turn> later;
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (survey_of(order[i], 0).asked.count(name) != 0) {
                (i < first_cells ? turns : later).push_back({order[i], 0});
            }
        }
        auto next_later = later.begin();
        for (const Turn& turn : varied_) {
            if (next_later != later.end()) {
                turns.push_back(*next_later++);
            }
            turns.push_back(turn);
        }
        turns.insert(turns.end(), next_later, later.end());
        return turns;
    }

    void choose_mutants() {
        for (const Declaration* defect : Declaration::all(Declaration::Kind::Defect)) {
            const std::string name(defect->name());
            const auto& chosen = options_.defects;
            if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), name) == chosen.end()) {
                continue;
            }
            Mutant mutant;
            mutant.row.mutant = name;
            mutants_.push_back(std::move(mutant));
        }
    }

    const MutantRow* known_row(const std::string& mutant) const {
        const auto row = std::find_if(known_.begin(), known_.end(),
                                      [&](const MutantRow& r) { return r.mutant == mutant; });
        return row == known_.end() ? nullptr : &*row;
    }

    // The run that the table names; where only exploration finds the mutant, behind the default
    // run of the same scenario, which must not.
    void plan_known() {
        for (Mutant& mutant : mutants_) {
            const MutantRow* const row = known_row(mutant.name());
            mutant.over = row == nullptr || !row->caught();
            for (std::size_t i = 0; !mutant.over && i < subjects_.size(); ++i) {
                const scenario::Scenario& cell = subjects_[i].job.scenario;
                if (cell.file == row->file && cell.cell == row->cell) {
                    mutant.turns.push_back({i, 0});
                    if (row->run != 0) {
                        mutant.turns.push_back({i, row->run});
                    }
                }
            }
            mutant.over = mutant.turns.empty();
        }
    }

    // What the table says of a mutant that its run still catches stays.
    void note_moved() {
        for (Mutant& mutant : mutants_) {
            const MutantRow* const row = known_row(mutant.name());
            if (row == nullptr) {
                absent_.push_back(mutant.name());
            } else if (mutant.row.code == row->code && mutant.row.run == row->run) {
                mutant.row.runs = row->runs;
            } else {
                mutant.row = MutantRow();
                mutant.row.mutant = row->mutant;
                moved_.push_back(row->mutant);
            }
        }
        for (const MutantRow& row : known_) {
            if (Declaration::find(Declaration::Kind::Defect, row.mutant) == nullptr) {
                unknown_.push_back(row.mutant);
            }
        }
    }

    void plan_search() {
        for (Mutant& mutant : mutants_) {
            if (!mutant.row.caught()) {
                mutant.turns = turns_of(mutant.name());
                mutant.next = 0;
                mutant.made = 0;
                mutant.over = mutant.turns.empty();
                mutant.reached = false;
            }
        }
    }

    void search() {
        while (signal_seen() == 0 && start_some()) {
            pool_.look();
            show_progress();
        }
    }

    // One run of each mutant at a time: how many it takes does not depend on the host. False: none
    // is left.
    bool start_some() {
        for (Mutant& mutant : mutants_) {
            if (pool_.full()) {
                return true;
            }
            if (!mutant.over && !mutant.under_way) {
                start(mutant);
            }
        }
        return std::any_of(mutants_.begin(), mutants_.end(),
                           [](const Mutant& mutant) { return !mutant.over; });
    }

    Job job_of(const Mutant& mutant, const Subject& subject, std::uint64_t number) const {
        Job job = numbered(subject, number);
        job.scenario.config.defects.push_back(mutant.name());
        job.options.defects.push_back(mutant.name());
        return job;
    }

    // Whether its next run is to be made. One that never asks for the defect is the unbroken one.
    bool due(Mutant& mutant) {
        while (!mutant.over) {
            const Turn turn = mutant.turns[mutant.next];
            if (turn.number == 0 || checking_) {
                return true;
            }
            const Survey& survey = survey_of(turn.subject, turn.number);
            if (!survey.ended) {
                return false;
            }
            if (survey.passes && survey.asked.count(mutant.name()) != 0) {
                return true;
            }
            ++mutant.next;
            ++mutant.made;
            go_on(mutant);
        }
        return false;
    }

    void start(Mutant& mutant) {
        if (!due(mutant)) {
            return;
        }
        const Turn turn = mutant.turns[mutant.next];
        ++mutant.next;
        mutant.reached = true;
        const Job job = job_of(mutant, subjects_[turn.subject], turn.number);
        mutant.under_way = true;
        ++mutant.made;
        make(job, turn.number, mutant.name(),
             [this, &mutant, turn, line = reproduce_line(job)](const RunRecord& record) {
                 judge(mutant, turn, line, record);
             });
    }

    void judge(Mutant& mutant, const Turn& turn, const std::string& line, const RunRecord& record) {
        mutant.crashes = mutant.crashes || record.exit_code == kInternal;
        if (record.exit_code != kFailed && record.exit_code != kHang) {
            go_on(mutant);
            return;
        }
        const std::string code = telling_code(record.codes);
        if (turn.number == 0 || !checking_) {
            told(mutant, turn, line, code);
            return;
        }
        // Only if the same run of the unbroken models passes.
        const Job unbroken = numbered(subjects_[turn.subject], turn.number);
        make(unbroken, turn.number, {}, [=, &mutant](const RunRecord& other) {
            if (other.exit_code == kPass) {
                told(mutant, turn, line, code);
                return;
            }
            broken_.insert(reproduce_line(unbroken));
            go_on(mutant);
        });
    }

    void told(Mutant& mutant, const Turn& turn, const std::string& line, const std::string& code) {
        MutantRow& row = mutant.row;
        if (!row.caught()) {
            row.runs = mutant.made;
        }
        const scenario::Scenario& cell = subjects_[turn.subject].job.scenario;
        row.code = code;
        row.file = cell.file;
        row.cell = cell.cell;
        row.run = turn.number;
        mutant.reproduce = line;
        go_on(mutant);
    }

    // What exploration has found may be found by a default seed whose turn has not come yet.
    void go_on(Mutant& mutant) {
        mutant.under_way = false;
        const bool caught = mutant.row.caught();
        if (caught && !mutant.row.by_default()) {
            while (mutant.next < mutant.turns.size() && mutant.turns[mutant.next].number != 0) {
                ++mutant.next;
            }
        }
        if (!caught) {
            mutant.row.runs = mutant.made;
        }
        mutant.over = mutant.row.by_default() || mutant.next == mutant.turns.size() ||
                      (!caught && mutant.made >= options_.runs);
    }

    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

    void show_progress() {
        const auto over =
            std::count_if(mutants_.begin(), mutants_.end(), [](const Mutant& m) { return m.over; });
        show(fmt::format("{} of {} mutants, {} runs", over, mutants_.size(), runs_));
    }

    void show(const std::string& text) {
        if (!options_.quiet && colour_on_stderr() &&
            Clock::now() - shown_ >= std::chrono::milliseconds(200)) {
            shown_ = Clock::now();
            print_err("\r\033[K" + text);
            visible_ = true;
        }
    }

    std::vector<MutantRow> rows() const {
        std::vector<MutantRow> rows;
        for (const Mutant& mutant : mutants_) {
            rows.push_back(mutant.row);
        }
        return rows;
    }

    static std::string why_missed(const Mutant& mutant) {
        return !mutant.reached  ? "MISSED: no run reaches it"
               : mutant.crashes ? "MISSED: runs only end with internal errors"
                                : "MISSED";
    }

    MutantReport report() const {
        MutantReport report;
        report.rows = rows();
        for (const Mutant& mutant : mutants_) {
            report.missed.push_back(why_missed(mutant));
            report.reproduce.push_back(mutant.reproduce);
        }
        report.broken.assign(broken_.begin(), broken_.end());
        report.moved = moved_;
        report.absent = absent_;
        report.unknown = unknown_;
        report.seed = seed_;
        report.runs = runs_;
        report.known_before = taken_;
        report.milliseconds = static_cast<std::uint64_t>(seconds() * 1000);
        return report;
    }

    void write_document() {
        std::string document;
        read_file(options_.table, document);
        const std::string problem =
            traces::replace_file(options_.table, with_table(document, rows(), seed_));
        lost_ = lost_.empty() ? problem : lost_;
    }

    int finish() {
        if (visible_) {
            print_err("\r\033[K");
        }
        const bool all = std::all_of(mutants_.begin(), mutants_.end(),
                                     [](const Mutant& mutant) { return mutant.row.caught(); });
        const bool good = all && absent_.empty() && unknown_.empty();
        int code = good ? kPass : kFailed;
        if (signal_seen() != 0) {
            code = worse(code, 128 + signal_seen());
        } else if (!options_.table.empty()) {
            write_document();
        }
        if (!lost_.empty()) {
            complain(scenario::Code::CannotWrite, lost_);
            code = worse(code, kInternal);
        }
        print_out(options_.json ? mutants_json(report(), code)
                                : mutants_text(report(), options_.explored));
        return code;
    }

    using Clock = std::chrono::steady_clock;
    const MutantOptions& options_;
    std::uint64_t seed_;  // of the runs after the default ones
    RunPool pool_;
    std::vector<Subject> subjects_;
    std::vector<Mutant> mutants_;
    std::map<std::pair<std::size_t, std::uint64_t>, Survey> surveys_;  // by subject and run
    std::vector<Turn> varied_;
    bool checking_ = false;         // runs that a table names
    std::string checked_;           // the document
    std::vector<MutantRow> known_;  // its table
    std::vector<std::string> moved_;
    std::vector<std::string> absent_;
    std::vector<std::string> unknown_;
    std::set<std::string> broken_;  // runs that fail without a mutant
    std::uint64_t runs_ = 0;
    std::uint64_t taken_ = 0;
    std::string lost_;  // the first result that could not be written
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool visible_ = false;
};

}  // namespace

int campaign_mutants(const MutantOptions& options) {
    return Mutants(options).run();
}

}  // namespace ioasim::tools
