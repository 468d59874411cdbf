#include "tools/cli/reports.hpp"

#include <fmt/format.h>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/version.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

// XML 1.0 has no characters below space but tab and line ends, not even as references.
std::string xml(const std::string& text) {
    std::string out;
    bool escape_sequence = false;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\033') {
            escape_sequence = true;
            continue;
        }
        if (escape_sequence) {
            escape_sequence = !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
            continue;
        }
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
                if (byte >= 0x20 || c == '\n' || c == '\t') {
                    out += c;
                }
        }
    }
    return out;
}

std::string class_name(const std::string& file) {
    std::string out = file;
    const std::size_t dot = out.rfind(".json");
    out = out.substr(0, dot);
    while (out.rfind("./", 0) == 0) {
        out = out.substr(2);
    }
    for (char& c : out) {
        c = c == '/' ? '.' : c;
    }
    return out;
}

std::string problem_text(const RunResult& r) {
    std::string out = r.reproduce + "\n";
    for (const scenario::Failure& f : r.failures) {
        out += fmt::format("{}{}{}\n", f.where, f.where.empty() ? "" : ": ", f.text);
        for (const std::string& line : f.seen) {
            out += "  " + line + "\n";
        }
    }
    for (const std::string& lost : r.not_written) {
        out += "not written: " + lost + "\n";
    }
    return out + r.error + "\n" + last_line(r) + "\n";
}

}  // namespace

std::string check_report(const std::string& request) {
    const std::size_t equals = request.find('=');
    const std::string kind = request.substr(0, equals);
    if (equals == std::string::npos || equals + 1 == request.size()) {
        return fmt::format("--report wants FORMAT=FILE, not {}", quoted(request));
    }
    if (kind != "json" && kind != "junit") {
        return fmt::format("no report format {}: there are json and junit", quoted(kind));
    }
    return {};
}

std::string junit_text(const std::vector<RunResult>& results) {
    std::size_t failures = 0;
    std::size_t errors = 0;
    std::string cases;
    for (const RunResult& r : results) {
        const bool failed = r.status() == kFailed;
        failures += failed ? 1 : 0;
        errors += r.status() != kPass && !failed ? 1 : 0;
        cases += fmt::format("    <testcase classname=\"{}\" name=\"{} seed {}{}\" time=\"0\">\n",
                             xml(class_name(r.file)), xml(r.full_name()), r.seed,
                             r.run != 0 ? fmt::format(" run {}", r.run) : "");
        cases += fmt::format(
            "      <properties>\n        <property name=\"seed\" value=\"{}\"/>\n"
            "        <property name=\"config\" value=\"{}\"/>\n"
            "        <property name=\"simulated_ps\" value=\"{}\"/>\n"
            "        <property name=\"version\" value=\"{}\"/>\n      </properties>\n",
            r.seed, xml(r.hash), r.end_ps, kVersion);
        if (r.status() != kPass) {
            const char* tag = failed ? "failure" : "error";
            cases += fmt::format("      <{0} message=\"{1}\" type=\"{2}\">{3}</{0}>\n", tag,
                                 xml(last_line(r)), xml(r.outcome()), xml(problem_text(r)));
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

std::string write_report(const std::string& request, const std::vector<RunResult>& results) {
    const std::size_t equals = request.find('=');
    const std::string path = request.substr(equals + 1);
    if (request.substr(0, equals) == "junit") {
        return traces::replace_file(path, junit_text(results));
    }
    using scenario::Node;
    Node document = Node::object();
    document.set("version", Node::string(kVersion));
    Node runs = Node::array();
    for (const RunResult& r : results) {
        runs.items.push_back(to_node(r));
    }
    document.set("runs", std::move(runs));
    return traces::replace_file(path, to_json(document, 2) + "\n");
}

}  // namespace ioasim::tools
