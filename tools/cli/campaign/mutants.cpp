#include "tools/cli/campaign/mutants.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "core/base/defects.hpp"
#include "core/base/words.hpp"
#include "tools/cli/campaign/run_record.hpp"
#include "tools/cli/campaign/scenario_files.hpp"
#include "tools/cli/run_pool.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

constexpr std::uint64_t kRunMemory = std::uint64_t{4} << 30U;

struct Subject {
    Job job;
    bool later_cell = false;  // of a matrix
    bool passes = true;       // unbroken
    std::uint64_t events = 0;
    std::set<std::string> asked;  // defects that its unbroken runs ask for
};

struct Turn {
    std::size_t subject;
    std::uint64_t number;  // of the run
};

struct Mutant {
    std::string name;
    std::vector<Turn> turns;
    std::size_t next = 0;    // turn
    std::uint64_t made = 0;  // runs until it was caught
    bool under_way = false;
    bool over = false;
    bool crashes = false;  // some run ended with an internal error
    // How it was caught.
    bool caught = false;
    bool by_default = false;  // some scenario catches it at its own seed
    std::string code;
    std::string scenario;
    std::uint64_t run = 0;
    std::string reproduce;

    std::string model() const { return name.substr(0, name.find('.')); }
};

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
        : options_(options), pool_(options.jobs, options.run_seconds, kRunMemory) {}

    int run() {
        if (!known_defects_or_tell(options_.defects) || !load()) {
            return kUsage;
        }
        survey();
        plan_mutants();
        while (signal_seen() == 0 && start_some()) {
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
                bool later = false;
                for (scenario::Scenario& cell : load_or_tell(file, {}, good)) {
                    if (cell.campaign == "none") {
                        continue;
                    }
                    RunOptions run;
                    run.no_files = true;
                    run.quiet = true;
                    run.timeout_seconds = options_.run_seconds;
                    Subject subject;
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
            job.options.seed = options_.seed;
            job.options.run = number;
            job.effective_seed = effective_seed(options_.seed, number);
        }
        return job;
    }

    // What the unbroken models ask for, in the default run and in one of another kind.
    void survey() {
        constexpr std::uint64_t kKinds = 2;
        for (std::size_t i = 0; i < kKinds * subjects_.size() && signal_seen() == 0;) {
            while (pool_.full()) {
                pool_.look();
            }
            Subject& subject = subjects_[i / kKinds];
            const std::uint64_t number = i % kKinds;
            Job job = numbered(subject, number);
            job.options.watch_defects = true;
            pool_.start(job, i, [this, &subject, number](const RunResult& result) {
                subject.asked.insert(result.defects.begin(), result.defects.end());
                subject.events += number == 0 ? result.events : 0;
                if (result.exit_code != kPass) {
                    subject.passes = false;
                    broken_.insert(reproduce_line(numbered(subject, number)));
                }
                show("looking at the unbroken models");
            });
            ++i;
        }
        while (!pool_.idle()) {
            pool_.look();
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
    std::vector<Turn> turns_of(const std::string& name) const {
        std::size_t first_cells = 0;
        const std::vector<std::size_t> order =
            order_for(name.substr(0, name.find('.')), first_cells);
        std::vector<Turn> first;
        std::vector<Turn> later;
        std::vector<std::size_t> varied;
        std::vector<std::size_t> swarm;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const Subject& subject = subjects_[order[i]];
            if (subject.asked.count(name) != 0) {
                (i < first_cells ? first : later).push_back({order[i], 0});
                varied.push_back(order[i]);
                if (subject.job.scenario.campaign == "swarm") {
                    swarm.push_back(order[i]);
                }
            }
        }
        if (!swarm.empty()) {
            varied = swarm;
        }
        std::vector<Turn> turns = first;
        auto next_later = later.begin();
        for (std::size_t i = 0; !varied.empty() && turns.size() < options_.runs; ++i) {
            if (next_later != later.end()) {
                turns.push_back(*next_later++);
            }
            turns.push_back({varied[i % varied.size()], 1 + i / varied.size()});
        }
        turns.insert(turns.end(), next_later, later.end());
        return turns;
    }

    void plan_mutants() {
        for (const Declaration* defect : Declaration::all(Declaration::Kind::Defect)) {
            const std::string name(defect->name());
            const auto& chosen = options_.defects;
            if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), name) == chosen.end()) {
                continue;
            }
            Mutant mutant;
            mutant.name = name;
            mutant.turns = turns_of(name);
            mutant.over = mutant.turns.empty();
            mutants_.push_back(std::move(mutant));
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
        return !pool_.idle();
    }

    Job job_of(const Mutant& mutant, const Subject& subject, std::uint64_t number) const {
        Job job = numbered(subject, number);
        job.scenario.config.defects.push_back(mutant.name);
        job.options.defects.push_back(mutant.name);
        return job;
    }

    void start(Mutant& mutant) {
        const Turn turn = mutant.turns[mutant.next++];
        const Job job = job_of(mutant, subjects_[turn.subject], turn.number);
        mutant.under_way = true;
        mutant.made += mutant.caught ? 0 : 1;
        ++runs_;
        pool_.start(job, 0,
                    [this, &mutant, turn, line = reproduce_line(job)](const RunResult& result) {
                        judge(mutant, turn, line, result);
                    });
    }

    void judge(Mutant& mutant, const Turn& turn, const std::string& line, const RunResult& result) {
        mutant.crashes = mutant.crashes || result.exit_code == kInternal;
        if (result.exit_code != kFailed && result.exit_code != kHang) {
            go_on(mutant);
            return;
        }
        const std::string code = telling_code(record_of(result).codes);
        if (turn.number == 0) {
            told(mutant, turn, line, code);
            return;
        }
        // Only if the same run of the unbroken models passes.
        ++runs_;
        pool_.start(
            numbered(subjects_[turn.subject], turn.number), 0,
            [this, &mutant, turn, line, code](const RunResult& unbroken) {
                if (unbroken.exit_code == kPass) {
                    told(mutant, turn, line, code);
                    return;
                }
                broken_.insert(reproduce_line(numbered(subjects_[turn.subject], turn.number)));
                go_on(mutant);
            });
    }

    void told(Mutant& mutant, const Turn& turn, const std::string& line, const std::string& code) {
        mutant.by_default = turn.number == 0;
        if (!mutant.caught) {
            mutant.caught = true;
            mutant.code = code;
            mutant.scenario = subjects_[turn.subject].job.scenario.full_name();
            mutant.run = turn.number;
            mutant.reproduce = line;
        }
        go_on(mutant);
    }

    // What exploration has found may be found by a default seed whose turn has not come yet.
    void go_on(Mutant& mutant) {
        mutant.under_way = false;
        if (mutant.caught && !mutant.by_default) {
            while (mutant.next < mutant.turns.size() && mutant.turns[mutant.next].number != 0) {
                ++mutant.next;
            }
        }
        mutant.over = mutant.by_default || mutant.next == mutant.turns.size() ||
                      (!mutant.caught && mutant.made >= options_.runs);
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

    struct Sums {
        std::size_t all = 0;
        std::size_t at_default = 0;
        std::size_t explored = 0;
        std::uint64_t most = 0;  // runs of one that was caught
        std::size_t missed() const { return all - at_default - explored; }
    };

    std::map<std::string, Sums> sums_by_model() const {
        std::map<std::string, Sums> by_model;
        for (const Mutant& mutant : mutants_) {
            for (const std::string& key : {mutant.model(), std::string()}) {
                Sums& sums = by_model[key];
                ++sums.all;
                sums.at_default += mutant.by_default ? 1 : 0;
                sums.explored += mutant.caught && !mutant.by_default ? 1 : 0;
                sums.most = std::max(sums.most, mutant.caught ? mutant.made : 0);
            }
        }
        return by_model;
    }

    std::string summary() const {
        const auto by_model = sums_by_model();
        const auto all = by_model.find("");
        const Sums sums = all == by_model.end() ? Sums() : all->second;
        return fmt::format("{}: {} caught at the default seeds, {} by exploration, {} missed; {}",
                           plural(sums.all, "mutant"), sums.at_default, sums.explored,
                           sums.missed(), plural(runs_, "run"));
    }

    static std::string how(const Mutant& mutant) {
        if (mutant.caught) {
            return fmt::format("{} in {}{}", mutant.code, mutant.scenario,
                               mutant.run == 0 ? "" : fmt::format(", run {}", mutant.run));
        }
        return mutant.turns.empty() ? "MISSED: no scenario reaches it"
               : mutant.crashes     ? "MISSED: runs only end with internal errors"
                                    : "MISSED";
    }

    void print_text() const {
        std::string out = fmt::format("{:<44} {:>5} {}\n", "mutant", "runs", "caught by");
        for (const Mutant& mutant : mutants_) {
            if (!options_.explored || !mutant.by_default) {
                out += fmt::format("{:<44} {:>5} {}\n", mutant.name, mutant.made, how(mutant));
            }
        }
        out += fmt::format("\n{:<12} {:>8} {:>10} {:>9} {:>7} {:>10}\n", "model", "mutants",
                           "at default", "explored", "missed", "most runs");
        for (const auto& [model, sums] : sums_by_model()) {
            out += fmt::format("{:<12} {:>8} {:>10} {:>9} {:>7} {:>10}\n",
                               model.empty() ? "all" : model, sums.all, sums.at_default,
                               sums.explored, sums.missed(), sums.most);
        }
        if (!broken_.empty()) {
            out += "fail without a mutant, so that they tell nothing:\n";
        }
        for (const std::string& line : broken_) {
            out += "  " + line + "\n";
        }
        print_out(out + summary() + "\n");
    }

    void print_json(int code) const {
        Node list = Node::array();
        for (const Mutant& mutant : mutants_) {
            Node item = Node::object();
            item.set("mutant", Node::string(mutant.name));
            item.set("model", Node::string(mutant.model()));
            item.set("caught", Node::boolean_of(mutant.caught));
            item.set("runs", Node::number(mutant.made));
            item.set("at_default", Node::boolean_of(mutant.by_default));
            item.set("code", Node::string(mutant.code));
            item.set("scenario", Node::string(mutant.scenario));
            item.set("run", Node::number(mutant.run));
            item.set("reproduce", Node::string(mutant.reproduce));
            list.items.push_back(std::move(item));
        }
        Node node = Node::object();
        node.set("seed", Node::number(options_.seed));
        node.set("mutants", std::move(list));
        node.set("runs", Node::number(runs_));
        node.set("milliseconds", Node::number(static_cast<std::uint64_t>(seconds() * 1000)));
        node.set("exit_code", Node::number(static_cast<std::uint64_t>(code)));
        node.set("summary", Node::string(summary()));
        print_out(to_json(node, 0) + "\n");
    }

    int finish() {
        if (visible_) {
            print_err("\r\033[K");
        }
        const bool all = std::all_of(mutants_.begin(), mutants_.end(),
                                     [](const Mutant& mutant) { return mutant.caught; });
        int code = all && broken_.empty() ? kPass : kFailed;
        if (signal_seen() != 0) {
            code = worse(code, 128 + signal_seen());
        }
        options_.json ? print_json(code) : print_text();
        return code;
    }

    using Clock = std::chrono::steady_clock;
    const MutantOptions& options_;
    RunPool pool_;
    std::vector<Subject> subjects_;
    std::vector<Mutant> mutants_;
    std::set<std::string> broken_;  // runs that fail without a mutant
    std::uint64_t runs_ = 0;
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool visible_ = false;
};

}  // namespace

int campaign_mutants(const MutantOptions& options) {
    return Mutants(options).run();
}

}  // namespace ioasim::tools
