#include "tools/cli/run_result.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/base/time.hpp"
#include "core/base/words.hpp"
#include "scenarios/language/reading.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

// The profile that scenarios are written for unless they say so.
bool usual_profile(const RunResult& r) {
    return r.profile.empty() || r.profile == "spec";
}

std::string profile_note(const std::string& profile) {
    const std::string name = profile.substr(0, profile.find(','));
    const char* what = name == "spec"  ? "with switches of other profiles"
                       : name == "v4"  ? "the code posted in 2021, quirks included"
                       : name == "dcp" ? "Intel's later production kernel"
                                       : "Linux 5.13 to 5.18";
    return fmt::format(
        "  IOASID core: profile {} ({}); expectations written for profile spec\n"
        "  may fail with it, and checkers find what that code does wrong\n",
        profile, what);
}

Node figures_node(const RunResult& r) {
    Node list = Node::array();
    for (const RunFigure& figure : r.figures) {
        Node item = Node::object();
        item.set("aspect", Node::string(figure.aspect));
        item.set("name", Node::string(figure.name));
        item.set("time", Node::boolean_of(figure.time));
        item.set("value", Node::number(figure.value));
        list.items.push_back(std::move(item));
    }
    return list;
}

Node steps_node(const RunResult& r) {
    Node list = Node::array();
    for (const StepEnd& step : r.steps) {
        Node item = Node::object();
        item.set("name", Node::string(step.name));
        item.set("result", Node::string(step.result));
        list.items.push_back(std::move(item));
    }
    return list;
}

}  // namespace

Node list_of(const std::vector<std::string>& lines) {
    Node list = Node::array();
    for (const std::string& line : lines) {
        list.items.push_back(Node::string(line));
    }
    return list;
}

std::vector<std::string> texts_of(const Node* list) {
    std::vector<std::string> out;
    for (const Node& item : scenario::items_of(list)) {
        out.push_back(item.text);
    }
    return out;
}

int worse(int a, int b) {
    static constexpr std::array<int, 9> kOrder{
        kHungUp, kInterrupted, kTerminated, kInternal, kHang, kHostTimeout, kUsage, kFailed, kPass};
    const auto rank = [](int code) {
        return std::find(kOrder.begin(), kOrder.end(), code) - kOrder.begin();
    };
    return rank(a) <= rank(b) ? a : b;
}

std::string RunResult::verdict() const {
    switch (exit_code) {
        case kPass:
            return "PASS";
        case kFailed:
            return "FAIL";
        case kUsage:
            return "ERROR";
        case kHang:
            return reason == "limit" ? "LIMIT" : "HANG";
        case kHostTimeout:
            return "TIMEOUT";
        case kHungUp:
        case kInterrupted:
        case kTerminated:
            return "INTERRUPTED";
        default:
            return "INTERNAL ERROR";
    }
}

std::string RunResult::outcome() const {
    const bool judged = exit_code == kPass || exit_code == kFailed;
    return judged && !not_written.empty() ? "OUTPUT LOST" : verdict();
}

int RunResult::status() const {
    return not_written.empty() ? exit_code : worse(exit_code, kInternal);
}

bool RunResult::expectation_failed() const {
    return std::any_of(failures.begin(), failures.end(),
                       [](const scenario::Failure& f) { return !f.about_finding; });
}

namespace {

// What a campaign keeps of a run says neither what was judged nor where a finding was (result_of in
// campaign/run_record): what is not known is left out. Every run has a profile.
bool known_in_part(const RunResult& r) {
    return r.profile.empty();
}

}  // namespace

Node to_node(const RunResult& r) {
    const bool all = !known_in_part(r);
    Node node = Node::object();
    node.set("scenario", Node::string(r.name));
    node.set("cell", Node::string(r.cell));
    node.set("file", Node::string(r.file));
    node.set("purpose", Node::string(r.purpose));
    node.set("seed", Node::number(r.seed));
    node.set("run", Node::number(r.run));
    node.set("config", Node::string(r.hash));
    node.set("profile", Node::string(r.profile));
    node.set("outcome", Node::string(r.outcome()));
    node.set("exit_code", Node::number(static_cast<std::uint64_t>(r.status())));
    node.set("verdict", Node::string(r.verdict()));
    node.set("verdict_code", Node::number(static_cast<std::uint64_t>(r.exit_code)));
    node.set("not_written", list_of(r.not_written));
    node.set("ended", Node::string(r.reason));
    node.set("time_ps", Node::number(r.end_ps));
    node.set("events", Node::number(r.events));
    if (all) {
        node.set("expectations", Node::number(r.expectations));
        node.set("checkers", list_of(r.checkers));
    }
    Node findings = Node::array();
    for (const scenario::SeenFinding& f : r.findings) {
        Node item = Node::object();
        item.set("code", Node::string(f.code));
        if (all) {
            item.set("who", Node::string(f.who));
            item.set("text", Node::string(f.text));
            item.set("time_ps", Node::number(f.time.ps()));
            item.set("seq", Node::number(f.seq));
        }
        item.set("wanted", Node::boolean_of(f.wanted));
        findings.items.push_back(std::move(item));
    }
    node.set("findings", std::move(findings));
    node.set("findings_total", Node::number(r.findings_total));
    Node failures = Node::array();
    for (const scenario::Failure& f : r.failures) {
        Node item = Node::object();
        item.set("where", Node::string(f.where));
        item.set("expected", Node::string(f.text));
        item.set("why", Node::string(f.why));
        item.set("about_finding", Node::boolean_of(f.about_finding));
        item.set("seen", list_of(f.seen));
        failures.items.push_back(std::move(item));
    }
    node.set("failures", std::move(failures));
    node.set("error", Node::string(r.error));
    node.set("state", list_of(r.state));
    node.set("folder", Node::string(r.folder));
    node.set("files", list_of(r.files));
    node.set("details", list_of(r.details));
    node.set("figures", figures_node(r));
    node.set("steps", steps_node(r));
    node.set("marks", list_of(r.marks));
    if (!r.defects.empty()) {
        node.set("asked_defects", list_of(r.defects));
    }
    node.set("reproduce", Node::string(r.reproduce));
    return node;
}

