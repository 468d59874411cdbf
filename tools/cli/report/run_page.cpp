#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/pages.hpp"
#include "traces/explain.hpp"

namespace ioasim::tools::report {
namespace {

std::string fact(const char* name, const std::string& value) {
    return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape(value));
}

std::string paragraph(const std::string& text) {
    return fmt::format("<p class=\"muted\">{}</p>\n", text);
}

std::string lines_html(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return fmt::format("<pre tabindex=\"0\">{}</pre>\n", escape(text));
}

std::string yes(std::uint64_t count) {
    return count == 0 ? std::string("-") : fmt::format("{}", count);
}

// --- head ---------------------------------------------------------------------------------------

// More may fail than is expected: how the run ended, for one.
std::string expectations_text(std::uint64_t failed, std::uint64_t expected) {
    return failed == 0          ? fmt::format("{} hold", expected)
           : failed <= expected ? fmt::format("{} of {} failed", failed, expected)
                                : plural(failed, "failure");
}

std::string head_of(const RunModel& model) {
    const RunResult& r = model.result;
    std::string out = fmt::format("<h1>{}</h1>\n", escape(model.title));
    if (!model.judged) {
        return out + fmt::format("<p>A trace without a verdict: {} events in {}. {}</p>\n",
                                 model.events, time_text(model.end), escape(model.trace_note));
    }
    const bool passed = r.status() == kPass;
    out += fmt::format("<p><span class=\"badge{}\">{} {}</span></p>\n", passed ? " ok" : "",
                       passed ? "&#10003;" : "&#10007;", escape(r.outcome()));
    out += fmt::format("<p class=\"purpose\">{}</p>\n<dl class=\"facts\">\n", escape(r.purpose));
    const auto failed = static_cast<std::uint64_t>(
        std::count_if(model.expectations.begin(), model.expectations.end(),
                      [](const Judged& e) { return e.failed; }));
    out += fact("simulated", time_text(r.end_ps)) + fact("ended", r.reason) +
           fact("events", fmt::format("{}", r.events)) +
           fact("expectations", expectations_text(failed, r.expectations)) +
           fact("checkers",
                fmt::format("{}, {}", r.checkers.size(), plural(r.findings_total, "finding"))) +
           fact("seed",
                r.run == 0 ? fmt::format("{}", r.seed) : fmt::format("{}, run {}", r.seed, r.run)) +
           fact("IOASID core", r.profile) + fact("configuration", r.hash);
    out += "</dl>\n";
    if (!r.error.empty()) {
        out += fmt::format("<p class=\"failed\">{}</p>\n", escape(r.error));
    }
    return out + fmt::format("<p>Repeat it: <code>{}</code></p>\n", escape(r.reproduce));
}

// --- verdict ------------------------------------------------------------------------------------

std::string expectations_of(const RunModel& model) {
    Table table("expectation-table", "What the scenario expects, failures first",
                {"Result", "Expectation", "Why, and what was seen instead"}, true);
    for (const bool failed : {true, false}) {
        for (const Judged& e : model.expectations) {
            if (e.failed != failed) {
                continue;
            }
            std::string told = escape(e.why);
            if (!e.seen.empty()) {
                told += lines_html(e.seen);
            }
            table.row({failed ? "<span class=\"failed\">&#10007;&#160;failed</span>"
                              : "<span class=\"pass\">&#10003;&#160;holds</span>",
                       fmt::format("<code class=\"any\">{}</code>", escape(e.text)), told});
        }
    }
    return table.empty() ? paragraph("Nothing is expected, or the expectations are not at hand.")
                         : table.text();
}

std::string explanation(const std::string& code) {
    const traces::Explanation* const found = traces::find_explanation(code);
    return found == nullptr
               ? std::string()
               : fmt::format("<dt><code>{}</code></dt><dd>{} {} {}</dd>\n", escape(code),
                             escape(found->meaning), escape(found->why), escape(found->causes));
}

std::string findings_of(const RunModel& model, Moments& moments) {
    std::string checkers;
    for (const std::string& checker : model.result.checkers) {
        checkers += (checkers.empty() ? "" : ", ") + checker;
    }
    std::string out = model.judged ? paragraph(checkers.empty() ? "No checker was active."
                                                                : "Checkers: " + escape(checkers))
                                   : std::string();
    if (model.findings.empty()) {
        return out + "<p>Nothing was found.</p>\n";
    }
    Table table("finding-table", "What the checkers found",
                {"When", "Code", "Who", "What", "Wanted"}, true);
    std::map<std::string, bool> codes;
    for (const FindingTold& f : model.findings) {
        codes[f.code] = true;
        table.row({moments.link(f.time, f.seq), fmt::format("<code>{}</code>", escape(f.code)),
                   escape(f.who), escape(f.text),
                   f.wanted ? "by the scenario" : "<span class=\"failed\">no</span>"});
    }
    out += table.text();
    if (model.findings_left_out != 0) {
        out += paragraph(fmt::format("{} more are not listed.", model.findings_left_out));
    }
    std::string told;
    for (const auto& [code, unused] : codes) {
        told += explanation(code);
    }
    out += told.empty() ? "" : details("What these findings mean", "<dl>" + told + "</dl>\n");
    std::string before;
    for (const scenario::Failure& failure : model.result.failures) {
        if (failure.about_finding && failure.where.empty() && !failure.seen.empty()) {
            before += details(escape(failure.seen.front()), lines_html(failure.seen));
        }
    }
    return out + (before.empty() ? "" : "<h3>What led to them</h3>\n" + before);
}

std::string faults_of(const RunModel& model, Moments& moments) {
    if (model.faults.empty()) {
        return "<p>No request was blocked.</p>\n";
    }
    Table table(
        "fault-table", "Blocked requests and failed accesses, by requester and reason",
        {"First", "Last", "Where", "Requester", "Reason", "Times", "Recorded", "Suppressed"}, true);
    for (const FaultKind& f : model.faults) {
        table.row({moments.link(f.first, f.seq), time_text(f.last), escape(f.where), escape(f.who),
                   escape(f.what), fmt::format("{}", f.count), yes(f.recorded), yes(f.suppressed)});
    }
    return table.text() +
           (model.faults_left_out == 0
                ? std::string()
                : paragraph(fmt::format("{} more faults of other kinds are not listed.",
                                        model.faults_left_out)));
}

// --- over time ----------------------------------------------------------------------------------

std::string lanes_table(const RunModel& model) {
    Table table("lane-table", "Lanes of the picture",
                {"Lane", "Group", "Slices", "Bad", "From", "To", "Shown in steps of"}, true);
    for (const Lane& lane : model.lanes) {
        std::uint64_t last = 0;
        for (const Slice& slice : lane.slices()) {
            last = std::max(last, slice.end);
        }
        table.row({escape(lane.name()), group_name(lane.group()), fmt::format("{}", lane.total()),
                   yes(lane.bad()),
                   lane.slices().empty() ? "-" : time_text(lane.slices().front().begin),
                   time_text(last), lane.resolution() == 0 ? "all" : time_text(lane.resolution())});
    }
    return table.text();
}

std::string timeline_of(const RunModel& model, const Moments& moments) {
    if (!model.traced) {
        return paragraph(escape(model.trace_note));
    }
    std::string out = model.trace_note.empty() ? "" : paragraph(escape(model.trace_note));
    for (const auto& [group, count] : model.lanes_left_out) {
        out += paragraph(fmt::format("Of {} only the first lanes are shown; {} are not.",
                                     escape(group), plural(count, "slice")));
    }
    out += kinds_legend();
    out += fmt::format(
        "<div id=\"timeline-app\"><div class=\"wide\" tabindex=\"0\" role=\"region\" "
        "aria-label=\"Picture of the run, scrolls sideways\">\n{}</div></div>\n",
        timeline_svg(model, moments));
    return out + details("The lanes as a table", lanes_table(model));
}

std::string series_of(const RunModel& model) {
    std::map<std::string, std::vector<const Series*>> charts;
    for (const Series& series : model.series) {
        charts[series.chart()].push_back(&series);
    }
    std::string out = "<div class=\"charts\">\n";
    for (auto& [chart, list] : charts) {
        // What holds most comes first; names settle what is equal.
        std::stable_sort(list.begin(), list.end(), [](const Series* a, const Series* b) {
            return a->highest() > b->highest();
        });
        out += fmt::format("<figure data-chart=\"{0}\"><figcaption>{0}</figcaption>\n{1}",
                           escape(chart), series_svg(list, chart, model.begin, model.end));
        if (list.size() > kSeriesShown) {
            out += paragraph(fmt::format("{} more have lower values.", list.size() - kSeriesShown));
        }
        Table table("series-" + std::to_string(charts.size()) + "-" + std::to_string(chart.size()),
                    escape(chart), {"Name", "At most", "At the end", "Changes shown"});
        for (const Series* series : list) {
            table.row({escape(series->name()), fmt::format("{}", series->highest()),
                       fmt::format("{}", series->last()),
                       fmt::format("{}", series->points().size())});
        }
        out += details("As a table", table.text()) + "</figure>\n";
    }
    return charts.empty() ? paragraph("No reference was taken and no workqueue used.")
                          : out + "</div>\n";
}

// --- IDs ----------------------------------------------------------------------------------------

std::size_t holders_of(const Life& life) {
    std::set<std::string> names;
    for (const Life::Span& span : life.holders) {
        names.insert(span.name);
    }
    return names.size();
}

std::string life_html(const Life& life, Moments& moments, bool open) {
    std::string marks = "<ol>\n";
    for (const Life::Mark& mark : life.marks) {
        marks += fmt::format("<li>{} {}</li>\n", moments.link(mark.time, mark.seq), mark.text);
    }
    marks += "</ol>\n";
    if (life.left_out != 0) {
        marks += paragraph(fmt::format("{} more marks and holders are not shown.", life.left_out));
    }
    std::string holders;
    for (const Life::Span& span : life.holders) {
        holders += fmt::format("<li>{}: {} to {}</li>\n", escape(span.name), time_text(span.begin),
                               span.open ? "the end of the trace" : time_text(span.end));
    }
    return fmt::format("<div class=\"life\" id=\"{}\">\n", life.anchor()) +
           details(fmt::format("{}, {} to {}", escape(life.name()), time_text(life.begin),
                               life.reclaimed ? time_text(life.end) : "the end"),
                   fmt::format(
                       "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Life of "
                       "{} from {}\">\n",
                       escape(life.name()), time_text(life.begin)) +
                       state_graph_svg(life) + life_svg(life) + "</div>\n" + marks +
                       details("Holders of references as a list", "<ul>\n" + holders + "</ul>\n"),
                   open) +
           "</div>\n";
}

std::string lives_of(const RunModel& model, Moments& moments) {
    if (model.lives.empty()) {
        return model.trace_note.empty() ? "<p>No ID was allocated.</p>\n"
                                        : "<p>No ID is allocated in this trace.</p>\n";
    }
    constexpr std::size_t kPictures = 60;
    constexpr std::size_t kOpen = 4;
    Table table(
        "life-table", "Lives of IDs, by time of allocation",
        {"ID", "Allocated", "Reclaimed", "Went through", "Holders", "Faults while it lived"}, true);
    std::string pictures;
    for (std::size_t i = 0; i < model.lives.size(); ++i) {
        const Life& life = model.lives[i];
        std::string states;
        for (const Life::Span& state : life.states) {
            states += (states.empty() ? "" : ", ") + state.name;
        }
        table.row({i < kPictures
                       ? fmt::format("<a href=\"#{}\">{}</a>", life.anchor(), escape(life.name()))
                       : escape(life.name()),
                   time_text(life.begin), life.reclaimed ? time_text(life.end) : "not reclaimed",
                   states, fmt::format("{}", holders_of(life)), yes(life.faults)});
        if (i < kPictures) {
            pictures += life_html(life, moments, i < kOpen);
        }
    }
    std::string out =
        "<svg width=\"0\" height=\"0\" aria-hidden=\"true\"><defs><marker id=\"arrow\" "
        "viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        "orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs></svg>\n" +
        table.text();
    if (model.lives_left_out != 0) {
        out += paragraph(fmt::format("{} more lives are not listed.", model.lives_left_out));
    }
    return out + pictures;
}

// --- figures ------------------------------------------------------------------------------------

std::string latencies_of(const RunModel& model) {
    if (model.latencies.empty()) {
        return paragraph("Nothing was measured.");
    }
    constexpr std::size_t kPictures = 24;
    Table table("latency-table", "How long things took",
                {"What", "Of", "Times", "Shortest", "Median", "99 %", "Longest"}, true);
    std::string pictures = "<div class=\"charts\">\n";
    std::size_t shown = 0;
    for (const NamedLatency& l : model.latencies) {
        const traces::Latency& v = l.latency;
        table.row({escape(l.group), escape(l.name), fmt::format("{}", v.count()),
                   time_text(v.min().ps()), time_text(v.median().ps()),
                   time_text(v.percentile(99).ps()), time_text(v.max().ps())});
        if (v.count() > 1 && shown++ < kPictures) {
            pictures += fmt::format("<figure><figcaption>{}: {}</figcaption>\n{}</figure>\n",
                                    escape(l.group), escape(l.name),
                                    histogram_svg(v, l.group + ": " + l.name));
        }
    }
    return pictures + "</div>\n" + table.text();
}

std::string figures_of_run(const RunModel& model) {
    Table table("figure-table", "Outcome, cost and risk", {"Figure", "Aspect", "Value"});
    for (const RunFigure& f : model.result.figures) {
        table.row({escape(f.name), escape(f.aspect),
                   f.time ? time_text(f.value) : fmt::format("{}", f.value)});
    }
    std::string out = table.empty() ? "" : table.text();
    if (!model.result.details.empty()) {
        out += details("The summary of the command line", lines_html(model.result.details));
    }
    Table steps("step-table", "How each step of the programs ended", {"Step", "Result"}, true);
    constexpr std::size_t kSteps = 1000;
    for (std::size_t i = 0; i < std::min(kSteps, model.result.steps.size()); ++i) {
        const StepEnd& step = model.result.steps[i];
        steps.row({escape(step.name), escape(step.result)});
    }
    out += steps.empty() ? "" : details("Steps of the programs", steps.text());
    return model.result.state.empty()
               ? out
               : out + details("State at the end", lines_html(model.result.state), true);
}

}  // namespace

