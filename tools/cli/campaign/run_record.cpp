#include "tools/cli/campaign/run_record.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "scenarios/language/reading.hpp"
#include "tools/cli/options.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

constexpr const char* kFormat = "ioasim-campaign-run/2";

// "ran out of memory" and the like have a reason of their own, all else that stops a run has not.
std::string kind_of(const RunResult& result) {
    switch (result.exit_code) {
        case kHang:
            return result.reason;
        case kHostTimeout:
            return "host";
        case kInternal:
            return "crash";
        default:
            return result.expectation_failed() ? "expectation" : "";
    }
}

std::string first_failure(const RunResult& result) {
    if (!result.error.empty()) {
        return result.error;
    }
    if (result.failures.empty()) {
        return result.exit_code == kPass ? "" : result.reason;
    }
    const scenario::Failure& failure = result.failures.front();
    std::string text = failure.where.empty() ? "" : failure.where + ": ";
    text += failure.text;
    return failure.seen.empty() ? text : text + ": " + failure.seen.front();
}

// Empty: see `problem`. What is no regular file is not opened: a pipe would wait, a device has no
// end.
std::string content_of(const std::filesystem::path& path, std::string& problem) {
    std::error_code error;
    const bool regular = std::filesystem::is_regular_file(path, error);
    if (error || !regular) {
        problem = error ? error.message() : "it is no regular file";
        return {};
    }
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        problem = std::strerror(errno != 0 ? errno : EIO);
        return {};
    }
    return {std::istreambuf_iterator<char>(in), {}};
}

// How the file was called stands in places of the text, too.
RunRecord without_path(RunRecord record) {
    const std::string folder = record.file.substr(0, record.file.rfind('/') + 1);
    for (const std::string& path : {record.file, folder}) {
        if (record.first.rfind(path, 0) == 0) {
            record.first.erase(0, path.size());
            break;
        }
    }
    record.file.clear();
    record.reproduce.clear();
    return record;
}