bool from_text(const std::string& text, RunResult& r) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    Node node;
    const std::uint32_t file = sources.add("result", text);
    if (!parse_json(file, sources, diagnostics, node) || !node.is(Node::Kind::Object)) {
        return false;
    }
    using scenario::integer_of;
    using scenario::text_of;
    r.name = text_of(node.get("scenario"));
    r.cell = text_of(node.get("cell"));
    r.file = text_of(node.get("file"));
    r.purpose = text_of(node.get("purpose"));
    r.seed = integer_of(node.get("seed"), 1);
    r.run = integer_of(node.get("run"), 0);
    r.hash = text_of(node.get("config"));
    r.profile = text_of(node.get("profile"));
    r.exit_code = static_cast<int>(integer_of(node.get("verdict_code"), kInternal));
    r.not_written = texts_of(node.get("not_written"));
    r.reason = text_of(node.get("ended"));
    r.end_ps = integer_of(node.get("time_ps"), 0);
    r.events = integer_of(node.get("events"), 0);
    r.expectations = integer_of(node.get("expectations"), 0);
    r.checkers = texts_of(node.get("checkers"));
    for (const Node& item : scenario::items_of(node.get("findings"))) {
        r.findings.push_back({text_of(item.get("code")), text_of(item.get("who")),
                              text_of(item.get("text")), TimePs{integer_of(item.get("time_ps"), 0)},
                              integer_of(item.get("seq"), 0),
                              scenario::boolean_value(item.get("wanted"), false)});
    }
    r.findings_total = integer_of(node.get("findings_total"), 0);
    for (const Node& item : scenario::items_of(node.get("failures"))) {
        r.failures.push_back({text_of(item.get("where")), text_of(item.get("expected")),
                              text_of(item.get("why")), texts_of(item.get("seen")),
                              scenario::boolean_value(item.get("about_finding"), false)});
    }
    r.error = text_of(node.get("error"));
    r.state = texts_of(node.get("state"));
    r.folder = text_of(node.get("folder"));
    r.files = texts_of(node.get("files"));
    r.details = texts_of(node.get("details"));
    for (const Node& item : scenario::items_of(node.get("figures"))) {
        r.figures.push_back({text_of(item.get("aspect")), text_of(item.get("name")),
                             scenario::boolean_value(item.get("time"), false),
                             integer_of(item.get("value"), 0)});
    }
    for (const Node& item : scenario::items_of(node.get("steps"))) {
        r.steps.push_back({text_of(item.get("name")), text_of(item.get("result"))});
    }
    r.marks = texts_of(node.get("marks"));
    r.defects = texts_of(node.get("asked_defects"));
    r.reproduce = text_of(node.get("reproduce"));
    return true;
}

std::string last_line(const RunResult& r) {
    if (known_in_part(r)) {
        std::string codes;
        for (const scenario::SeenFinding& finding : r.findings) {
            codes += (codes.empty() ? " (" : ", ") + finding.code;
        }
        return fmt::format("{}: {} {} {}{}", r.full_name(), r.outcome(),
                           r.exit_code == kPass || r.exit_code == kFailed ? "in" : "at",
                           format_time(TimePs{r.end_ps}), codes + (codes.empty() ? "" : ")"));
    }
    std::string counts;
    if (!r.not_written.empty()) {
        counts = plural(r.not_written.size(), "output") + " not written, ";
    }
    if (r.outcome() != r.verdict()) {
        counts += fmt::format("verdict {}, ", r.verdict());
    }
    if (r.exit_code == kFailed) {
        counts += plural(r.failures.size(), "failure") + ", ";
    }
    if (!usual_profile(r)) {
        counts += fmt::format("profile {}, ", r.profile);
    }
    return fmt::format("{}: {} {} {} ({}{}, {}, {})", r.full_name(), r.outcome(),
                       r.exit_code == kPass || r.exit_code == kFailed ? "in" : "at",
                       format_time(TimePs{r.end_ps}), counts, plural(r.expectations, "expectation"),
                       plural(r.checkers.size(), "checker"), plural(r.findings_total, "finding"));
}

