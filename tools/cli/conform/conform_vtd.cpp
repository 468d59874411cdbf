#include "tools/cli/conform/conform_vtd.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "scenarios/language/scenario.hpp"
#include "tools/cli/conform/vtd_vectors.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

constexpr std::size_t kContextLines = 4;
constexpr std::size_t kShownCharacters = 200;

struct Totals {
    std::uint64_t files = 0;
    std::uint64_t operations = 0;
    std::uint64_t checks = 0;
    std::uint64_t mismatches = 0;
    std::uint64_t skipped = 0;
};

void complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
}

std::string shortened(const std::string& text) {
    return text.size() <= kShownCharacters ? text : text.substr(0, kShownCharacters) + " ...";
}

// A header that the model cannot take: every message is about the unit or its parameters.
bool beyond_the_model(const scenario::Loaded& loaded) {
    const auto all = loaded.diagnostics.sorted();
    return std::all_of(all.begin(), all.end(), [](const scenario::Diagnostic& d) {
        const bool about_unit = d.pointer.rfind("/platform/iommus", 0) == 0 ||
                                d.pointer.rfind("/platform/params", 0) == 0;
        return d.warning ||
               (about_unit && (d.code == Code::Platform || d.code == Code::OutOfRange));
    });
}

class ConformVtd {
public:
    explicit ConformVtd(const RunOptions& options) : options_(options) {}

    int run() {
        if (!check_options()) {
            return kUsage;
        }
        int code = kPass;
        for (const std::string& path : options_.files) {
            if (signal_seen() != 0) {
                return 128 + signal_seen();
            }
            code = worse(code, one_file(path));
        }
        print_out(fmt::format("{} files, {} operations, {} checks, {} mismatches, {} skipped\n",
                              totals_.files, totals_.operations, totals_.checks, totals_.mismatches,
                              totals_.skipped));
        return code;
    }

private:
    bool check_options() {
        const bool good = good_traces(options_.traces);
        return known_defects_or_tell(options_.defects) && good;
    }

    int one_file(const std::string& path) {
        scenario::SourceSet sources;
        scenario::Diagnostics diagnostics;
        VtdVectors vectors;
        const bool good = read_vtd_vectors(path, sources, diagnostics, vectors);
        print_err(scenario::render(diagnostics, sources, colour_on_stderr()));
        if (!good) {
            return kUsage;
        }
        scenario::Loaded loaded =
            scenario::load_tree(path, std::move(sources), std::move(vectors.scenario),
                                program_vocabulary(), {options_.sets, options_.defects});
        if (loaded.diagnostics.has_errors() && beyond_the_model(loaded)) {
            ++totals_.skipped;
            for (const scenario::Diagnostic& d : loaded.diagnostics.sorted()) {
                print_out(fmt::format("{}: skipped: {}\n", path, d.text));
            }
            return kFailed;
        }
        if (loaded.diagnostics.has_errors()) {
            print_err(scenario::render(loaded.diagnostics, loaded.sources, colour_on_stderr()));
            return kUsage;
        }
        int code = kPass;
        for (const scenario::Scenario& cell : loaded.cells) {
            code = worse(code, one_run(path, cell, loaded.sources, vectors));
        }
        return code;
    }

    int one_run(const std::string& path, const scenario::Scenario& cell,
                const scenario::SourceSet& sources, const VtdVectors& vectors) {
        Job job = plan(cell, options_);
        job.options.no_files = true;
        job.options.checkers = false;
        job.show_progress = false;
        if (!plan_traces(job)) {
            return kUsage;
        }
        const RunResult result = run_isolated(job);
        ++totals_.files;
        totals_.operations += vectors.operations;
        totals_.checks += vectors.checks;
        totals_.mismatches += result.failures.size();
        if (!result.error.empty()) {
            print_err(fmt::format("{}: error: {}\n", path, result.error));
        }
        for (const std::string& lost : result.not_written) {
            complain(Code::CannotWrite, "cannot write " + lost);
        }
        if (!result.failures.empty()) {
            show(result.failures.front(), sources, vectors);
        }
        if (!options_.quiet || result.status() != kPass) {
            print_out(fmt::format("{}: {} operations, {} checks, {} mismatches\n", path,
                                  vectors.operations, vectors.checks, result.failures.size()));
        }
        return result.status();
    }

    bool plan_traces(Job& job) {
        Outputs outputs(options_.files, options_.force);
        bool good = true;
        for (const std::string& trace : options_.traces) {
            const std::string path =
                with_cell(trace, options_.files.size() > 1 ? job.scenario.name : "");
            job.traces.push_back(path);
            good = add_trace(outputs, path) && good;
        }
        return good;
    }

    // The first answer that differs, with the lines before it.
    void show(const scenario::Failure& failure, const scenario::SourceSet& sources,
              const VtdVectors& vectors) const {
        print_out(fmt::format("{}: {}\n", failure.where.empty() ? vectors.name : failure.where,
                              failure.seen.empty() ? failure.text : failure.seen.back()));
        // "file:line:column"
        const std::size_t column = failure.where.rfind(':');
        const std::size_t line =
            column == std::string::npos ? std::string::npos : failure.where.rfind(':', column - 1);
        if (line == std::string::npos) {
            return;
        }
        const std::size_t at = std::stoul(failure.where.substr(line + 1, column - line - 1));
        for (std::size_t i = at > kContextLines ? at - kContextLines : 1; i <= at; ++i) {
            print_out(fmt::format(
                "{}{}\n", i == at ? "  > " : "    ",
                shortened(sources.line_text(vectors.file, static_cast<std::uint32_t>(i)))));
        }
    }

    const RunOptions& options_;
    Totals totals_;
};

}  // namespace

int run_conform_vtd(const RunOptions& options) {
    return ConformVtd(options).run();
}

}  // namespace ioasim::tools
