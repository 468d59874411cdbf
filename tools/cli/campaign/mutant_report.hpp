// What a search for mutants has to say at its end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/campaign/mutant_table.hpp"

namespace ioasim::tools {

struct MutantReport {
    std::vector<MutantRow> rows;
    // For each row: why it was missed, and the command that repeats the run that caught it.
    std::vector<std::string> missed;
    std::vector<std::string> reproduce;
    std::vector<std::string> broken;   // runs that fail without a mutant
    std::vector<std::string> moved;    // mutants whose run of the table does not tell any more
    std::vector<std::string> absent;   // from the table
    std::vector<std::string> unknown;  // rows of the table that are none
    std::uint64_t seed = 1;
    std::uint64_t runs = 0;
    std::uint64_t known_before = 0;  // runs
    std::uint64_t milliseconds = 0;
};

// `explored`: only of mutants that the default seeds miss.
std::string mutants_text(const MutantReport& report, bool explored);
std::string mutants_json(const MutantReport& report, int exit_code);

}  // namespace ioasim::tools