// Files may come from anywhere: what a number is meant to be must be one.
bool numbers(const Node& node) {
    for (const char* const key : {"seed", "run", "exit_code", "time_ps", "events"}) {
        // No number gives what is otherwise: it is none when that can be chosen.
        if (scenario::integer_of(node.get(key), 0) != scenario::integer_of(node.get(key), 1)) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string RunKey::path() const {
    return fmt::format("{}/{}-{}.json", hash, seed, run);
}

bool operator<(const RunKey& a, const RunKey& b) {
    return std::tie(a.hash, a.seed, a.run) < std::tie(b.hash, b.seed, b.run);
}

RunRecord record_of(const RunResult& result, const std::vector<std::string>& defects) {
    RunRecord record;
    record.defects = defects;
    record.key = {result.hash, result.seed, result.run};
    record.file = result.file;
    record.name = result.name;
    record.cell = result.cell;
    record.exit_code = result.exit_code;
    record.reason = result.reason;
    record.end_ps = result.end_ps;
    record.events = result.events;
    std::set<std::string> codes;
    for (const scenario::SeenFinding& finding : result.findings) {
        if (!finding.wanted) {
            codes.insert(finding.code);
        }
    }
    const std::string kind = kind_of(result);
    if (!kind.empty()) {
        codes.insert(kind);
    }
    record.codes.assign(codes.begin(), codes.end());
    record.marks = result.marks;
    record.asked = result.defects;
    record.first = first_failure(result);
    record.reproduce = result.exit_code == kPass ? "" : result.reproduce;
    return record;
}

RunResult result_of(const RunRecord& record) {
    RunResult result;
    result.hash = record.key.hash;
    result.seed = record.key.seed;
    result.run = record.key.run;
    result.file = record.file;
    result.name = record.name;
    result.cell = record.cell;
    result.exit_code = record.exit_code;
    result.reason = record.reason;
    result.end_ps = record.end_ps;
    result.events = record.events;
    for (const std::string& code : record.codes) {
        if (code.find('.') != std::string::npos) {
            result.findings.push_back({code, "", "", TimePs{}, 0, false});
        }
    }
    result.findings_total = result.findings.size();
    if (record.exit_code == kFailed) {
        scenario::Failure failure;
        failure.text = record.first;
        failure.about_finding = !result.findings.empty();
        result.failures.push_back(std::move(failure));
    } else {
        result.error = record.first;
    }
    result.reproduce = record.reproduce;
    return result;
}

std::string to_text(const RunRecord& r) {
    Node node = Node::object();
    node.set("format", Node::string(kFormat));
    node.set("config", Node::string(r.key.hash));
    node.set("seed", Node::number(r.key.seed));
    node.set("run", Node::number(r.key.run));
    node.set("file", Node::string(r.file));
    node.set("scenario", Node::string(r.name));
    node.set("cell", Node::string(r.cell));
    node.set("exit_code", Node::number(static_cast<std::uint64_t>(r.exit_code)));
    node.set("ended", Node::string(r.reason));
    node.set("time_ps", Node::number(r.end_ps));
    node.set("events", Node::number(r.events));
    node.set("codes", list_of(r.codes));
    node.set("marks", list_of(r.marks));
    node.set("first", Node::string(r.first));
    node.set("reproduce", Node::string(r.reproduce));
    Node defects = Node::array();
    for (const std::string& defect : r.defects) {
        defects.items.push_back(Node::string(defect));
    }
    node.set("defects", std::move(defects));
    if (!r.asked.empty()) {
        node.set("asked", list_of(r.asked));
    }
    return to_json(node, 0) + "\n";
}

bool from_text(const std::string& text, RunRecord& r) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    Node node;
    const std::uint32_t file = sources.add("record", text);
    using scenario::integer_of;
    using scenario::text_of;
    if (!parse_json(file, sources, diagnostics, node) || !node.is(Node::Kind::Object) ||
        text_of(node.get("format")) != kFormat || !numbers(node)) {
        return false;
    }
    r.key = {text_of(node.get("config")), integer_of(node.get("seed"), 1),
             integer_of(node.get("run"), 0)};
    r.file = text_of(node.get("file"));
    r.name = text_of(node.get("scenario"));
    r.cell = text_of(node.get("cell"));
    r.exit_code = static_cast<int>(integer_of(node.get("exit_code"), kInternal));
    r.reason = text_of(node.get("ended"));
    r.end_ps = integer_of(node.get("time_ps"), 0);
    r.events = integer_of(node.get("events"), 0);
    r.codes = texts_of(node.get("codes"));
    r.marks = texts_of(node.get("marks"));
    r.first = text_of(node.get("first"));
    r.reproduce = text_of(node.get("reproduce"));
    r.asked = texts_of(node.get("asked"));
    r.defects.clear();
    for (const Node& defect : scenario::items_of(node.get("defects"))) {
        r.defects.push_back(defect.text);
    }
    return true;
}

bool same_result(const RunRecord& a, const RunRecord& b) {
    return to_text(without_path(a)) == to_text(without_path(b));
}

std::string write_record(const std::string& folder, const RunRecord& record) {
    const std::string path = folder + "/" + record.key.path();
    const std::string problem = make_folders(path.substr(0, path.rfind('/')));
    // What a link leads to is not the campaign's to write.
    std::error_code ignored;
    if (std::filesystem::is_symlink(path, ignored)) {
        std::filesystem::remove(path, ignored);
    }
    return problem.empty() ? traces::replace_file(path, to_text(record)) : problem;
}

bool read_record(const std::string& folder, const RunKey& key, RunRecord& record) {
    std::string problem;
    return from_text(content_of(folder + "/" + key.path(), problem), record);
}

std::map<RunKey, RunRecord> read_records(const std::string& folder,
                                         std::vector<std::string>& damaged) {
    namespace fs = std::filesystem;
    std::map<RunKey, RunRecord> records;
    const auto entries = [&damaged](const fs::path& of) {
        std::error_code error;
        std::vector<fs::path> paths;
        for (fs::directory_iterator at(of, error), end; !error && at != end; at.increment(error)) {
            paths.push_back(at->path());
        }
        if (error) {
            damaged.push_back(fmt::format("{}: {}", of.string(), error.message()));
        }
        return paths;
    };
    std::error_code ignored;
    for (const fs::path& configuration : entries(folder)) {
        if (!fs::is_directory(configuration, ignored)) {
            continue;
        }
        for (const fs::path& path : entries(configuration)) {
            if (path.extension() != ".json") {
                continue;
            }
            RunRecord record;
            std::string problem;
            if (from_text(content_of(path, problem), record)) {
                records.emplace(record.key, std::move(record));
            } else {
                damaged.push_back(
                    fmt::format("{}: {}", path.string(),
                                problem.empty() ? "it is no result of a run" : problem));
            }
        }
    }
    std::sort(damaged.begin(), damaged.end());
    return records;
}

}  // namespace ioasim::tools
