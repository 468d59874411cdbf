#include "tools/cli/cli.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "core/base/check.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/bench/bench.hpp"
#include "tools/cli/campaign/campaign_cli.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/compare.hpp"
#include "tools/cli/conform/conform_ioasid.hpp"
#include "tools/cli/conform/conform_vtd.hpp"
#include "tools/cli/coverage.hpp"
#include "tools/cli/explore/explore_cli.hpp"
#include "tools/cli/help/build_info.hpp"
#include "tools/cli/help/help_cli.hpp"
#include "tools/cli/info_commands.hpp"
#include "tools/cli/inject/inject_cli.hpp"
#include "tools/cli/points/points_command.hpp"
#include "tools/cli/report/report_cli.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/shrink/shrink_cli.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/topology/topology_cli.hpp"
#include "tools/cli/trace/trace_check_cli.hpp"
#include "tools/cli/trace/trace_cli.hpp"
#include "tools/cli/trace/trace_options.hpp"
#include "traces/look_around.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

constexpr const char* kFooter = R"(Examples:
  ioasim run scenarios/quickstart/two_vms.json
  ioasim run x.json --seed 7 --set vms[vm1].quota=5 --trace wave.vcd --trace events.jsonl
  ioasim run scenarios/quickstart/*.json --report junit=results.xml --quiet
  ioasim run x.json --set ioasid.profile=v4 --set iommu0.iotlb.entries=8
  ioasim validate x.json          ioasim explain E0303
  ioasim params iotlb             ioasim coverage --prove

Exit codes: 0 pass; 1 an expectation or invariant failed; 2 usage or scenario error;
3 internal error, or an output that could not be written; 4 hang or simulated-time limit;
5 host timeout; 129 hung up; 130 Ctrl-C; 143 terminated.)";

// Everything that the options can hold; one object for all verbs.
struct Values {
    RunOptions run;
    std::string format = "text";
    std::vector<std::string> files;
    std::vector<std::string> sets;
    std::string word;
    std::string code;
    bool tables = false;
    bool no_checkers = false;
    CoverageOptions coverage;
    std::vector<std::string> vectors;
    bool strict = false;
    PointsOptions points;
    CompareOptions compare;
    std::function<int()> verb;
};

void add_run(CLI::App& app, Values& values) {
    CLI::App& run = *app.add_subcommand("run", "simulate scenarios and judge their expectations");
    RunOptions& o = values.run;
    run.add_option("FILE", o.files, "scenario files")->required();
    number_option(run, "--seed", o.seed, "seed of every random stream (default: the scenario's)");
    number_option(run, "--run", o.run, "number of the run: other draws under the same seed");
    set_option(run, o.sets);
    defect_option(run, o.defects);
    run.add_option("--out", o.out,
                   "folder of the results (default out/NAME-SEED, numbered when "
                   "taken)")
        ->type_name("FOLDER")
        ->check(not_empty());
    run.add_flag("--no-files", o.no_files, "write no folder of results");
    trace_options(run, o, ".CELL");
    report_option(run, o.reports);
    run.add_flag("--force", o.force, "overwrite files");
    run.add_flag("--quiet", o.quiet, "one line for each run");
    format_option(run, values.format);
    run.add_flag("--no-checkers", values.no_checkers, "switch the checkers off");
    constexpr std::uint64_t kLongestTimeout = 1'000'000'000;
    number_option(run, "--timeout", o.timeout_seconds,
                  "host seconds that one run may take (default: any number)", 1, kLongestTimeout);
    constexpr std::uint64_t kMostBystanders = 1000;
    number_option(run, "--bystanders", o.bystanders, "", 0, kMostBystanders)->group("");
    number_option(run, "--shuffle", o.shuffle, "")->group("");
    run.footer(R"(Examples:
  ioasim run scenarios/quickstart/two_vms.json
  ioasim run x.json --seed 7 --set vms[vm1].quota=5 --trace wave.vcd --trace events.jsonl
  ioasim run x.json --trace run.pftrace --trace-scope vm1 --trace-window 100us:200us
  ioasim run x.json --set ioasid.profile=v4 --set iommu0.iotlb.entries=8
  ioasim run x.json --defect vtd.skip_iotlb_invalidation --no-files
  ioasim run scenarios/quickstart/*.json --report junit=results.xml --quiet

The last line of stdout is the summary. Results are judged by `expect`, by the checkers, and by how
the run ends. Without --force nothing is overwritten.)");
    run.callback([&values] {
        values.verb = [&values] {
            values.run.json = values.format == "json";
            values.run.checkers = !values.no_checkers;
            return run_command(values.run);
        };
    });
}

void add_validate(CLI::App& app, Values& values) {
    CLI::App& validate = *app.add_subcommand("validate", "check scenario files without running");
    validate.add_option("FILE", values.files, "scenario files")->required();
    set_option(validate, values.sets);
    format_option(validate, values.format);
    validate.footer(R"(Examples:
  ioasim validate scenarios/quickstart/*.json
  ioasim validate x.json --set n=4 --format json

Exit code 2 when a file has an error; all errors are shown at once.)");
    validate.callback([&values] {
        values.verb = [&values] {
            return validate_command(values.files, values.sets, values.format == "json");
        };
    });
}

void add_knowledge(CLI::App& app, Values& values) {
    CLI::App& schema =
        *app.add_subcommand("schema", "print the JSON schema of scenarios or reports");
    schema.add_option("OF", values.word, "scenario (default) or report: --report json=FILE")
        ->check(CLI::IsMember({"scenario", "report"}));
    schema.add_flag("--tables", values.tables, "the keys as Markdown tables instead");
    schema.footer(R"(Examples:
  ioasim schema > scenario.schema.json      "$schema" in a scenario names it for editors
  ioasim schema report > report.schema.json of JSON reports
  ioasim schema --tables                    the same keys for people)");
    schema.callback([&values] {
        values.verb = [&values] { return schema_command(values.word, values.tables); };
    });

    CLI::App& explain = *app.add_subcommand(
        "explain", "tell about an error code, event, finding, checker, defect or parameter");
    explain
        .add_option(
            "WORD", values.word,
            "E0303, ioasid.put, references.leak, ...; or codes, "
            "events, checkers, defects, switches, hazards, fault_sites, marks, state, fault "
            "for a list")
        ->required();
    explain.add_option("NUMBER", values.code,
                       "after \"fault\": a reason, 0x71; after \"profile\": its name");
    explain.footer(R"(Examples:
  ioasim explain E0303                      an error message of a scenario
  ioasim explain vtd.fault                  an event, its fields, the reasons of faults
  ioasim explain fault 0x71                 a reason of a fault and what raises it
  ioasim explain references.leak            a finding of a checker
  ioasim explain iommu.iotlb.entries        a parameter of a model
  ioasim explain profile spr                parameters of a timing profile and what fixes them
  ioasim explain switches                   where the profiles of the IOASID core differ
  ioasim explain hazards                    what a call can do that real code does not survive
  ioasim explain defects                    all seeded defects)");
    explain.callback([&values] {
        values.verb = [&values] { return explain_command(values.word, values.code); };
    });

    CLI::App& params = *app.add_subcommand("params", "list the parameters of the models");
    params.add_option("TEXT", values.word, "only those with this in their name");
    format_option(params, values.format);
    params.footer(R"(Examples:
  ioasim params                             all of them
  ioasim params iotlb                       those with "iotlb" in their name
  ioasim run x.json --set iommu0.iotlb.entries=8 --set iommu.walk.step=20ns

COMPONENT.PATH in --set or platform.params: a component of the scenario (iommu0), or a kind of them
(iommu) for all.)");
    params.callback([&values] {
        values.verb = [&values] { return params_command(values.word, values.format == "json"); };
    });

    CLI::App& trace = *app.add_subcommand("trace", "about traces");
    trace.require_subcommand(1);
    trace.footer(R"(Examples:
  ioasim trace catalogue                    the events that a trace can hold
  ioasim trace explain x.json --ioasid 202  why it is not free
  ioasim run x.json --trace events.jsonl    writes one: a JSON object a line)");
    add_trace_check(trace, values.verb);
    CLI::App& catalogue = *trace.add_subcommand("catalogue", "every event with its fields");
    format_option(catalogue, values.format);
    catalogue.footer(R"(Examples:
  ioasim trace catalogue | grep '^event vtd'
  ioasim trace catalogue --format json      a JSON object a line)");
    catalogue.callback([&values] {
        values.verb = [&values] { return catalogue_command(values.format == "json"); };
    });
    add_trace_questions(trace, values.verb);
}

void add_coverage(CLI::App& app, Values& values) {
    CLI::App& coverage = *app.add_subcommand(
        "coverage",
        "which rows of the list of statements have a scenario or test that proves them");
    CoverageOptions& o = values.coverage;
    coverage.add_option("FILE", o.files, "with --prove: only the proofs of these scenarios");
    coverage.add_flag("--prove", o.prove,
                      "run each covering scenario, then again with its defect: it must fail as its "
                      "proof says");
    coverage.add_option("--scenarios", o.scenarios, "folder of scenarios (default scenarios)")
        ->type_name("FOLDER");
    coverage.add_option("--rows", o.rows, "list of rows (default tests/rows.json)")
        ->type_name("FILE");
    coverage.add_flag("--quiet", o.quiet, "only the counts");
    coverage.footer(R"(Examples:
  ioasim coverage                           which rows have a proof
  ioasim coverage --prove                   and does each scenario fail with its defect
  ioasim coverage --prove my.json           only the proofs of these files, no rows

Exit code 1 while a row is open, a covering scenario fails or a proof does not hold; with --prove
the last line tells the proofs apart.)");
    coverage.callback(
        [&values] { values.verb = [&values] { return coverage_command(values.coverage); }; });
}

void add_compare(CLI::App& app, Values& values) {
    CLI::App& compare =
        *app.add_subcommand("compare", "two runs side by side: outcome, cost, risk");
    CompareOptions& o = values.compare;
    compare.add_option("FILE", o.run.files, "one scenario file or two")->required()->expected(1, 2);
    number_option(compare, "--seed", o.run.seed, "seed of both runs (default: the scenario's)");
    set_option(compare, o.run.sets);
    const auto side = [&compare](const char* name, std::vector<std::string>& target,
                                 const char* doc, const char* value) {
        compare.add_option(name, target, doc)
            ->type_name(value)
            ->allow_extra_args(false)
            ->take_all();
    };
    side("--a", o.a, "PATH=VALUE: as --set, for the first run", "PATH=VALUE");
    side("--b", o.b, "PATH=VALUE: as --set, for the second run", "PATH=VALUE");
    side("--defect-a", o.defects_a, "a seeded defect of the first run", "DEFECT");
    side("--defect-b", o.defects_b, "a seeded defect of the second run", "DEFECT");
    compare.add_flag("--all", o.all, "what is equal, too");
    compare.add_flag("--same", o.same, "nothing may differ: else exit code 1");
    format_option(compare, values.format);
    compare.footer(R"(Examples:
  ioasim compare scenarios/quickstart/two_vms.json --b ioasid.profile=v4
  ioasim compare scenarios/quickstart/two_vms.json --defect-b ioasid.reversed_priority
  ioasim compare one.json other.json --seed 7 --format json

Both run with the same seed; whether they pass is an outcome among others. A run that could not be
carried out has its exit code (2 to 5).)");
    compare.callback([&values] {
        values.verb = [&values] {
            values.compare.run.json = values.format == "json";
            values.compare.run.no_files = true;
            return compare_command(values.compare);
        };
    });
}

void add_conform_vtd(CLI::App& conform, Values& values) {
    CLI::App& vtd = *conform.add_subcommand("vtd", "programs and answers of VT-d units");
    RunOptions& o = values.run;
    vtd.add_option("FILE", o.files, "recordings (.jsonl, format vtd-bench/1)")->required();
    set_option(vtd, o.sets);
    defect_option(vtd, o.defects);
    trace_options(vtd, o, ".NAME");
    vtd.add_flag("--force", o.force, "overwrite files");
    vtd.add_flag("--quiet", o.quiet, "only files that do not pass, and the count");
    vtd.footer(R"(Examples:
  ioasim conform vtd tests/vectors/vtd/qemu/*.jsonl
  ioasim conform vtd tests/vectors/vtd/qemu/walk3-01.jsonl --trace walk3.jsonl
  ioasim conform vtd tests/vectors/vtd/qemu/invpage-01.jsonl --set iommu0.iotlb.entries=0

Each file becomes a bare program on a platform of its own. Exit code 0 when every recorded answer
is given, 1 when one differs or a file is skipped, 2 for an unreadable file.)");
    vtd.callback([&values] { values.verb = [&values] { return run_conform_vtd(values.run); }; });
}

void add_conform(CLI::App& app, Values& values) {
    CLI::App& conform =
        *app.add_subcommand("conform", "replay recorded behaviour of real implementations");
    conform.require_subcommand(1);
    conform.footer(R"(Examples:
  ioasim conform ioasid tests/vectors/ioasid/v4/*.jsonl.gz
  ioasim conform vtd tests/vectors/vtd/qemu/*.jsonl)");
    add_conform_vtd(conform, values);
    CLI::App& ioasid = *conform.add_subcommand("ioasid", "operations of IOASID cores");
    ioasid.footer(R"(Examples:
  ioasim conform ioasid tests/vectors/ioasid/v4/*.jsonl.gz

Exit code 0 when every recorded answer is given, 1 otherwise, 2 for an unreadable file.)");
    ioasid.add_option("FILE", values.vectors, "recordings (.jsonl, .jsonl.gz)")->required();
    ioasid.callback([&values] {
        values.verb = [&values] {
            std::ostringstream out;
            std::ostringstream err;
            const int code = run_conform_ioasid(values.vectors, out, err);
            print_err(err.str());
            print_out(out.str());
            return code;
        };
    });
}

void add_bench(CLI::App& app, Values& values) {
    CLI::App& bench = *app.add_subcommand("bench", "host time of parts of the simulator");
    bench.add_option("NAME", values.word, bench_names())->required();
    bench.add_flag("--strict", values.strict,
                   "judge what depends on the machine too: absolute figures, and those of the "
                   "original code, which were measured on another one");
    PointsOptions& points = values.points;
    bench.add_option("FILE", points.files, "points: files of timing points");
    bench.add_option("--row", points.rows, "points: only these rows");
    bench
        .add_option("--trace", points.trace,
                    "points: FILE.jsonl or another format of events, of each experiment; "
                    ".POINT-INDEX is inserted")
        ->type_name("FILE");
    bench.add_flag("--force", points.force, "points: traces may overwrite files");
    bench.add_option("--svg", points.svg, "points: a folder for plots (gnuplot)")
        ->type_name("FOLDER");
    bench.add_option("--profile", points.profile,
                     "points: the timing profile (default: that of the topology)");
    bench
        .add_option("--param", points.params,
                    "points: COMPONENT.PATH=VALUE, a parameter away from the profile")
        ->type_name("PATH=VALUE");
    bench.add_flag("--json", points.json, "points: one JSON object instead of text");
    bench.footer(R"(Examples:
  ioasim bench points FILE.json --row V7    published measurements beside simulated ones
  ioasim bench hop                          ratios within the run are judged
  ioasim bench hop --strict                 absolute figures too
  ioasim bench ioasid                       the IOASID core beside the original code

Without --strict a figure marked OVER is only shown; the last line says what was judged. Exit code 1
when something judged is over its budget.)");
    bench.callback([&values] {
        values.verb = [&values] {
            if (values.word == "points" && !values.points.files.empty()) {
                return run_bench_points(values.points);
            }
            std::vector<std::string> args{values.word};
            args.insert(args.end(), values.points.files.begin(), values.points.files.end());
            if (values.strict) {
                args.emplace_back("--strict");
            }
            return run_bench(args);
        };
    });
}

std::vector<std::string> verb_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!verb->get_name().empty()) {  // a group of options has none
            names.push_back(verb->get_name());
        }
    }
    return names;
}

// With those of its groups of options.
void collect_options(const CLI::App& verb, std::vector<std::string>& options) {
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            options.push_back("--" + name);
        }
        for (const std::string& name : option->get_snames()) {
            options.push_back("-" + name);
        }
    }
    for (const CLI::App* part : verb.get_subcommands([](const CLI::App*) { return true; })) {
        if (part->get_name().empty()) {
            collect_options(*part, options);
        }
    }
}

int usage_error(const std::string& text, const std::string& help) {
    print_err(scenario::render_plain(Code::Usage, text, help));
    return kUsage;
}

// The verb that the arguments name, as far as they name one, and the words that lead to it.
struct NamedVerb {
    const CLI::App* app;
    std::string before;  // "ioasim conform" of `ioasim conform ioasid`; empty at the top

    std::string path() const {
        return before.empty() ? app->get_name() : before + " " + app->get_name();
    }
};

NamedVerb verb_of(const CLI::App& app, int argc, char** argv) {
    NamedVerb verb{&app, ""};
    for (int i = 1; i < argc; ++i) {
        const CLI::App* next = nullptr;
        for (const CLI::App* sub :
             verb.app->get_subcommands([](const CLI::App*) { return true; })) {
            next = sub->get_name() == argv[i] ? sub : next;
        }
        if (next == nullptr) {
            break;
        }
        verb = {next, verb.path()};
    }
    return verb;
}

int explain_parse_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
    const NamedVerb named = verb_of(app, argc, argv);
    const CLI::App& verb = *named.app;
    std::vector<std::string> options;
    collect_options(verb, options);
    // A value may begin with '-', too.
    const bool about_value = dynamic_cast<const CLI::ValidationError*>(&error) != nullptr;
    const std::vector<std::string> verbs = verb_names(verb);
    const std::string path = named.path();
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const std::string name = argument.substr(0, argument.find('='));
        const bool known = std::find(options.begin(), options.end(), name) != options.end();
        if (argument.size() > 1 && argument[0] == '-' && argument != "--" && !known &&
            !about_value) {
            const std::string near = nearest(name, options);
            return usage_error(fmt::format("{} has no option {}", path, name),
                               near.empty() ? fmt::format("`{} --help` lists them", path)
                                            : fmt::format("did you mean {}?", near));
        }
    }
    if (!verbs.empty()) {
        // The first word that is no option should have been a verb of this level.
        int at = 1;
        while (at < argc && (argv[at][0] == '-' || verb.get_name() == argv[at])) {
            ++at;
        }
        if (at < argc) {
            return usage_error(fmt::format("{} has no verb {}", path, ioasim::quoted(argv[at])),
                               suggest(argv[at], verbs));
        }
        return usage_error(fmt::format("{} wants a verb: {}", path, quoted_list(verbs, 40)),
                           "`ioasim --help` shows examples");
    }
    return usage_error(fmt::format("{}: {}", path, error.what()),
                       fmt::format("`{} --help` shows what it takes", path));
}

int run_verb(int argc, char** argv) {
    Values values;
    CLI::App app{"ioasim: a full-system simulator of I/O address spaces", "ioasim"};
    app.footer(kFooter);
    app.require_subcommand(1);
    app.set_version_flag("--version", version_text());
    app.get_formatter()->column_width(28);
    add_run(app, values);
    add_compare(app, values);
    add_campaign(app, values.verb);
    add_shrink(app, values.verb);
    add_explore(app, values.verb);
    add_inject(app, values.verb);
    add_validate(app, values);
    add_knowledge(app, values);
    add_coverage(app, values);
    add_topology(app, values.verb);
    add_conform(app, values);
    add_bench(app, values);
    add_report(app, values.verb);
    add_help_verbs(app, values.verb);
    if (completed_words(app, argc, argv)) {
        return kPass;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForVersion& version) {
        print_out(version.what());
        return kPass;
    } catch (const CLI::CallForHelp&) {
        const NamedVerb verb = verb_of(app, argc, argv);
        print_out(verb.app->help(verb.before));
        return kPass;
    } catch (const CLI::ParseError& error) {
        return explain_parse_error(app, error, argc, argv);
    }
    return values.verb();
}

}  // namespace

int run_cli(int argc, char** argv) {
    keep_standard_streams();
    watch_signals();
    traces::set_look_around(stop_if_asked);
    int code = kInternal;
    try {
        code = run_verb(argc, argv);
    } catch (const Interrupted&) {
        print_err("interrupted\n");
        code = 128 + signal_seen();
    } catch (const ModelBug& bug) {
        print_err(fmt::format("ioasim: internal error: {}\n", bug.what()));
    } catch (const std::exception& error) {
        print_err(fmt::format("ioasim: internal error: {}\n", error.what()));
    }
    if (stdout_failed()) {
        print_err(scenario::render_plain(
            Code::CannotWrite,
            fmt::format("cannot write results to standard output: {}", stdout_error()), ""));
        code = worse(code, kInternal);
    }
    return code;
}

}  // namespace ioasim::tools
