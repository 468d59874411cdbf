#include "tools/cli/compare.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/details.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;
using scenario::Node;

struct Side {
    std::string label;
    RunResult result;
};

std::string change_of(const RunFigure& a, const RunFigure& b) {
    if (a.value == b.value || (a.time && a.value == 0)) {
        return {};
    }
    if (!a.time && a.value < 100) {
        const bool more = b.value > a.value;
        return fmt::format("{}{}", more ? "+" : "-", more ? b.value - a.value : a.value - b.value);
    }
    const double ratio = static_cast<double>(b.value) / static_cast<double>(a.value);
    return ratio >= 2 || ratio <= 0.5 ? fmt::format("{:.3g} times", ratio)
                                      : fmt::format("{:+.2g} %", (ratio - 1) * 100);
}

std::string shown(const RunFigure& figure) {
    return figure.time ? short_time(TimePs{figure.value}) : std::to_string(figure.value);
}

// Findings by code, as figures of risk.
std::map<std::string, std::uint64_t> by_code(const RunResult& result) {
    std::map<std::string, std::uint64_t> counts;
    for (const scenario::SeenFinding& finding : result.findings) {
        ++counts[finding.code];
    }
    return counts;
}

std::uint64_t count_of(const std::map<std::string, std::uint64_t>& counts, const std::string& key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
}

class Comparison {
public:
    Comparison(const RunResult& a, const RunResult& b) : a_(a), b_(b) {
        text("outcome", "verdict", a_.verdict(), b_.verdict());
        text("outcome", "ended by", a_.reason, b_.reason);
        text("outcome", "IOASID core", a_.profile, b_.profile);
        steps();
        failures();
        number({"cost", "simulated time", true, a_.end_ps}, {"cost", "", true, b_.end_ps});
        number({"cost", "events", false, a_.events}, {"cost", "", false, b_.events});
        for (std::size_t i = 0; i < std::min(a_.figures.size(), b_.figures.size()); ++i) {
            number(a_.figures[i], b_.figures[i]);
        }
        findings();
        std::stable_sort(rows_.begin(), rows_.end(), [](const CompareRow& x, const CompareRow& y) {
            return rank(x.aspect) < rank(y.aspect);
        });
    }
    std::vector<CompareRow> take() { return std::move(rows_); }

private:
    static int rank(const std::string& aspect) {
        return aspect == "outcome" ? 0 : (aspect == "cost" ? 1 : 2);
    }
    void text(const char* aspect, std::string name, std::string a, std::string b) {
        rows_.push_back({aspect, std::move(name), std::move(a), std::move(b), ""});
    }
    void number(const RunFigure& a, const RunFigure& b) {
        rows_.push_back({a.aspect, a.name, shown(a), shown(b), change_of(a, b)});
    }
    // A step of one side only counts as different, too.
    void steps() {
        std::map<std::string, std::pair<std::string, std::string>> all;
        for (const StepEnd& step : a_.steps) {
            all[step.name].first = step.result;
        }
        for (const StepEnd& step : b_.steps) {
            all[step.name].second = step.result;
        }
        for (const auto& [name, results] : all) {
            text("outcome", "step " + name, results.first.empty() ? "-" : results.first,
                 results.second.empty() ? "-" : results.second);
        }
    }
    void failures() {
        std::set<std::string> all;
        const auto texts = [&all](const RunResult& result) {
            std::set<std::string> own;
            for (const scenario::Failure& failure : result.failures) {
                own.insert(failure.text);
                all.insert(failure.text);
            }
            return own;
        };
        const std::set<std::string> in_a = texts(a_);
        const std::set<std::string> in_b = texts(b_);
        for (const std::string& one : all) {
            text("outcome", "expected " + one, in_a.count(one) != 0 ? "fails" : "-",
                 in_b.count(one) != 0 ? "fails" : "-");
        }
    }
    void findings() {
        const auto in_a = by_code(a_);
        const auto in_b = by_code(b_);
        std::map<std::string, std::uint64_t> all = in_a;
        all.insert(in_b.begin(), in_b.end());
        number({"risk", "findings", false, a_.findings_total},
               {"risk", "", false, b_.findings_total});
        for (const auto& [code, any] : all) {
            number({"risk", "finding " + code, false, count_of(in_a, code)},
                   {"risk", "", false, count_of(in_b, code)});
        }
    }

    const RunResult& a_;
    const RunResult& b_;
    std::vector<CompareRow> rows_;
};

std::string cut(const std::string& text, std::size_t most) {
    return text.size() <= most ? text : text.substr(0, most - 3) + "...";
}

using Rows = std::vector<CompareRow>;

std::size_t differing(const Rows& rows) {
    return static_cast<std::size_t>(
        std::count_if(rows.begin(), rows.end(), [](const CompareRow& r) { return r.differs(); }));
}

