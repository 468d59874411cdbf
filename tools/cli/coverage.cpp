#include "tools/cli/coverage.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "scenarios/language/reading.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

struct Row {
    std::string id;
    std::string statement;
    std::vector<std::string> tests;
    std::vector<std::string> scenarios;  // files with a proof
    std::vector<std::string> unproved;   // files that name the row without a proof that holds
};

struct File {
    std::string path;
    std::vector<scenario::Scenario> cells;
    std::vector<std::string> outcomes;  // of the proofs that hold
    std::vector<std::string> broken;    // what does not pass, and proofs that do not hold
    bool good = true;
};

// Folders whose files are no scenarios.
bool skipped_folder(const std::string& name) {
    return name == "schema" || name == "language" || name.front() == '.';
}

void find_files(const std::string& folder, std::vector<std::string>& out) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
    if (!dir) {
        return;
    }
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string name = entry->d_name;
        const std::string path = folder + "/" + name;
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            if (!skipped_folder(name)) {
                find_files(path, out);
            }
        } else if (name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0) {
            out.push_back(path);
        }
    }
}

class Coverage {
public:
    explicit Coverage(const CoverageOptions& options) : options_(options) {}

    int run() {
        if (!options_.files.empty() && !options_.prove) {
            print_err(render_plain(scenario::Code::Usage, "coverage of files has rows of no list",
                                   "--prove tries the proofs of the files"));
            return kUsage;
        }
        if ((options_.files.empty() && !read_rows()) || !read_scenarios()) {
            return kUsage;
        }
        if (options_.prove) {
            for (File& file : files_) {
                if (signal_seen() != 0) {
                    print_err("interrupted: the remaining proofs were not tried\n");
                    return 128 + signal_seen();
                }
                prove(file);
            }
        }
        if (!assign_rows()) {
            return kUsage;
        }
        return tell();
    }

private:
    bool read_rows() {
        scenario::SourceSet sources;
        scenario::Diagnostics diagnostics;
        Node document;
        const bool good = read_json_file(options_.rows, {}, sources, diagnostics, document);
        print_err(render(diagnostics, sources, colour_on_stderr()));
        for (const Node& item : scenario::items_of(document.get("rows"))) {
            Row row;
            row.id = scenario::text_of(item.get("id"));
            row.statement = scenario::text_of(item.get("statement"));
            for (const Node& test : scenario::items_of(item.get("tests"))) {
                row.tests.push_back(scenario::text_of(&test));
            }
            rows_.push_back(std::move(row));
        }
        if (good && rows_.empty()) {
            print_err(render_plain(scenario::Code::Usage,
                                   fmt::format("{} lists no rows", options_.rows), ""));
        }
        return good && !rows_.empty();
    }

    bool read_scenarios() {
        std::vector<std::string> paths = options_.files;
        if (paths.empty()) {
            find_files(options_.scenarios, paths);
            std::sort(paths.begin(), paths.end());
        }
        if (paths.empty()) {
            print_err(render_plain(scenario::Code::CannotOpen,
                                   fmt::format("no scenario under {}", quoted(options_.scenarios)),
                                   "--scenarios names the folder"));
            return false;
        }
        bool good = true;
        for (const std::string& path : paths) {
            File file;
            file.path = path;
            file.cells = load_or_tell(path, {}, good);
            files_.push_back(std::move(file));
        }
        return good;
    }

    static RunOptions quiet_options() {
        RunOptions options;
        options.no_files = true;
        options.quiet = true;
        options.timeout_seconds = 600;
        return options;
    }

    // Whether the failure is the one that the proof names.
    static bool fails_as_named(const RunResult& result, const std::string& wanted) {
        if (result.exit_code != kFailed && result.exit_code != kHang) {
            return false;
        }
        if (wanted == "expectation") {
            return result.expectation_failed();
        }
        const scenario::Vocabulary& words = program_vocabulary();
        return std::any_of(result.findings.begin(), result.findings.end(), [&](const auto& f) {
            return !f.wanted && (f.code == wanted || words.checker_of(f.code) == wanted);
        });
    }

    static std::string seen_instead(const RunResult& result) {
        std::string out = result.outcome();
        std::set<std::string> codes;
        for (const scenario::SeenFinding& f : result.findings) {
            codes.insert(f.code);
        }
        for (const std::string& code : codes) {
            out += " " + code;
        }
        return out + (result.expectation_failed() ? " expectation" : "");
    }