Page run_page(const RunModel& model) {
    Page page;
    page.title =
        model.judged ? fmt::format("{}: {}", model.title, model.result.outcome()) : model.title;
    page.head = head_of(model);
    Moments moments;
    if (model.judged) {
        page.sections.push_back({"expectations", "Expectations", expectations_of(model)});
    }
    page.sections.push_back({"findings", "Findings", findings_of(model, moments)});
    if (model.traced) {
        page.sections.push_back({"faults", "Faults", faults_of(model, moments)});
    }
    Section lives{"ids", "IOASIDs", model.traced ? lives_of(model, moments) : ""};
    // Last, since the others' links are marks in it.
    page.sections.push_back({"timeline", "Timeline", timeline_of(model, moments)});
    if (model.traced) {
        page.sections.push_back(std::move(lives));
        page.sections.push_back({"series", "References and queues", series_of(model)});
        page.sections.push_back({"latencies", "Latencies", latencies_of(model)});
        page.data = run_data(model);
    }
    if (model.judged) {
        page.sections.push_back({"figures", "Figures", figures_of_run(model)});
    }
    if (!model.configuration.empty()) {
        page.sections.push_back(
            {"configuration", "Configuration",
             details("The scenario as it ran, one file",
                     fmt::format("<pre tabindex=\"0\">{}</pre>\n", escape(model.configuration)))});
    }
    return page;
}

}  // namespace ioasim::tools::report
