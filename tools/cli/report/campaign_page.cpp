#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/campaign/tally.hpp"
#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/pages.hpp"
#include "traces/explain.hpp"
#include "traces/latency.hpp"

namespace ioasim::tools::report {
namespace {

struct ScenarioSum {
    std::uint64_t runs = 0;
    std::uint64_t failed = 0;
    std::uint64_t events = 0;
    std::map<std::string, std::uint64_t> codes;
    traces::Latency time;
};

struct CodeSum {
    std::uint64_t runs = 0;
    std::set<std::string> scenarios;
    const RunRecord* first = nullptr;  // of the lowest run, then seed
};

struct Sums {
    std::uint64_t runs = 0;
    std::uint64_t failed = 0;
    std::uint64_t events = 0;
    std::map<std::string, ScenarioSum> scenarios;
    std::map<std::string, CodeSum> codes;
    std::map<std::string, std::uint64_t> ends;
    std::set<std::uint64_t> seeds;
    int exit_code = kPass;
};

std::string name_of(const RunRecord& r) {
    return r.cell.empty() ? r.name : r.name + " [" + r.cell + "]";
}

Sums sums_of(const std::vector<RunRecord>& records) {
    Sums sums;
    for (const RunRecord& r : records) {
        ++sums.runs;
        sums.failed += r.passed() ? 0 : 1;
        sums.events += r.events;
        sums.exit_code = worse(sums.exit_code, r.exit_code);
        sums.seeds.insert(r.key.seed);
        ++sums.ends[r.reason];
        ScenarioSum& scenario = sums.scenarios[name_of(r)];
        ++scenario.runs;
        scenario.failed += r.passed() ? 0 : 1;
        scenario.events += r.events;
        scenario.time.add(TimePs{r.end_ps});
        if (r.passed()) {
            continue;
        }
        for (const std::string& code : r.codes) {
            ++scenario.codes[code];
            CodeSum& sum = sums.codes[code];
            ++sum.runs;
            sum.scenarios.insert(name_of(r));
            const bool earlier =
                sum.first == nullptr || r.key.run < sum.first->key.run ||
                (r.key.run == sum.first->key.run && r.key.seed < sum.first->key.seed);
            sum.first = earlier ? &r : sum.first;
        }
    }
    return sums;
}

// The share of failures that so many runs leave possible, 95 in 100 times (Wilson's interval).
std::string rate_text(std::uint64_t failed, std::uint64_t runs) {
    constexpr double kZ = 1.96;
    const auto n = static_cast<double>(runs);
    const double p = static_cast<double>(failed) / n;
    const double middle = (p + kZ * kZ / (2 * n)) / (1 + kZ * kZ / n);
    const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / (1 + kZ * kZ / n);
    return fmt::format("{:.2f} % ({:.2f} to {:.2f})", 100 * p,
                       100 * std::max(0.0, failed == 0 ? 0.0 : middle - half),
                       100 * std::min(1.0, middle + half));
}

std::string fact(const char* name, const std::string& value) {
    return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape(value));
}

std::string head_of(const CampaignModel& model, const Sums& sums) {
    std::string seeds;
    for (const std::uint64_t seed : sums.seeds) {
        seeds += fmt::format("{}{}", seeds.empty() ? "" : ", ", seed);
    }
    std::string out = fmt::format(
        "<h1>Campaign {}</h1>\n<p><span class=\"badge{}\">{}</span></p>\n<dl class=\"facts\">\n",
        escape(model.folder), sums.failed == 0 ? " ok" : "",
        sums.failed == 0 ? "&#10003; all passed"
                         : fmt::format("&#10007; {} failed", plural(sums.failed, "run")));
    out += fact("runs", fmt::format("{}", sums.runs)) +
           fact("scenarios", fmt::format("{}", sums.scenarios.size())) +
           fact("failed", fmt::format("{}", sums.failed)) +
           fact("failures, 95 % sure", rate_text(sums.failed, sums.runs)) + fact("seeds", seeds) +
           fact("events", fmt::format("{}", sums.events));
    out += "</dl>\n";
    if (!model.damaged.empty()) {
        out += fmt::format("<p class=\"failed\">{} not be read: {}</p>\n",
                           model.damaged.size() == 1
                               ? "1 file could"
                               : fmt::format("{} files could", model.damaged.size()),
                           escape(model.damaged.front()));
    }
    return out;
}

std::string codes_of(const Sums& sums) {
    if (sums.codes.empty()) {
        return "<p>Nothing failed.</p>\n";
    }
    std::vector<std::pair<std::string, const CodeSum*>> list;
    for (const auto& [code, sum] : sums.codes) {
        list.emplace_back(code, &sum);
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.second->runs > b.second->runs; });
    Table table("code-table", "Failures by code, most frequent first",
                {"Code", "Share of the runs", "Runs", "Scenarios", "The first one", "Repeat it"},
                true);
    std::string told;
    for (const auto& [code, sum] : list) {
        table.row({fmt::format("<code>{}</code>", escape(code)),
                   share_svg(sum->runs, sums.runs, "k-bad"), fmt::format("{}", sum->runs),
                   fmt::format("{}", sum->scenarios.size()),
                   fmt::format("<span class=\"any\">{}</span>", escape(sum->first->first)),
                   fmt::format("<code class=\"any\">{}</code>", escape(sum->first->reproduce))});
        if (const traces::Explanation* found = traces::find_explanation(code)) {
            told += fmt::format("<dt><code>{}</code></dt><dd>{} {} {}</dd>\n", escape(code),
                                escape(found->meaning), escape(found->why), escape(found->causes));
        }
    }
    return table.text() +
           (told.empty() ? "" : details("What these codes mean", "<dl>" + told + "</dl>\n"));
}

