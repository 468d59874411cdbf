// What `bench points` prints: measured beside simulated, rows with verdicts, the totals.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/points/verdict.hpp"

namespace ioasim::tools {

// All that there is to say of a file.
struct PointsOutcome {
    std::vector<RowResult> rows;  // that are finished
    std::size_t unfinished = 0;   // rows that a signal left undone
    bool interrupted = false;
    std::vector<std::string> not_written;  // outputs that were lost, each with the reason

    // What the program ends with, but for the signal.
    int status() const;
};

std::string text_report(const PointFile& file, const PointsOutcome& outcome);
std::string json_report(const PointFile& file, const PointsOutcome& outcome);
// "12 of 15 rows passed, median over rows 4.1 %"
std::string summary(const PointFile& file, const PointsOutcome& outcome);

// A plot for each row through gnuplot; empty: all were written, else what was not and why.
std::string write_plots(const std::string& folder, const std::vector<RowResult>& rows);

}  // namespace ioasim::tools
