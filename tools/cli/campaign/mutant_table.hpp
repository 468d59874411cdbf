// The table of mutants as a document keeps it: a row for each, with the run that caught it, so that
// this run alone tells later whether it still does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ioasim::tools {

struct MutantRow {
    std::string mutant;
    std::uint64_t runs = 0;  // until it was caught, or that were made in vain
    // How it was caught; nothing: missed.
    std::string code;
    std::string file;
    std::string cell;
    std::uint64_t run = 0;  // 0: the scenario at its own seed

    bool caught() const { return !code.empty(); }
    bool by_default() const { return caught() && run == 0; }
    std::string model() const { return mutant.substr(0, mutant.find('.')); }
    // "scenarios/x.json [n=2]"
    std::string place() const { return cell.empty() ? file : file + " [" + cell + "]"; }
};

// What a set of mutants sums up to.
struct MutantSums {
    std::size_t all = 0;
    std::size_t at_default = 0;
    std::size_t explored = 0;
    std::uint64_t most = 0;  // runs of one that was caught
    std::size_t missed() const { return all - at_default - explored; }
};

MutantSums sums_of(const std::vector<MutantRow>& rows, const std::string& model = {});
std::vector<std::string> models_of(const std::vector<MutantRow>& rows);

// Everything behind the line kTableMark of a document.
extern const char* const kTableMark;
std::string table_text(const std::vector<MutantRow>& rows, std::uint64_t seed);
// The table of a document and the seed of its runs. False: it has none, or a row that is none.
bool read_table(const std::string& document, std::vector<MutantRow>& rows, std::uint64_t& seed,
                std::string& problem);
// The document with the table in place of what it had.
std::string with_table(const std::string& document, const std::vector<MutantRow>& rows,
                       std::uint64_t seed);

}  // namespace ioasim::tools
