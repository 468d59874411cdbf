#include "tools/cli/points/points_command.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/timing_profile.hpp"
#include "models/platform/bench_params.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/scenario.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/points/experiments.hpp"
#include "tools/cli/points/points_report.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

void complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
}

// The points of the wanted rows; false: a row is not in the file.
bool choose(const PointFile& file, const std::vector<std::string>& rows,
            std::vector<const Point*>& out) {
    std::vector<std::string> names;
    for (const Point& point : file.points) {
        names.push_back(point.row);
        if (rows.empty() || std::find(rows.begin(), rows.end(), point.row) != rows.end()) {
            out.push_back(&point);
        }
    }
    for (const std::string& row : rows) {
        if (std::find(names.begin(), names.end(), row) == names.end()) {
            std::sort(names.begin(), names.end());
            names.erase(std::unique(names.begin(), names.end()), names.end());
            complain(Code::Usage, fmt::format("{} has no row {}", file.path, quoted(row)),
                     suggest(row, names));
            return false;
        }
    }
    return true;
}

int one_file(const std::string& path, const PointsOptions& options, const ExperimentOptions& how) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    PointFile file;
    const bool good = read_points(path, sources, diagnostics, file);
    print_err(scenario::render(diagnostics, sources, colour_on_stderr()));
    std::vector<const Point*> points;
    if (!good || !choose(file, options.rows, points)) {
        return kUsage;
    }
    const std::vector<RowResult> rows = judge_rows(carry_out_points(points, how));
    if (signal_seen() != 0) {
        print_out("bench points: interrupted\n");
        return 128 + signal_seen();
    }
    if (!options.svg.empty()) {
        const std::string problem = write_plots(options.svg, rows);
        if (!problem.empty()) {
            print_err(problem + "\n");
        }
    }
    print_out(options.json ? json_report(file, rows) : text_report(file, rows));
    const bool passed = std::all_of(rows.begin(), rows.end(), [](const RowResult& row) {
        return row.passed || !row.carried_out;
    });
    return passed ? kPass : kFailed;
}

bool read_params(const PointsOptions& options, ExperimentOptions& how) {
    for (const std::string& text : options.params) {
        const std::size_t dot = text.find('.');
        const std::size_t equals = text.find('=');
        if (dot == std::string::npos || equals == std::string::npos || dot > equals) {
            complain(Code::BadSet, fmt::format("--param {}: write COMPONENT.PATH=VALUE", text));
            return false;
        }
        const std::string component = text.substr(0, dot);
        const std::string path = text.substr(dot + 1, equals - dot - 1);
        const ParamInfo* const info = platform::find_param(component, path);
        std::uint64_t value = 0;
        if (info == nullptr || !parse_param(*info, text.substr(equals + 1), value) ||
            !info->allows(value)) {
            complain(
                Code::BadSet,
                fmt::format("--param {}: there is no such parameter, or it cannot be so", text),
                "`ioasim params` lists them");
            return false;
        }
        for (auto& [topology, params] : how.params) {
            params.last.push_back({component, path, value});
        }
    }
    return true;
}

bool read_profile(const std::string& name, platform::Topology topology, ExperimentOptions& how) {
    const TimingProfile* const profile = find_timing_profile(name);
    if (profile == nullptr) {
        complain(Code::Usage, fmt::format("there is no timing profile {}", quoted(name)),
                 suggest(name, timing_profile_names()));
        return false;
    }
    how.params[topology].profile = platform::timing_overrides(*profile);
    return true;
}

// Each topology has a profile of its own, unless one is named for all.
bool read_profiles(const PointsOptions& options, ExperimentOptions& how) {
    const auto named = [&options](const char* own) {
        return options.profile.empty() ? std::string(own) : options.profile;
    };
    return read_profile(named("spr"), platform::Topology::IntegratedDsa, how) &&
           read_profile(named("spr"), platform::Topology::Software, how) &&
           read_profile(named("discrete-nic"), platform::Topology::DiscreteNic, how);
}

// Experiments have events; which signals a waveform would show is said by scenarios only.
bool good_trace(const PointsOptions& options) {
    if (!good_traces({options.trace})) {
        return false;
    }
    if (traces::trace_format_of(options.trace)->holds == traces::TraceFormatInfo::Holds::Signals) {
        print_err(scenario::render_plain(
            scenario::Code::Usage,
            fmt::format("--trace {}: experiments have no waveform", options.trace),
            "write .jsonl, .jsonl.gz, .pftrace or .json"));
        return false;
    }
    return Outputs(options.files, false).add("--trace", options.trace);
}

}  // namespace

int run_bench_points(const PointsOptions& options) {
    ExperimentOptions how;
    how.trace = options.trace;
    if (!read_profiles(options, how) || !read_params(options, how)) {
        return kUsage;
    }
    if (!options.trace.empty() && !good_trace(options)) {
        return kUsage;
    }
    watch_signals();
    int code = kPass;
    for (const std::string& path : options.files) {
        code = std::max(code, one_file(path, options, how));
    }
    return code;
}

}  // namespace ioasim::tools