    void prove(File& file) {
        if (file.cells.empty()) {
            return;
        }
        const scenario::Scenario& first = file.cells.front();
        if (options_.files.empty() && first.covers.empty() && first.proofs.empty()) {
            return;
        }
        for (const scenario::Scenario& cell : file.cells) {
            const RunResult result = run_isolated(plan(cell, quiet_options()));
            if (result.exit_code != kPass) {
                file.good = false;
                file.broken.push_back(fmt::format("does not pass: {}", last_line(result)));
                return;
            }
        }
        if (file.cells.front().proofs.empty()) {
            file.good = false;
            file.broken.emplace_back("names no proof");
        }
        for (const scenario::Proof& proof : file.cells.front().proofs) {
            try_proof(file, proof);
        }
    }

    // Holds when some cell fails as named.
    void try_proof(File& file, const scenario::Proof& proof) {
        RunOptions options = quiet_options();
        options.defects = {proof.defect};
        bool good = true;
        const std::vector<scenario::Scenario> cells =
            load_or_tell(file.path, {{}, options.defects}, good);
        std::string seen;
        for (const scenario::Scenario& cell : cells) {
            const RunResult result = run_isolated(plan(cell, options));
            if (fails_as_named(result, proof.fails)) {
                file.outcomes.push_back(
                    fmt::format("fails with {}: {}", proof.defect, proof.fails));
                return;
            }
            seen = seen_instead(result);
        }
        file.good = false;
        file.broken.push_back(
            fmt::format("with {} it should fail by {}, seen: {}", proof.defect, proof.fails, seen));
    }

    bool assign_rows() {
        bool good = true;
        std::map<std::string, Row*> by_id;
        std::vector<std::string> ids;
        for (Row& row : rows_) {
            by_id[row.id] = &row;
            ids.push_back(row.id);
        }
        for (const File& file : files_) {
            if (!options_.files.empty()) {
                break;
            }
            for (const std::string& id : file.cells.front().covers) {
                const auto row = by_id.find(id);
                if (row == by_id.end()) {
                    print_err(render_plain(scenario::Code::UnknownStep,
                                           fmt::format("{} covers {}, which is no row of {}",
                                                       file.path, quoted(id), options_.rows),
                                           suggest(id, ids)));
                    good = false;
                    continue;
                }
                const bool proved = file.good && !file.cells.front().proofs.empty();
                (proved ? row->second->scenarios : row->second->unproved).push_back(file.path);
            }
        }
        return good;
    }

    int tell() {
        std::size_t open = 0;
        std::size_t held = 0;
        std::size_t broken = 0;
        std::string text;
        for (const Row& row : rows_) {
            const bool covered = !row.scenarios.empty() || !row.tests.empty();
            open += covered ? 0 : 1;
            std::string by;
            for (const std::string& file : row.scenarios) {
                by += " " + file;
            }
            for (const std::string& test : row.tests) {
                by += fmt::format(" test:{}", quoted(test));
            }
            for (const std::string& file : row.unproved) {
                by += fmt::format(" ({}: no proof)", file);
            }
            text += fmt::format("{:<4} {:<7} {}\n", row.id, covered ? "covered" : "open",
                                by.empty() ? row.statement : by.substr(1));
        }
        for (const File& file : files_) {
            held += file.outcomes.size();
            broken += file.broken.size();
            for (const std::string& outcome : file.outcomes) {
                text += fmt::format("proof holds {}: {}\n", file.path, outcome);
            }
            for (const std::string& outcome : file.broken) {
                text += fmt::format("PROOF BROKEN {}: {}\n", file.path, outcome);
            }
        }
        if (!options_.quiet) {
            print_out(text);
        }
        std::string line;
        if (options_.files.empty()) {
            line = fmt::format("{} rows: {} covered, {} open", rows_.size(), rows_.size() - open,
                               open);
        }
        if (options_.prove) {
            line +=
                fmt::format("{}proofs: {} held, {} broken", line.empty() ? "" : "; ", held, broken);
        }
        print_out(line + "\n");
        return open == 0 && broken == 0 ? kPass : kFailed;
    }

    const CoverageOptions& options_;
    std::vector<Row> rows_;
    std::vector<File> files_;
};

}  // namespace

int coverage_command(const CoverageOptions& options) {
    return Coverage(options).run();
}

}  // namespace ioasim::tools
