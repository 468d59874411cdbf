// `ioasim coverage [--prove]`: which rows of the list have a scenario that proves them, and whether
// each proof holds: the scenario passes, and fails as it says when its mechanism is broken. With
// files, only their proofs are tried and rows are nobody's business.
#pragma once

#include <string>
#include <vector>

namespace ioasim::tools {

struct CoverageOptions {
    std::string scenarios = "scenarios";
    std::string rows = "tests/rows.json";
    std::vector<std::string> files;  // empty: every scenario of the folder, and the rows
    bool prove = false;
    bool quiet = false;  // only the counts
};

int coverage_command(const CoverageOptions& options);

}  // namespace ioasim::tools