std::string scenarios_of(const Sums& sums) {
    Table table("scenario-table", "Scenarios, with the rates of their failures",
                {"Scenario", "Failed share", "Runs", "Failed", "Rate, 95 % sure", "Codes",
                 "Shortest", "Median", "Longest"},
                true);
    for (const bool failed : {true, false}) {
        for (const auto& [name, s] : sums.scenarios) {
            if ((s.failed != 0) != failed) {
                continue;
            }
            std::string codes;
            for (const auto& [code, count] : s.codes) {
                codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", escape(code), count);
            }
            table.row({escape(name), share_svg(s.failed, s.runs, "k-bad"),
                       fmt::format("{}", s.runs), fmt::format("{}", s.failed),
                       rate_text(s.failed, s.runs), codes, time_text(s.time.min().ps()),
                       time_text(s.time.median().ps()), time_text(s.time.max().ps())});
        }
    }
    std::string pictures = "<div class=\"charts\">\n";
    constexpr std::size_t kPictures = 40;
    std::size_t shown = 0;
    for (const auto& [name, s] : sums.scenarios) {
        if (shown++ < kPictures) {
            pictures += fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n",
                                    escape(name), histogram_svg(s.time, name + ": simulated time"));
        }
    }
    return table.text() + details("Simulated time of the runs", pictures + "</div>\n");
}

// Runs with a seeded defect are of a mutant: one that no run fails with is not caught.
std::string mutants_of(const CampaignModel& model) {
    struct Mutant {
        std::uint64_t runs = 0;
        std::uint64_t failed = 0;
        std::set<std::string> codes;
        std::set<std::string> by;  // scenarios that caught it
    };
    std::map<std::string, Mutant> mutants;
    for (const RunRecord& r : model.records) {
        std::string name;
        for (const std::string& defect : r.defects) {
            name += (name.empty() ? "" : ", ") + defect;
        }
        Mutant& mutant = mutants[name];
        ++mutant.runs;
        if (!r.passed()) {
            ++mutant.failed;
            mutant.codes.insert(r.codes.begin(), r.codes.end());
            mutant.by.insert(name_of(r));
        }
    }
    if (mutants.size() == 1 && mutants.begin()->first.empty()) {
        return "<p>No seeded defect was switched on: <code>campaign run --defect NAME</code> into "
               "this folder makes runs of a mutant.</p>\n";
    }
    Table table("mutant-table", "Seeded defects, and what caught them",
                {"Defect", "Caught", "Runs", "Failed", "By scenarios", "Codes"}, true);
    for (const auto& [name, m] : mutants) {
        std::string codes;
        for (const std::string& code : m.codes) {
            codes += (codes.empty() ? "" : ", ") + code;
        }
        const char* caught = name.empty()    ? "-"
                             : m.failed != 0 ? "<span class=\"pass\">&#10003;&#160;caught</span>"
                                             : "<span class=\"failed\">&#10007;&#160;missed</span>";
        table.row({name.empty() ? "none: the model as it is"
                                : fmt::format("<code>{}</code>", escape(name)),
                   caught, fmt::format("{}", m.runs), fmt::format("{}", m.failed),
                   fmt::format("{}", m.by.size()), escape(codes)});
    }
    return table.text();
}

