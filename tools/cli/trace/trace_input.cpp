#include "tools/cli/trace/trace_input.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "core/base/words.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/questions/trace_source.hpp"
#include "traces/trace_part.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

int complain(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
    return kUsage;
}

bool is_scenario(const std::string& file) {
    return file_extension(file) == ".json";
}

std::optional<Job> job_of(const InputOptions& input) {
    RunOptions options;
    options.files = {input.file};
    options.seed = input.seed;
    options.run = input.run;
    options.sets = input.sets;
    options.defects = input.defects;
    options.no_files = true;
    const std::optional<scenario::Scenario> scenario = one_scenario(input);
    return scenario ? std::optional(plan(*scenario, options)) : std::nullopt;
}

int read_run(const InputOptions& input, const InputReader& reader, traces::JsonlHeader& header) {
    std::optional<Job> job = job_of(input);
    if (!job) {
        return kUsage;
    }
    header.version = kVersion;
    header.config = job->hash;
    header.seed = job->effective_seed;
    bool wanted = true;
    job->attach = [&reader, &wanted](trace::Recorder& recorder) {
        trace::Listener* const listener = reader.begin(recorder);
        wanted = listener != nullptr;
        return listener;
    };
    RunResult result = run_one(*job);
    result.seed = job->effective_seed;
    if (!wanted) {
        return kUsage;
    }
    if (result.exit_code == kInternal || result.exit_code == kHostTimeout ||
        by_signal(result.exit_code)) {
        print_err(fmt::format("{}: {}\n", input.label(),
                              result.error.empty() ? "interrupted" : result.error));
        return result.exit_code;
    }
    print_err(last_line(result) + "\n");
    return kPass;
}

// Of a trace that a killed run or a full disk left: where it breaks off. Empty: it does not, or
// there is more behind what is wrong.
std::string cut_off(const traces::TraceSource& file, const traces::JsonlReader& lines,
                    bool at_end) {
    constexpr const char* kEndsEarly = "unexpected end of file";  // zlib, of gzread
    const std::string damage = file.error();
    if (!damage.empty()) {
        return damage.find(kEndsEarly) == std::string::npos
                   ? std::string()
                   : fmt::format("{}:{}: the compressed data is cut off", file.path(),
                                 lines.line() + 1);
    }
    return lines.error() && at_end
               ? fmt::format("{}:{}: {}", file.path(), lines.error().line, lines.error().text)
               : std::string();
}

int read_file(const InputOptions& input, const InputReader& reader, traces::JsonlHeader& header) {
    if (input.seed || input.run != 0 || !input.sets.empty() || !input.defects.empty()) {
        return complain(
            Code::Usage,
            fmt::format("{} is no scenario: its run is over", ioasim::quoted(input.file)),
            "--seed, --run, --set and --defect are for scenarios (.json)");
    }
    traces::TraceSource file(input.file);
    if (!file.error().empty()) {
        return complain(Code::CannotOpen, file.error(),
                        "a trace is a file of --trace, or the folder of a run's results");
    }
    trace::Recorder recorder([] { return TimePs{}; });
    traces::JsonlReader lines(file.stream(), recorder);
    trace::Listener* listener = nullptr;
    TimePs end;
    std::uint64_t events = 0;
    if (lines.read_header(header)) {
        if (reader.only != nullptr) {
            *reader.only = lines.only();
        } else if (!lines.only().everything()) {
            print_err(fmt::format("note: {} is a part of its run: {}\n", file.path(),
                                  traces::part_text(lines.only())));
        }
        listener = reader.begin(recorder);
        if (listener == nullptr) {
            return kUsage;
        }
        trace::EventRecord record;
        while (!reader.finished() && lines.next(record)) {
            end = record.time;
            ++events;
            listener->on_event(record);
        }
    }
    const std::string cut = events == 0 ? std::string() : cut_off(file, lines, file.stream().eof());
    if (!cut.empty()) {
        print_err(fmt::format("ioasim: warning: {}; known are the {} before, up to {}\n", cut,
                              plural(events, "event"), format_time(end)));
        listener->on_end(end);
        return kPass;
    }
    if (!file.error().empty()) {
        return complain(Code::DamagedData, fmt::format("{}: {}", file.path(), file.error()));
    }
    if (lines.error()) {
        return complain(Code::DamagedData, fmt::format("{}:{}: {}", file.path(), lines.error().line,
                                                       lines.error().text));
    }
    listener->on_end(end);
    return kPass;
}

}  // namespace

bool usable(const InputOptions& input) {
    return !is_scenario(input.file) || one_scenario(input).has_value();
}

std::optional<scenario::Scenario> one_scenario(const InputOptions& input) {
    const bool known = known_defects_or_tell(input.defects);
    bool good = known;
    const std::vector<scenario::Scenario> cells = load_or_tell(
        input.file, {input.sets, known ? input.defects : std::vector<std::string>()}, good);
    if (!good) {
        return std::nullopt;
    }
    if (cells.size() != 1) {
        constexpr std::size_t kShown = 4;
        std::string names;
        for (std::size_t i = 0; i < std::min(cells.size(), kShown); ++i) {
            names += (names.empty() ? "" : "; ") + cells[i].cell;
        }
        names += cells.size() > kShown ? fmt::format("; {} more", cells.size() - kShown) : "";
        complain(Code::Usage,
                 fmt::format("{} has {} runs, one is asked about", input.file, cells.size()),
                 "--set AXIS=VALUE chooses one: " + names);
        return std::nullopt;
    }
    return cells.front();
}

std::string InputOptions::label() const {
    std::string out = file;
    if (seed) {
        out += fmt::format(" --seed {}", *seed);
    }
    if (run != 0) {
        out += fmt::format(" --run {}", run);
    }
    for (const std::string& set : sets) {
        out += " --set " + set;
    }
    for (const std::string& defect : defects) {
        out += " --defect " + defect;
    }
    return out;
}

void input_options(CLI::App& app, InputOptions& input) {
    number_option(app, "--seed", input.seed, "of a scenario: its seed");
    number_option(app, "--run", input.run, "of a scenario: the number of the run");
    set_option(app, input.sets);
    app.add_option("--defect", input.defects, "of a scenario: a seeded defect that is on")
        ->allow_extra_args(false)
        ->take_all();
}

int read_input(const InputOptions& input, const InputReader& reader, traces::JsonlHeader& header) {
    return is_scenario(input.file) ? read_run(input, reader, header)
                                   : read_file(input, reader, header);
}

int read_log(const InputOptions& input, traces::EventLog& log, traces::JsonlHeader& header,
             traces::TraceSelection* only) {
    std::unique_ptr<traces::Follower> follower;
    InputReader reader;
    reader.only = only;
    reader.begin = [&](const trace::Recorder& recorder) {
        follower = std::make_unique<traces::Follower>(recorder, log.recorder(), log);
        return follower.get();
    };
    return read_input(input, reader, header);
}

int refuse(const traces::QuestionError& error) {
    return complain(Code::Usage, error.text, error.help);
}

}  // namespace ioasim::tools
