#include "tools/cli/report/report_cli.hpp"

#include <memory>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/report/report.hpp"

namespace ioasim::tools {

void add_report(CLI::App& app, std::function<int()>& verb) {
    const auto options = std::make_shared<ReportOptions>();
    ReportOptions& o = *options;
    CLI::App& report = *app.add_subcommand("report", "one HTML file about a run or a campaign");
    report
        .add_option("INPUT", o.input,
                    "folder of a run or of a campaign, FILE.jsonl, or a scenario, which runs first")
        ->required();
    report.add_option("-o,--output", o.out, "FILE.html (default: report.html in the folder)")
        ->check(not_empty());
    report.add_option("--trace", o.trace, "FILE.jsonl: another trace than the folder's")
        ->check(not_empty());
    report
        .add_option("--assets", o.assets,
                    "folder of the script that zooms and filters, or none (default: beside the "
                    "program)")
        ->check(not_empty());
    number_option(report, "--seed", o.run.seed, "of a scenario: seed of every random stream");
    number_option(report, "--run", o.run.run, "of a scenario: number of the run");
    set_option(report, o.run.sets);
    report.add_option("--defect", o.run.defects, "of a scenario: switch a seeded defect on")
        ->allow_extra_args(false)
        ->take_all();
    report.add_flag("--force", o.run.force, "overwrite the file");
    report.footer(R"(Examples:
  ioasim run x.json --out r && ioasim report r
  ioasim report scenarios/quickstart/two_vms.json -o two_vms.html
  ioasim report out/campaign-1 -o campaign.html
  ioasim report events.jsonl

The file opens from the disk without a network, in light and dark. Exit code 0: it was written,
whatever the run's verdict, which it tells.)");
    report.callback([options, &verb] { verb = [options] { return report_command(*options); }; });
}

}  // namespace ioasim::tools
