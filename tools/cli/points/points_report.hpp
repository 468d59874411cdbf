// What `bench points` prints: measured beside simulated, rows with verdicts, the totals.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/points/verdict.hpp"

namespace ioasim::tools {

std::string text_report(const PointFile& file, const std::vector<RowResult>& rows);
std::string json_report(const PointFile& file, const std::vector<RowResult>& rows);
// "12 of 15 rows passed, median over rows 4.1 %"
std::string summary(const PointFile& file, const std::vector<RowResult>& rows);

// A plot for each row through gnuplot; empty: all were written, else what was not and why.
std::string write_plots(const std::string& folder, const std::vector<RowResult>& rows);

}  // namespace ioasim::tools