// Which statements the campaign's scenarios are about, and how their runs went.
std::string coverage_of(const CampaignModel& model) {
    struct Row {
        std::set<std::string> scenarios;
        std::uint64_t runs = 0;
        std::uint64_t failed = 0;
    };
    std::map<std::string, Row> rows;
    std::set<std::string> unknown;
    for (const RunRecord& r : model.records) {
        const auto found = model.covers.find(r.file);
        if (found == model.covers.end()) {
            unknown.insert(r.file);
            continue;
        }
        for (const std::string& id : found->second) {
            Row& row = rows[id];
            row.scenarios.insert(name_of(r));
            ++row.runs;
            row.failed += r.passed() ? 0 : 1;
        }
    }
    Table table("coverage-table", "Rows that the scenarios say they cover",
                {"Row", "Failed share", "Scenarios", "Runs", "Failed"}, true);
    for (const auto& [id, row] : rows) {
        table.row({escape(id), share_svg(row.failed, row.runs, "k-bad"),
                   fmt::format("{}", row.scenarios.size()), fmt::format("{}", row.runs),
                   fmt::format("{}", row.failed)});
    }
    std::string out = table.empty() ? "<p>No row is covered.</p>\n" : table.text();
    if (!unknown.empty()) {
        out += fmt::format("<p class=\"muted\">{} not at hand here: {}{}</p>\n",
                           plural(unknown.size(), "scenario file"), escape(*unknown.begin()),
                           unknown.size() > 1 ? ", ..." : "");
    }
    return out;
}

// Rare paths of the model that runs reached.
std::string marks_of(const CampaignModel& model) {
    std::map<std::string, std::uint64_t> runs;
    for (const RunRecord& r : model.records) {
        for (const std::string& mark : r.marks) {
            ++runs[mark];
        }
    }
    Table table("mark-table", "Marks: rare paths that runs reached", {"Mark", "Share", "Runs"},
                true);
    for (const auto& [mark, count] : runs) {
        table.row({fmt::format("<code>{}</code>", escape(mark)),
                   share_svg(count, model.records.size(), "k-work"), fmt::format("{}", count)});
    }
    return table.empty() ? "" : table.text();
}

std::string ends_of(const Sums& sums) {
    Table table("end-table", "How runs ended", {"End", "Share", "Runs"});
    for (const auto& [reason, count] : sums.ends) {
        table.row(
            {escape(reason), share_svg(count, sums.runs, "k-work"), fmt::format("{}", count)});
    }
    return table.text();
}

std::string failed_runs(const CampaignModel& model, const Sums& sums) {
    constexpr std::size_t kMost = 1000;
    Table table("run-table", "Failed runs",
                {"Scenario", "Run", "Seed", "Codes", "What failed first", "Repeat it"}, true);
    for (const RunRecord& r : model.records) {
        if (r.passed() || table.rows() == kMost) {
            continue;
        }
        std::string codes;
        for (const std::string& code : r.codes) {
            codes += (codes.empty() ? "" : ", ") + code;
        }
        table.row({escape(name_of(r)), fmt::format("{}", r.key.run), fmt::format("{}", r.key.seed),
                   escape(codes), fmt::format("<span class=\"any\">{}</span>", escape(r.first)),
                   fmt::format("<code class=\"any\">{}</code>", escape(r.reproduce))});
    }
    if (table.empty()) {
        return "<p>No run failed.</p>\n";
    }
    return table.text() + (sums.failed > kMost
                               ? fmt::format("<p class=\"muted\">{} more are not listed.</p>\n",
                                             sums.failed - kMost)
                               : std::string());
}

}  // namespace

Page campaign_page(const CampaignModel& model) {
    const Sums sums = sums_of(model.records);
    Page page;
    page.title = fmt::format("Campaign {}: {}, {} failed", model.folder, plural(sums.runs, "run"),
                             sums.failed);
    page.head = head_of(model, sums);
    page.sections.push_back({"codes", "Failures by code", codes_of(sums)});
    page.sections.push_back({"scenarios", "Scenarios", scenarios_of(sums)});
    page.sections.push_back({"mutants", "Mutants", mutants_of(model)});
    page.sections.push_back({"coverage", "Coverage", coverage_of(model) + marks_of(model)});
    page.sections.push_back({"ends", "Ends", ends_of(sums)});
    page.sections.push_back({"runs", "Failed runs", failed_runs(model, sums)});
    page.data = "{}";
    return page;
}

}  // namespace ioasim::tools::report
