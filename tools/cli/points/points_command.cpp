#include "tools/cli/points/points_command.hpp"

#include <algorithm>
#include <deque>

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

// A file of points, read.
struct Loaded {
    PointFile file;
    std::vector<const Point*> points;
};

bool load(const std::string& path, const PointsOptions& options, Loaded& out) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    const bool good = read_points(path, sources, diagnostics, out.file);
    print_err(scenario::render(diagnostics, sources, colour_on_stderr()));
    return good && choose(out.file, options.rows, out.points);
}

int one_file(const Loaded& loaded, ExperimentPlan& plan, const PointsOptions& options,
             const ExperimentOptions& how) {
    CarriedOut carried = plan.carry_out(how);
    PointsOutcome outcome;
    outcome.interrupted = signal_seen() != 0;
    outcome.not_written = std::move(carried.not_written);
    for (RowResult& row : judge_rows(std::move(carried.results), loaded.file.info_rows)) {
        if (row.finished) {
            outcome.rows.push_back(std::move(row));
        } else {
            ++outcome.unfinished;
        }
    }
    if (!options.svg.empty()) {
        const std::string problem = write_plots(options.svg, outcome.rows);
        if (!problem.empty()) {
            outcome.not_written.push_back(problem);
        }
    }
    print_out(options.json ? json_report(loaded.file, outcome) : text_report(loaded.file, outcome));
    for (const std::string& lost : outcome.not_written) {
        complain(Code::CannotWrite, "not written: " + lost);
    }
    return outcome.status();
}

// Whether there is such a parameter; else stderr is told which one may be meant.
bool good_param(const std::string& text, const std::string& component, const std::string& path) {
    std::vector<const ParamTableBase*> tables = platform::param_tables();
    tables.push_back(&platform::bench_param_table());
    std::vector<std::string> components;
    std::vector<std::string> known;
    for (const ParamTableBase* const table : tables) {
        components.emplace_back(table->owner());
        for (const ParamInfo& info : table->params()) {
            if (info.path == path && table->owner() == component) {
                return true;
            }
            if (table->owner() == component) {
                known.push_back(component + "." + info.path);
            }
        }
    }
    if (known.empty()) {
        complain(Code::UnknownParameter,
                 fmt::format("--param {}: {} is no kind of component", text, quoted(component)),
                 suggest(component, components));
        return false;
    }
    const std::string near = nearest(component + "." + path, known);
    complain(
        Code::UnknownParameter,
        fmt::format("--param {}: {} has no parameter {}", text, quoted(component), quoted(path)),
        near.empty() ? "`ioasim params` lists them" : fmt::format("did you mean {}?", near));
    return false;
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
        if (!good_param(text, component, path)) {
            return false;
        }
        const ParamInfo* const info = platform::find_param(component, path);
        std::uint64_t value = 0;
        const std::string written = text.substr(equals + 1);
        if (!parse_param(*info, written, value) || !info->allows(value)) {
            complain(Code::OutOfRange,
                     fmt::format("--param {}: {} ({}) must be {}", text, text.substr(0, equals),
                                 info->meaning, param_range(*info)));
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
    return true;
}

// Each trace can be written, and overwrites nothing that it may not.
bool good_outputs(const PointsOptions& options, const std::deque<ExperimentPlan>& plans) {
    bool good = true;
    Outputs outputs(options.files, options.force, "the points");
    for (const ExperimentPlan& plan : plans) {
        for (const std::string& file : plan.traces(options.trace)) {
            good = add_trace(outputs, file) && good;
        }
    }
    return good;
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
    bool good = true;
    std::deque<Loaded> files;
    std::deque<ExperimentPlan> plans;
    for (const std::string& path : options.files) {
        files.emplace_back();
        good = load(path, options, files.back()) && good;
        plans.emplace_back(files.back().points);
    }
    if (!good || !good_outputs(options, plans)) {
        return kUsage;
    }
    watch_signals();
    int code = kPass;
    std::size_t done = 0;
    while (done < files.size() && signal_seen() == 0) {
        code = worse(code, one_file(files[done], plans[done], options, how));
        ++done;
    }
    if (signal_seen() != 0) {
        const std::size_t left = files.size() - done;
        print_err(
            fmt::format("bench points: interrupted; rows that were finished are told{}\n",
                        left == 0 ? "" : fmt::format(", {} not begun", plural(left, "file"))));
        code = worse(code, 128 + signal_seen());
    }
    return code;
}

}  // namespace ioasim::tools
