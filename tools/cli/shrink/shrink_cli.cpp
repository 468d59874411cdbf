#include "tools/cli/shrink/shrink_cli.hpp"

#include <memory>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/shrink/shrink.hpp"

namespace ioasim::tools {

void add_shrink(CLI::App& app, std::function<int()>& verb) {
    const auto options = std::make_shared<ShrinkOptions>();
    ShrinkOptions& o = *options;
    CLI::App& shrink =
        *app.add_subcommand("shrink", "from a run that fails to a small scenario that fails so");
    shrink.add_option("FILE", o.file, "scenario file, or FILE#CELL for a cell of its matrix")
        ->required();
    number_option(shrink, "--seed", o.run.seed, "seed of the run (default: the scenario's)");
    number_option(shrink, "--run", o.run.run, "number of the run, as in ioasim run");
    set_option(shrink, o.run.sets);
    shrink.add_option("--defect", o.run.defects, "switch a seeded defect on")
        ->allow_extra_args(false)
        ->take_all();
    shrink.add_option("--code", o.code, "the finding to keep (default: what failed first)");
    shrink.add_option("--out", o.out, "the file to write (NAME.shrunk.json)")->check(not_empty());
    shrink.add_flag("--force", o.force, "overwrite it");
    constexpr std::uint64_t kMost = 1'000'000'000;
    number_option(shrink, "-j,--jobs", o.jobs, "runs at a time (one a core)", 1, 1024);
    number_option(shrink, "--time", o.seconds, "host seconds after which nothing more is tried", 1,
                  kMost);
    number_option(shrink, "--run-timeout", o.run_seconds, "host seconds of one run (60)", 1, kMost);
    shrink.add_flag("--quiet", o.quiet, "no progress");
    shrink.footer(R"(Examples:
  ioasim shrink scenarios/quickstart/two_vms.json --defect ioasid.missing_put
  ioasim shrink x.json --seed 5 --run 312
  ioasim shrink cells.json#n=32,iommu0.iotlb.entries=0 --out small.json

Drops programs, steps, virtual machines, devices, expectations and settings, and makes numbers
smaller, while the run fails the same way: the same finding, expectation, hang or crash. The file
that it writes has defects, seed and number of the run in it: `ioasim run FILE` repeats the failure.
Exit code 0: written; 2: the run does not fail.)");
    shrink.callback([options, &verb] { verb = [options] { return shrink_command(*options); }; });
}

}  // namespace ioasim::tools
