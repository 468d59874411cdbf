#include "tools/cli/campaign/campaign_cli.hpp"

#include <charconv>
#include <memory>

#include "core/base/units.hpp"
#include "tools/cli/campaign/campaign.hpp"
#include "tools/cli/campaign/mutants.hpp"
#include "tools/cli/campaign/submit.hpp"
#include "tools/cli/cli_parts.hpp"

namespace ioasim::tools {
namespace {

constexpr std::uint64_t kMostJobs = 1024;

// Reads digits; what follows them, or nothing when there are none or too many.
bool read_digits(std::string_view text, std::uint64_t& value, std::string_view& rest) {
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    rest = text.substr(static_cast<std::size_t>(parsed.ptr - text.data()));
    return parsed.ec == std::errc();
}

bool read_shard(const std::string& text, std::uint64_t& shard, std::uint64_t& shards) {
    std::string_view rest;
    std::uint64_t i = 0;
    std::uint64_t n = 0;
    if (!read_digits(text, i, rest) || rest.empty() || rest.front() != '/' ||
        !read_digits(rest.substr(1), n, rest) || !rest.empty() || i == 0 || i > n) {
        return false;
    }
    shard = i;
    shards = n;
    return true;
}

bool read_host_time(const std::string& text, std::uint64_t& seconds) {
    std::string_view unit;
    std::uint64_t count = 0;
    constexpr std::uint64_t kMost = 1'000'000;
    if (!read_digits(text, count, unit) || count == 0 || count > kMost) {
        return false;
    }
    const std::uint64_t factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    seconds = count * factor;
    return factor != 0;
}

bool read_memory(const std::string& text, std::uint64_t& bytes) {
    const UnitResult size = parse_size_text(text);
    constexpr std::uint64_t kLeast = 64U << 20U;  // the program itself and a small machine
    bytes = size.value;
    return size.ok() && bytes >= kLeast;
}

// An option whose text a function reads; it says no with false.
void amount_option(CLI::App& app, const std::string& name, const std::string& doc,
                   std::function<bool(const std::string&)> read) {
    app.add_option_function<std::string>(
        name,
        [name, doc, read = std::move(read)](const std::string& text) {
            if (!read(text)) {
                throw CLI::ValidationError(
                    name, fmt::format("{} cannot be so; {}", ioasim::quoted(text), doc));
            }
        },
        doc);
}

// What a campaign is, wherever it is carried out.
void campaign_options(CLI::App& app, CampaignOptions& o) {
    app.add_option("FILE", o.files, "scenario files, or folders of them")->required();
    constexpr std::uint64_t kMost = 1'000'000'000;
    number_option(app, "--runs", o.runs, "runs of the whole campaign (1000)", 1, kMost);
    number_option(app, "--seed", o.seed, "seed of the campaign (1)");
    amount_option(app, "--time", "no run begins after so long: 90s, 10m, 2h",
                  [&o](const std::string& text) { return read_host_time(text, o.seconds); });
    number_option(app, "--run-timeout", o.run_seconds, "host seconds of one run (60)", 1, kMost);
    amount_option(app, "--run-memory", "host memory of one run, 512MiB, 2GiB (4GiB)",
                  [&o](const std::string& text) { return read_memory(text, o.run_memory); });
    app.add_option("--out", o.out, "folder of the results (out/campaign-SEED)")
        ->type_name("FOLDER")
        ->check(not_empty());
    set_option(app, o.sets);
    defect_option(app, o.defects);
}

void add_run(CLI::App& campaign, std::function<int()>& verb) {
    const auto options = std::make_shared<CampaignOptions>();
    const auto format = std::make_shared<std::string>("text");
    CampaignOptions& o = *options;
    CLI::App& run = *campaign.add_subcommand("run", "many runs of many scenarios");
    campaign_options(run, o);
    number_option(run, "-j,--jobs", o.jobs, "runs at a time (one a core)", 1, kMostJobs);
    amount_option(run, "--shard", "I/N: only the I-th of N equal parts",
                  [&o](const std::string& text) { return read_shard(text, o.shard, o.shards); });
    report_option(run, o.reports);
    run.add_flag("--force", o.force, "overwrite reports");
    run.add_flag("--fresh", o.fresh, "a new process for each run: slower, the same results");
    run.add_flag("--quiet", o.quiet, "no progress");
    format_option(run, *format);
    run.footer(R"(Examples:
  ioasim campaign run scenarios --runs 20000 --seed 1
  ioasim campaign run scenarios/sva --runs 5000 --time 10m -j 2
  ioasim campaign run scenarios --runs 20000 --shard 1/3 --out part1
  ioasim campaign run x.json --runs 1000 --defect linux.skip_iotlb_invalidation

Run number R of a scenario draws everything from the seed and R: latencies that vary, and every
choice that the modelled system leaves open. `ioasim run FILE --seed S --run R` repeats one. The
folder of results has one file a run; the same command goes on where an interrupted one ended.)");
    run.callback([options, format, &verb] {
        options->json = *format == "json";
        verb = [options] { return campaign_run(*options); };
    });
}

void add_merge(CLI::App& campaign, std::function<int()>& verb) {
    const auto options = std::make_shared<MergeOptions>();
    const auto format = std::make_shared<std::string>("text");
    CLI::App& merge = *campaign.add_subcommand("merge", "the results of several campaigns as one");
    merge.add_option("FOLDER", options->folders, "folders of results")->required();
    merge.add_option("--out", options->out, "a folder that gets all of them")
        ->type_name("FOLDER")
        ->check(not_empty());
    constexpr std::uint64_t kMost = 1'000'000'000;
    number_option(merge, "--runs", options->runs, "so many there must be, else exit code 5", 1,
                  kMost);
    report_option(merge, options->reports);
    merge.add_flag("--force", options->force, "overwrite reports");
    format_option(merge, *format);
    merge.footer(R"(Examples:
  ioasim campaign merge part1 part2 part3 --out all
  ioasim campaign merge out/campaign-1 --format json

A run is known by configuration, seed and number: it counts once. What --out holds already counts
too, and stays. Two different results of one run are an error of the simulator, which is told with
exit code 3.)");
    merge.callback([options, format, &verb] {
        options->json = *format == "json";
        verb = [options] { return campaign_merge(*options); };
    });
}

void add_submit(CLI::App& campaign, std::function<int()>& verb) {
    const auto options = std::make_shared<SubmitOptions>();
    SubmitOptions& o = *options;
    CLI::App& submit = *campaign.add_subcommand("submit", "a campaign on many machines");
    campaign_options(submit, o.campaign);
    submit.add_option("--engine", o.engine, "who gives out machines")
        ->required()
        ->check(CLI::IsMember(engine_names()));
    constexpr std::uint64_t kMostShards = 100'000;
    number_option(submit, "--shards", o.campaign.shards, "parts, each a job of the engine", 1,
                  kMostShards)
        ->required();
    number_option(submit, "-j,--jobs", o.campaign.jobs, "runs at a time and cores of a shard (1)",
                  1, kMostJobs);
    submit
        .add_option("--option", o.engine_options,
                    "for the engine: \"--partition=long\", \"--sshlogin a,b\"")
        ->allow_extra_args(false)
        ->take_all();
    submit.add_flag("--wait", o.wait, "until all is done: exit code and sum are the campaign's");
    submit.add_flag("--print", o.print, "show the scripts; nothing is written or submitted");
    submit.footer(R"(Examples:
  ioasim campaign submit scenarios --runs 100000 --engine slurm --shards 50 --print
  ioasim campaign submit scenarios --runs 100000 --engine slurm --shards 50 --wait \
      --option "--partition=long" --option "--time=02:00:00"
  ioasim campaign submit scenarios --engine parallel --shards 8 --option "--sshlogin a,b"

Three scripts in OUT/submit: a shard, a collector that merges into OUT/all and OUT/summary.txt, and
what submits both. All machines see the same files. A shard that is carried out again, by the engine
or by the same command, goes on where it was; runs that are missing in the end mean exit code 5.
Slurm and GNU parallel are tested; of lsf and sge only the scripts are.)");
    submit.callback([options, &verb] { verb = [options] { return campaign_submit(*options); }; });
}

void add_mutants(CLI::App& campaign, std::function<int()>& verb) {
    const auto options = std::make_shared<MutantOptions>();
    const auto format = std::make_shared<std::string>("text");
    MutantOptions& o = *options;
    CLI::App& mutants =
        *campaign.add_subcommand("mutants", "how many runs it takes to notice each seeded defect");
    mutants.add_option("FILE", o.files, "scenario files, or folders of them")->required();
    mutants.add_option("--mutant", o.defects, "only this seeded defect (ioasim explain defects)")
        ->allow_extra_args(false)
        ->take_all();
    constexpr std::uint64_t kMost = 1'000'000'000;
    number_option(mutants, "--runs", o.runs, "runs of one mutant at most (1000)", 1, kMost);
    number_option(mutants, "--seed", o.seed, "seed of the runs after the default ones (1)");
    number_option(mutants, "-j,--jobs", o.jobs, "runs at a time (one a core)", 1, 1024);
    number_option(mutants, "--run-timeout", o.run_seconds, "host seconds of one run (60)", 1,
                  kMost);
    mutants
        .add_option("--out", o.out,
                    "folder of results: the same command goes on from there (default: none)")
        ->type_name("FOLDER")
        ->check(not_empty());
    mutants.add_option("--table", o.table, "document that gets the table at its end")
        ->type_name("FILE")
        ->check(not_empty());
    mutants
        .add_option("--check", o.check,
                    "document with a table: make the runs that it names, look for others only "
                    "where these do not tell")
        ->type_name("FILE")
        ->check(not_empty());
    mutants.add_flag("--explored", o.explored,
                     "tell only those that no scenario notices at its default seed");
    mutants.add_flag("--quiet", o.quiet, "no progress");
    format_option(mutants, *format);
    mutants.footer(R"(Examples:
  ioasim campaign mutants scenarios
  ioasim campaign mutants scenarios/sva --mutant linux.skip_iotlb_invalidation
  ioasim campaign mutants scenarios --explored --format json
  ioasim campaign mutants scenarios --out out/mutants --table tests/mutants/README.md
  ioasim campaign mutants scenarios --check tests/mutants/README.md

For each defect the scenarios that reach it run, at their own seed first, then as runs 1, 2, ... of
a campaign, until one fails. Exit code 1 while a mutant is missed, or the table to be checked has
other mutants than the program.)");
    mutants.callback([options, format, &verb] {
        options->json = *format == "json";
        verb = [options] { return campaign_mutants(*options); };
    });
}

}  // namespace

void add_campaign(CLI::App& app, std::function<int()>& verb) {
    CLI::App& campaign =
        *app.add_subcommand("campaign", "many runs under many seeds, on all cores");
    campaign.require_subcommand(1);
    campaign.footer(R"(Examples:
  ioasim campaign run scenarios --runs 20000 --seed 1
  ioasim campaign merge part1 part2 part3 --out all
  ioasim campaign submit scenarios --runs 100000 --engine slurm --shards 50 --wait)");
    add_run(campaign, verb);
    add_merge(campaign, verb);
    add_submit(campaign, verb);
    add_mutants(campaign, verb);
}

}  // namespace ioasim::tools
