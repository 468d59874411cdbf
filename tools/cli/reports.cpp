#include "tools/cli/reports.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/report_text.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

struct Format {
    const char* name;
    std::string (*text)(const std::vector<RunResult>& results);
};

constexpr std::array<Format, 4> kFormats{{{"json", json_report_text},
                                          {"junit", junit_text},
                                          {"ktap", ktap_text},
                                          {"github", github_text}}};

std::string kind_of(const std::string& request) {
    return request.substr(0, request.find('='));
}

const Format* format_of(const std::string& request) {
    const auto* const found = std::find_if(
        kFormats.begin(), kFormats.end(),
        [kind = kind_of(request)](const Format& format) { return format.name == kind; });
    return found == kFormats.end() ? nullptr : found;
}

bool takes_stdout(const std::string& request) {
    return report_file(request).empty() && kind_of(request) != "github";
}

std::string xml(const std::string& text) {
    std::string out;
    for (const char c : clean_text(text)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string xml_lines(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) {
        out += xml(line) + "\n";
    }
    return out;
}

// The file that a job's summary is collected in is appended to: other steps write there, too.
std::string append_to(const std::string& path, const std::string& text) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "ae"),
                                                               std::fclose);
    const bool written = file &&
                         std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                         std::fflush(file.get()) == 0;
    return written ? std::string() : fmt::format("{}: {}", path, std::strerror(errno));
}

}  // namespace

std::string report_file(const std::string& request) {
    const std::string file = request.substr(request.find('=') + 1);
    return file == "-" ? std::string() : file;
}

bool report_has_stdout(const std::vector<std::string>& requests) {
    return std::any_of(requests.begin(), requests.end(), takes_stdout);
}

std::vector<std::string> check_reports(const std::vector<std::string>& requests,
                                       bool results_as_json) {
    std::vector<std::string> problems;
    std::size_t on_stdout = 0;
    for (const std::string& request : requests) {
        const std::size_t equals = request.find('=');
        if (equals == std::string::npos || equals + 1 == request.size()) {
            problems.push_back(fmt::format("--report wants FORMAT=FILE, not {}", quoted(request)));
            continue;
        }
        if (format_of(request) == nullptr) {
            problems.push_back(
                fmt::format("no report format {}: there are json, junit, ktap and github",
                            quoted(kind_of(request))));
        }
        on_stdout += takes_stdout(request) ? 1 : 0;
    }
    if (on_stdout > 1 || (on_stdout == 1 && results_as_json)) {
        problems.emplace_back("standard output holds one report: give the others a file");
    }
    return problems;
}

std::string junit_text(const std::vector<RunResult>& results) {
    std::size_t failures = 0;
    std::size_t errors = 0;
    std::string cases;
    for (const RunResult& r : results) {
        const bool failed = r.status() == kFailed;
        failures += failed ? 1 : 0;
        errors += r.status() != kPass && !failed ? 1 : 0;
        cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"0\">\n",
                             xml(class_name(r.file)), xml(case_name(r)));
        cases += fmt::format(
            "      <properties>\n        <property name=\"seed\" value=\"{}\"/>\n"
            "        <property name=\"config\" value=\"{}\"/>\n"
            "        <property name=\"simulated_ps\" value=\"{}\"/>\n"
            "        <property name=\"version\" value=\"{}\"/>\n      </properties>\n",
            r.seed, xml(r.hash), r.end_ps, kVersion);
        if (r.status() != kPass) {
            const char* tag = failed ? "failure" : "error";
            cases += fmt::format("      <{0} message=\"{1}\" type=\"{2}\">{3}</{0}>\n", tag,
                                 xml(clean_line(last_line(r))), xml(r.outcome()),
                                 xml_lines(problem_lines(r)));
        }
        cases += "    </testcase>\n";
    }
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites>\n  <testsuite name=\"ioasim\" tests=\"{}\" failures=\"{}\" "
        "errors=\"{}\" skipped=\"0\" time=\"0\">\n{}  </testsuite>\n"
        "</testsuites>\n",
        results.size(), failures, errors, cases);
}

std::string json_report_text(const std::vector<RunResult>& results) {
    using scenario::Node;
    Node document = Node::object();
    document.set("format", Node::string("ioasim-report/1"));
    document.set("version", Node::string(kVersion));
    const auto passed = std::count_if(results.begin(), results.end(),
                                      [](const RunResult& r) { return r.status() == kPass; });
    document.set("passed", Node::number(static_cast<std::uint64_t>(passed)));
    document.set("failed", Node::number(results.size() - static_cast<std::uint64_t>(passed)));
    Node runs = Node::array();
    for (const RunResult& r : results) {
        runs.items.push_back(to_node(r));
    }
    document.set("runs", std::move(runs));
    return to_json(document, 2) + "\n";
}

std::string write_report(const std::string& request, const std::vector<RunResult>& results) {
    const std::string text = format_of(request)->text(results);
    const std::string file = report_file(request);
    std::string problem;
    if (file.empty()) {
        print_out(text);  // what is lost there is told at the end of the program
    } else {
        problem = traces::replace_file(file, text);
    }
    const char* const summary = std::getenv("GITHUB_STEP_SUMMARY");
    if (problem.empty() && kind_of(request) == "github" && summary != nullptr && *summary != '\0') {
        problem = append_to(summary, github_summary(results));
    }
    return problem;
}

}  // namespace ioasim::tools