std::string table(const Rows& rows, const Side& a, const Side& b, bool all) {
    constexpr std::size_t kName = 44;
    constexpr std::size_t kValue = 18;
    std::string out = fmt::format("A: {}\nB: {}\n", a.label, b.label);
    std::string aspect;
    for (const CompareRow& row : rows) {
        if (!all && !row.differs()) {
            continue;
        }
        if (row.aspect != aspect) {
            aspect = row.aspect;
            out +=
                fmt::format("{:<{}} {:>{}} {:>{}}\n", aspect, kName + 2, "A", kValue, "B", kValue);
        }
        out += fmt::format("  {:<{}} {:>{}} {:>{}}{}\n", cut(row.name, kName), kName,
                           cut(row.a, kValue), kValue, cut(row.b, kValue), kValue,
                           row.change.empty() ? "" : "  " + row.change);
    }
    const std::size_t same = rows.size() - differing(rows);
    out += fmt::format("{} of {} differ{}\n", differing(rows), rows.size(),
                       same != 0 && !all ? "; --all shows the others" : "");
    return out;
}

Node side_node(const Side& side) {
    Node node = Node::object();
    node.set("label", Node::string(side.label));
    node.set("scenario", Node::string(side.result.full_name()));
    node.set("config", Node::string(side.result.hash));
    node.set("reproduce", Node::string(side.result.reproduce));
    return node;
}

std::string json(const Rows& rows, const Side& a, const Side& b) {
    Node node = Node::object();
    node.set("a", side_node(a));
    node.set("b", side_node(b));
    Node list = Node::array();
    for (const CompareRow& row : rows) {
        Node item = Node::object();
        item.set("aspect", Node::string(row.aspect));
        item.set("name", Node::string(row.name));
        item.set("a", Node::string(row.a));
        item.set("b", Node::string(row.b));
        item.set("change", Node::string(row.change));
        item.set("differs", Node::boolean_of(row.differs()));
        list.items.push_back(std::move(item));
    }
    node.set("rows", std::move(list));
    return to_json(node, 0) + "\n";
}

// The runs of one side; a matrix has several.
std::vector<Job> jobs_of(const std::string& file, RunOptions options,
                         const std::vector<std::string>& sets,
                         const std::vector<std::string>& defects, bool& good) {
    options.sets.insert(options.sets.end(), sets.begin(), sets.end());
    options.defects.insert(options.defects.end(), defects.begin(), defects.end());
    options.files = {file};
    std::vector<Job> jobs;
    const bool known = known_defects_or_tell(options.defects);
    good = known && good;
    for (const scenario::Scenario& cell : load_or_tell(
             file, {options.sets, known ? options.defects : std::vector<std::string>()}, good)) {
        jobs.push_back(plan(cell, options));
    }
    return jobs;
}

std::string label_of(const Job& job, const std::vector<std::string>& sets,
                     const std::vector<std::string>& defects) {
    std::string label = job.scenario.file;
    label += job.scenario.cell.empty() ? "" : " [" + job.scenario.cell + "]";
    for (const std::string& set : sets) {
        label += " --set " + set;
    }
    for (const std::string& defect : defects) {
        label += " --defect " + defect;
    }
    return label;
}

// Cells of the same name belong together; two files with one run each, too.
const Job* partner(const Job& job, const std::vector<Job>& jobs, bool single) {
    const auto found = std::find_if(jobs.begin(), jobs.end(), [&](const Job& other) {
        return single || other.scenario.cell == job.scenario.cell;
    });
    return found == jobs.end() ? nullptr : &*found;
}

bool carried_out(const RunResult& result) {
    return result.exit_code == kPass || result.exit_code == kFailed || result.exit_code == kHang;
}

}  // namespace

std::vector<CompareRow> compare(const RunResult& a, const RunResult& b) {
    return Comparison(a, b).take();
}

int compare_command(const CompareOptions& o) {
    const std::string& file_a = o.run.files.front();
    const std::string& file_b = o.run.files.back();
    bool good = true;
    const std::vector<Job> as = jobs_of(file_a, o.run, o.a, o.defects_a, good);
    const std::vector<Job> bs = jobs_of(file_b, o.run, o.b, o.defects_b, good);
    if (!good) {
        return kUsage;
    }
    const bool single = as.size() == 1 && bs.size() == 1;
    int code = kPass;
    std::size_t pairs = 0;
    for (const Job& job_a : as) {
        const Job* const job_b = partner(job_a, bs, single);
        if (job_b == nullptr || signal_seen() != 0) {
            continue;
        }
        Side a{label_of(job_a, o.a, o.defects_a), run_isolated(job_a)};
        Side b{label_of(*job_b, o.b, o.defects_b), run_isolated(*job_b)};
        if (!carried_out(a.result) || !carried_out(b.result)) {
            const RunResult& bad = carried_out(a.result) ? b.result : a.result;
            print_err(summary_text(bad, false, 60));
            return worse(a.result.status(), b.result.status());
        }
        const Rows rows = compare(a.result, b.result);
        print_out(o.run.json ? json(rows, a, b)
                             : std::string(pairs == 0 ? "" : "\n") + table(rows, a, b, o.all));
        code = o.same && differing(rows) != 0 ? kFailed : code;
        ++pairs;
    }
    if (pairs == 0 && signal_seen() == 0) {
        print_err(scenario::render_plain(
            Code::Usage,
            fmt::format("no run of {} has a partner in {}: their matrices name different cells",
                        file_a, file_b),
            "--a and --b choose one of each"));
        return kUsage;
    }
    return signal_seen() != 0 ? 128 + signal_seen() : code;
}

}  // namespace ioasim::tools
