// Reports of lines: KTAP, and the workflow commands of GitHub.
#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/report_text.hpp"
#include "tools/cli/reports.hpp"

namespace ioasim::tools {
namespace {

// '#' would begin a directive.
std::string ktap_name(const RunResult& r) {
    std::string name = clean_line(class_name(r.file) + "." + case_name(r));
    std::replace(name.begin(), name.end(), '#', '_');
    return name;
}

// An annotation is a failure of a file, at its line.
struct Annotation {
    std::string file;
    std::uint64_t line = 0;
    std::uint64_t column = 0;
    std::string title;
    std::string message;
};

// Takes ":12" off the end of a text.
bool take_number(std::string& text, std::uint64_t& number) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon + 1 == text.size()) {
        return false;
    }
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
        return false;
    }
    text.resize(colon);
    return true;
}

void place(const std::string& where, Annotation& annotation) {
    std::string rest = where;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    if (!take_number(rest, first)) {
        return;
    }
    if (take_number(rest, second)) {
        annotation.line = second;
        annotation.column = first;
    } else {
        annotation.line = first;
    }
    annotation.file = rest;
}

std::vector<Annotation> annotations_of(const RunResult& r) {
    std::vector<Annotation> list;
    Annotation basis;
    basis.file = r.file;
    basis.title = case_name(r) + ": " + r.outcome();
    for (const scenario::Failure& failure : r.failures) {
        Annotation one = basis;
        place(failure.where, one);
        one.message = failure.text;
        for (const std::string& line : failure.seen) {
            one.message += "\n  " + line;
        }
        one.message += "\n" + r.reproduce;
        list.push_back(std::move(one));
    }
    for (const std::string& lost : r.not_written) {
        basis.message = "not written: " + lost + "\n" + r.reproduce;
        list.push_back(basis);
    }
    if (list.empty()) {
        basis.message = (r.error.empty() ? last_line(r) : r.error) + "\n" + r.reproduce;
        list.push_back(basis);
    }
    return list;
}

// As the runner's toolkit escapes data, and beyond that properties.
std::string escaped(const std::string& text, bool property) {
    std::string out;
    for (const char c : clean_text(text)) {
        const bool special =
            c == '%' || c == '\n' || c == '\r' || (property && (c == ':' || c == ','));
        out += special ? fmt::format("%{:02X}", static_cast<unsigned>(c)) : std::string(1, c);
    }
    return out;
}

std::string command(const Annotation& one) {
    std::string properties;
    const auto add = [&properties](const char* name, const std::string& value) {
        properties += fmt::format("{}{}={}", properties.empty() ? "" : ",", name, value);
    };
    if (!one.file.empty()) {
        add("file", escaped(one.file, true));
    }
    if (one.line != 0) {
        add("line", std::to_string(one.line));
    }
    if (one.column != 0) {
        add("col", std::to_string(one.column));
    }
    add("title", escaped(one.title, true));
    return fmt::format("::error {}::{}\n", properties, escaped(one.message, false));
}

std::uint64_t failed_of(const std::vector<RunResult>& results) {
    return static_cast<std::uint64_t>(std::count_if(
        results.begin(), results.end(), [](const RunResult& r) { return r.status() != kPass; }));
}

}  // namespace

std::string ktap_text(const std::vector<RunResult>& results) {
    std::string out = fmt::format("KTAP version 1\n1..{}\n", results.size());
    std::size_t number = 0;
    for (const RunResult& r : results) {
        const bool passed = r.status() == kPass;
        if (!passed) {
            for (const std::string& line : problem_lines(r)) {
                out += "# " + clean_line(line) + "\n";
            }
        }
        out += fmt::format("{} {} {}\n", passed ? "ok" : "not ok", ++number, ktap_name(r));
    }
    const std::uint64_t failed = failed_of(results);
    return out + fmt::format("# Totals: pass:{} fail:{} skip:0\n", results.size() - failed, failed);
}

std::string github_text(const std::vector<RunResult>& results) {
    // A step shows 10 errors and drops the others without a word.
    constexpr std::size_t kMost = 9;
    std::vector<Annotation> all;
    for (const RunResult& r : results) {
        if (r.status() != kPass) {
            const std::vector<Annotation> own = annotations_of(r);
            all.insert(all.end(), own.begin(), own.end());
        }
    }
    std::string out;
    for (std::size_t i = 0; i < std::min(all.size(), kMost); ++i) {
        out += command(all[i]);
    }
    if (all.size() > kMost) {
        Annotation last;
        last.title = fmt::format("{} more failures", all.size() - kMost);
        last.message = fmt::format("{} of {} failed; the log and the job's summary have all",
                                   failed_of(results), plural(results.size(), "run"));
        out += command(last);
    }
    return out;
}

std::string github_summary(const std::vector<RunResult>& results) {
    const std::uint64_t failed = failed_of(results);
    std::string out = fmt::format("### ioasim: {}, {} passed, {} failed\n\n",
                                  plural(results.size(), "run"), results.size() - failed, failed);
    for (const RunResult& r : results) {
        if (r.status() == kPass) {
            continue;
        }
        // Indented text is shown as it stands, whatever is in it.
        out += "\n";
        for (const std::string& line : problem_lines(r)) {
            out += "    " + clean_line(line) + "\n";
        }
    }
    return out;
}

}  // namespace ioasim::tools
