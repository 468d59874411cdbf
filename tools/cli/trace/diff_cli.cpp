// ioasim trace diff: where two traces part, and what came of it.
#include <memory>

#include <CLI/CLI.hpp>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/trace/filter_options.hpp"
#include "tools/cli/trace/trace_cli.hpp"
#include "tools/cli/trace/trace_input.hpp"
#include "traces/questions/diff.hpp"

namespace ioasim::tools {
namespace {

struct Options {
    std::vector<std::string> files;
    InputOptions both;
    std::vector<std::string> a;
    std::vector<std::string> b;
    std::vector<std::string> defects_a;
    std::vector<std::string> defects_b;
    traces::DiffOptions diff;
    std::string format = "text";
};

InputOptions side(const Options& o, const std::string& file, const std::vector<std::string>& sets,
                  const std::vector<std::string>& defects) {
    InputOptions input = o.both;
    input.file = file;
    input.sets.insert(input.sets.end(), sets.begin(), sets.end());
    input.defects.insert(input.defects.end(), defects.begin(), defects.end());
    return input;
}

int trace_diff(const Options& o) {
    end_at_signal();
    const InputOptions inputs[] = {side(o, o.files.front(), o.a, o.defects_a),
                                   side(o, o.files.back(), o.b, o.defects_b)};
    const bool first = usable(inputs[0]);
    if (!usable(inputs[1]) || !first) {
        return kUsage;
    }
    traces::EventLog logs[2];
    traces::TraceSide sides[2];
    for (std::size_t i = 0; i < 2; ++i) {
        sides[i].label = inputs[i].label();
        sides[i].log = &logs[i];
        const int code = read_log(inputs[i], logs[i], sides[i].header);
        if (code != kPass) {
            return code;
        }
    }
    traces::Diff diff;
    if (const traces::QuestionError error = diff_traces(sides[0], sides[1], o.diff, diff)) {
        return refuse(error);
    }
    print_out(o.format == "json" ? diff_json(diff) : diff_text(diff));
    return diff.same() ? kPass : kFailed;
}

}  // namespace

void add_trace_diff(CLI::App& trace, std::function<int()>& verb) {
    const auto options = std::make_shared<Options>();
    Options& o = *options;
    CLI::App& diff = *trace.add_subcommand("diff", "where two traces part, and what came of it");
    diff.add_option("TRACE", o.files,
                    "two traces, folders of results or scenarios; one scenario is run twice")
        ->required()
        ->expected(1, 2);
    number_option(diff, "-C,--context", o.diff.context, "events shown around the difference (3)", 0,
                  1000);
    diff.add_flag("--ignore-times", o.diff.ignore_times,
                  "what happened in which order, whenever it was");
    filter_options(diff, o.diff.filter);
    several(diff, "--a", o.a, "as --set, for the first", "PATH=VALUE");
    several(diff, "--b", o.b, "as --set, for the second", "PATH=VALUE");
    several(diff, "--defect-a", o.defects_a, "a seeded defect of the first", "NAME");
    several(diff, "--defect-b", o.defects_b, "a seeded defect of the second", "NAME");
    input_options(diff, o.both);
    format_option(diff, o.format);
    diff.footer(R"(Examples:
  ioasim trace diff yesterday.jsonl today.jsonl.gz
  ioasim trace diff x.json --defect-b linux.missing_put --event 'ioasid.*'
  ioasim trace diff x.json --b ioasid.profile=v4 --ignore-times --event 'ioasid.*'

Sequence numbers do not count. Exit code 1 when the traces differ.)");
    diff.callback([options, &verb] { verb = [options] { return trace_diff(*options); }; });
}

void add_trace_questions(CLI::App& trace, std::function<int()>& verb) {
    add_trace_query(trace, verb);
    add_trace_diff(trace, verb);
    add_trace_explain(trace, verb);
}

}  // namespace ioasim::tools
