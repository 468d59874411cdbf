#include "tools/cli/trace/trace_check_cli.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

#include <sys/stat.h>
#include <unistd.h>

#include "core/base/units.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/trace/trace_options.hpp"
#include "traces/trace_check.hpp"
#include "traces/trace_convert.hpp"
#include "traces/trace_format.hpp"
#include "traces/wave_values.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

struct CheckOptions {
    std::vector<std::string> files;
    std::optional<TimePs> at;
};

int usage(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
    return kUsage;
}

// Why a file cannot be read at all; empty: it can.
std::string read_problem(const std::string& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0 || ::access(file.c_str(), R_OK) != 0) {
        return errno == ENOENT ? file + " does not exist" : file + ": " + std::strerror(errno);
    }
    return S_ISDIR(info.st_mode) ? file + ": " + std::strerror(EISDIR) : std::string();
}

int check_command(const CheckOptions& o) {
    end_at_signal();
    std::size_t bad = 0;
    bool no_values = false;
    std::size_t unread = 0;  // and the others are held against their formats all the same
    for (const std::string& file : o.files) {
        const std::string unreadable = read_problem(file);
        if (traces::trace_format_of(file) == nullptr || !unreadable.empty()) {
            ++unread;
            usage(unreadable.empty() ? Code::Usage : Code::CannotOpen,
                  unreadable.empty()
                      ? fmt::format("{}: a trace ends in {}", file, traces::trace_endings())
                      : unreadable);
            continue;
        }
        const traces::CheckResult result = traces::check_trace(file);
        if (!result.problem.empty()) {
            ++bad;
            print_err(fmt::format("{}:{} error: {}\n", file,
                                  result.line == 0 ? "" : fmt::format("{}:", result.line),
                                  result.problem));
            continue;
        }
        print_out(fmt::format("{}: good: {}\n", file, result.content));
        if (o.at) {
            const traces::WaveValues values = traces::wave_values(file, *o.at);
            if (!values.problem.empty()) {
                no_values = true;
                usage(Code::Usage, fmt::format("{}: {}", file, values.problem));
                continue;
            }
            if (*o.at > values.end) {
                print_out(fmt::format("{} ends at {}, before {}: the values are those of its end\n",
                                      file, format_time(values.end), format_time(*o.at)));
            }
            for (const auto& [name, value] : values.values) {
                print_out(fmt::format("{} {}\n", name, value));
            }
        }
    }
    print_out(fmt::format("{} trace{}, {} good, {} bad{}\n", o.files.size(),
                          o.files.size() == 1 ? "" : "s", o.files.size() - bad - unread, bad,
                          unread == 0 ? "" : fmt::format(", {} not checked", unread)));
    return unread != 0 || no_values ? kUsage : bad == 0 ? kPass : kFailed;
}

struct ConvertOptions {
    std::string from;
    std::string to;
    traces::TraceSelection selection;
    bool force = false;
};

int convert_command(const ConvertOptions& o) {
    const std::string problem = traces::convert_problem(o.from, o.to);
    if (!problem.empty()) {
        return usage(Code::Usage, problem);
    }
    const std::string unreadable = read_problem(o.from);
    if (!unreadable.empty()) {
        return usage(Code::CannotOpen, unreadable);
    }
    const bool signals =
        traces::trace_format_of(o.from)->holds == traces::TraceFormatInfo::Holds::Signals;
    if (signals && !o.selection.everything()) {
        return usage(Code::Usage,
                     "--scope, --window and --last choose among events: convert from "
                     ".jsonl or .jsonl.gz");
    }
    Outputs outputs({o.from}, o.force, "the trace that it is made of");
    if (signals ? !outputs.add("TO", o.to) : !add_trace(outputs, o.to, "TO")) {
        return kUsage;
    }
    const traces::ConvertResult result = traces::convert_trace(o.from, o.to, o.selection);
    if (result.refused) {
        return usage(Code::Usage, result.problem,
                     "convert a trace of everything, and choose with --scope and --window");
    }
    if (!result.problem.empty()) {
        if (result.unwritten) {
            print_err(scenario::render_plain(Code::CannotWrite, result.problem, ""));
            return kInternal;
        }
        print_err(fmt::format("ioasim: error: {}\n", result.problem));
        return kFailed;
    }
    if (!result.note.empty()) {
        print_err(fmt::format("ioasim: warning: {}\n", result.note));
    }
    print_out(result.line + "\n");
    return kPass;
}

}  // namespace

void add_trace_check(CLI::App& trace, std::function<int()>& verb) {
    CLI::App& check = *trace.add_subcommand("check", "hold traces against their formats");
    const auto checked = std::make_shared<CheckOptions>();
    check.add_option("FILE", checked->files, "traces, the format by their ending")->required();
    check.add_option_function<std::string>(
        "--at",
        [checked](const std::string& text) {
            const UnitResult time = parse_time_text(text);
            if (!time.ok()) {
                throw CLI::ValidationError("--at", fmt::format("{}: {}", text, time.problem));
            }
            checked->at = TimePs{time.value};
        },
        "TIME: of waveforms, the value of every signal then");
    check.footer(R"(Examples:
  ioasim trace check wave.vcd events.jsonl.gz run.pftrace
  ioasim trace check wave.vcd --at 12us     what a viewer shows at its marker

Exit code 1 when one of them breaks a rule of its format; the first such place is told.)");
    check.callback([checked, &verb] { verb = [checked] { return check_command(*checked); }; });

    CLI::App& convert = *trace.add_subcommand("convert", "make a trace of another format");
    const auto converted = std::make_shared<ConvertOptions>();
    convert.add_option("FROM", converted->from, "events (.jsonl, .jsonl.gz), or a waveform")
        ->required();
    convert.add_option("TO", converted->to, "the format by its ending")->required();
    selection_options(convert, converted->selection, "");
    convert.add_flag("--force", converted->force, "overwrite TO");
    convert.footer(R"(Examples:
  ioasim trace convert events.jsonl wave.vcd
  ioasim trace convert events.jsonl.gz vm1.pftrace --scope vm1 --window 100us:200us
  ioasim trace convert wave.vcd wave.fst

Events become anything, signals signals; what a timeline viewer reads (.pftrace, .json) is a picture
of events that none can be got back from.)");
    convert.callback(
        [converted, &verb] { verb = [converted] { return convert_command(*converted); }; });
}

}  // namespace ioasim::tools