namespace {

// The command that tells what went before: of the ID that the first finding is about, else what
// there is to ask.
std::string explain_line(const RunResult& r) {
    const std::string verb = "ioasim run ";
    std::string line = r.reproduce.substr(0, r.reproduce.find("  #"));
    if (line.compare(0, verb.size(), verb) == 0) {
        line.replace(0, verb.size(), "ioasim trace explain ");
    }
    const std::string flag = " --no-checkers";
    const std::size_t at = line.find(flag);
    if (at != std::string::npos) {
        line.erase(at, flag.size());
    }
    constexpr std::string_view kId = ".ioasid(";
    for (const scenario::SeenFinding& finding : r.findings) {
        const std::size_t id = finding.who.find(kId);
        if (id == std::string::npos) {
            continue;
        }
        const std::string kernel = finding.who.substr(0, id);
        const std::string number = finding.who.substr(id + kId.size());
        return line + fmt::format(" --ioasid {}{}", number.substr(0, number.find(')')),
                                  kernel == "host" ? "" : " --kernel " + kernel);
    }
    return line;
}

}  // namespace

std::string summary_text(const RunResult& r, bool colour, std::size_t state_lines) {
    const char* bold = colour ? "\033[1m" : "";
    const char* red = colour ? "\033[1;31m" : "";
    const char* green = colour ? "\033[1;32m" : "";
    const char* off = colour ? "\033[0m" : "";
    std::string out = fmt::format("{}{}{}: {}\n", bold, r.full_name(), off, r.purpose);
    out += fmt::format("  seed {}{}, {} simulated, {} events, configuration {}\n", r.seed,
                       r.run != 0 ? fmt::format(" run {}", r.run) : "",
                       format_time(TimePs{r.end_ps}), r.events, r.hash);
    if (!usual_profile(r)) {
        out += profile_note(r.profile);
    }
    for (const std::string& line : r.details) {
        out += line + "\n";
    }
    if (!r.checkers.empty()) {
        std::string names;
        for (const std::string& checker : r.checkers) {
            names += (names.empty() ? "" : ", ") + checker;
        }
        out += fmt::format("{}checkers{} ({}): {}\n", bold, off,
                           r.findings_total == 0 ? std::string("nothing found")
                                                 : plural(r.findings_total, "finding"),
                           names);
    } else {
        out += fmt::format("{}checkers{}: none active\n", bold, off);
    }
    for (const scenario::SeenFinding& f : r.findings) {
        if (f.wanted) {  // the others are failures, told below
            out +=
                fmt::format("  wanted {} {}at {} (event {}): {}\n", f.code,
                            f.who.empty() ? "" : f.who + " ", format_time(f.time), f.seq, f.text);
        }
    }
    for (const scenario::Failure& f : r.failures) {
        out += fmt::format("{}FAILED{} {}{}{}\n", red, off, f.where, f.where.empty() ? "" : ": ",
                           f.text);
        if (!f.why.empty()) {
            out += fmt::format("  because: {}\n", f.why);
        }
        for (const std::string& line : f.seen) {
            out += "  " + line + "\n";
        }
    }
    if (!r.error.empty()) {
        out += fmt::format("{}{}{}\n", red, r.error, off);
    }
    for (const std::string& lost : r.not_written) {
        out += fmt::format("{}NOT WRITTEN{} {}\n", red, off, lost);
    }
    if (!r.state.empty()) {
        out += fmt::format("{}state at the end{}\n", bold, off);
        for (std::size_t i = 0; i < std::min(r.state.size(), state_lines); ++i) {
            out += "  " + r.state[i] + "\n";
        }
        if (r.state.size() > state_lines) {
            out += fmt::format("  ... {} more lines{}\n", r.state.size() - state_lines,
                               r.folder.empty() ? "" : " in " + r.folder + "/summary.txt");
        }
    }
    if (!r.files.empty()) {
        out += fmt::format("{}files{}\n", bold, off);
        for (const std::string& file : r.files) {
            out += "  " + file + "\n";
        }
    }
    if (r.status() != kPass && !r.reproduce.empty()) {
        out += fmt::format("{}reproduce{}: {}\n", bold, off, r.reproduce);
        if (r.exit_code == kFailed || r.exit_code == kHang) {
            out += fmt::format("{}why{}: {}\n", bold, off, explain_line(r));
        }
    }
    return out + fmt::format("{}{}{}\n", r.status() == kPass ? green : red, last_line(r), off);
}

}  // namespace ioasim::tools
