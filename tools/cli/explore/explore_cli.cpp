#include "tools/cli/explore/explore_cli.hpp"

#include <memory>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/explore/explore.hpp"

namespace ioasim::tools {

void add_explore(CLI::App& app, std::function<int()>& verb) {
    const auto options = std::make_shared<ExploreOptions>();
    const auto format = std::make_shared<std::string>("text");
    ExploreOptions& o = *options;
    CLI::App& explore = *app.add_subcommand(
        "explore", "every order of a small scenario that the modelled system leaves open");
    explore.add_option("FILE", o.file, "scenario file, or FILE#CELL for a cell of its matrix")
        ->required();
    constexpr std::uint64_t kMost = 1'000'000'000;
    number_option(explore, "--preemptions", o.preemptions,
                  "deviations from the fixed order, at most (2)", 0, 8);
    explore
        .add_option("--window", o.window,
                    "messages within this time come in any order (the scenario's, or 0ps: those "
                    "of one instant)")
        ->check(not_empty());
    explore
        .add_option("--stall", o.stall,
                    "a task is held up so long before a lock or a register (the scenario's, or "
                    "2us)")
        ->check(not_empty());
    explore.add_option("--from", o.from, "choices before this time stay as they are (0ps)")
        ->check(not_empty());
    explore
        .add_option("--limit", o.limit,
                    "simulated time of a run (4 times what the fixed order takes)")
        ->check(not_empty());
    explore.add_flag("!--no-reduction", o.reduction,
                     "also hold a task up where nobody else comes to the lock in that time");
    number_option(explore, "-j,--jobs", o.jobs, "runs at a time (one a core)", 1, 1024);
    number_option(explore, "--runs", o.runs, "so many interleavings at most", 1, kMost);
    number_option(explore, "--time", o.seconds, "so many host seconds at most", 1, kMost);
    number_option(explore, "--seed", o.seed, "seed of every run (default: the scenario's)");
    set_option(explore, o.sets);
    explore.add_option("--defect", o.defects, "switch a seeded defect on (ioasim explain defects)")
        ->allow_extra_args(false)
        ->take_all();
    explore.add_option("--out", o.out, "file of the shortest counterexample (out/NAME-order.json)")
        ->check(not_empty());
    explore.add_flag("--force", o.force, "overwrite it");
    format_option(explore, *format);
    explore.footer(R"(Examples:
  ioasim explore scenarios/explore/exit_under_bind.json
  ioasim explore x.json --preemptions 1 --window 20ns --stall 10us --from 120us
  ioasim explore x.json --defect ioasid.double_put --out race.json

First the fixed order, then all orders with one deviation from it, then with two: another waiter
gets a lock, another task a processor, two messages change places, a task is held up. What is bad is
written as a scenario that repeats the shortest such order. Exit code 1: something bad was found;
5: --runs or --time ended it before.)");
    explore.callback([options, format, &verb] {
        options->json = *format == "json";
        verb = [options] { return explore_command(*options); };
    });
}

}  // namespace ioasim::tools
