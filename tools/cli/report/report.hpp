// `ioasim report`: one HTML file about a run or a campaign, which opens from the disk without a
// network. It is whole without a script: pictures are SVG, everything stands in tables too. When
// the optional assets were built (tools/build/report_assets.sh), their script is part of the file:
// the picture of the run can be zoomed and filtered.
#pragma once

#include <string>

#include "tools/cli/options.hpp"

namespace ioasim::tools {

struct ReportOptions {
    std::string input;   // folder of a run or of a campaign, FILE.jsonl, or a scenario
    std::string out;     // empty: report.html in the folder
    std::string trace;   // another trace than the folder's
    std::string assets;  // folder; empty: beside the program; "none"
    RunOptions run;      // of a scenario
};

int report_command(const ReportOptions& options);

}  // namespace ioasim::tools
