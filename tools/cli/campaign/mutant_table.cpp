#include "tools/cli/campaign/mutant_table.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

namespace ioasim::tools {
namespace {

constexpr const char* kMissed = "missed";
constexpr const char* kDefault = "default seed";
constexpr const char* kSeedLine = "Exploration: runs of seed ";
constexpr std::size_t kColumns = 6;

std::string trimmed(const std::string& text) {
    const char* const blanks = " `\t\r";
    const std::size_t first = text.find_first_not_of(blanks);
    return first == std::string::npos
               ? std::string()
               : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// "| a | `b` |" -> a, b
std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) {
        cells.push_back(trimmed(cell));
    }
    if (!cells.empty() && cells.back().empty()) {
        cells.pop_back();
    }
    return cells;
}

bool number_of(const std::string& text, std::uint64_t& value) {
    constexpr std::size_t kMostDigits = 18;
    if (text.empty() || text.size() > kMostDigits ||
        text.find_first_not_of("0123456789") != std::string::npos) {
        return false;
    }
    value = std::stoull(text);
    return true;
}

// "default seed", "run 17"
bool run_of(const std::string& text, std::uint64_t& run) {
    constexpr const char* kRun = "run ";
    run = 0;
    return text == kDefault || (text.rfind(kRun, 0) == 0 &&
                                number_of(text.substr(std::string(kRun).size()), run) && run != 0);
}

bool row_of(const std::string& line, MutantRow& row) {
    std::vector<std::string> cells = cells_of(line);
    if (cells.size() < 4 || cells.size() > kColumns || !number_of(cells[2], row.runs)) {
        return false;
    }
    cells.resize(kColumns);
    row.mutant = cells[0];
    if (cells[3] == kMissed) {
        return true;
    }
    row.code = cells[3];
    row.file = cells[4];
    const std::size_t cell = row.file.find(" [");
    if (cell != std::string::npos && row.file.back() == ']') {
        row.cell = row.file.substr(cell + 2, row.file.size() - cell - 3);
        row.file.resize(cell);
    }
    return !row.code.empty() && !row.file.empty() && run_of(cells[5], row.run);
}

}  // namespace

const char* const kTableMark = "<!-- table of campaign mutants -->";

MutantSums sums_of(const std::vector<MutantRow>& rows, const std::string& model) {
    MutantSums sums;
    for (const MutantRow& row : rows) {
        if (model.empty() || row.model() == model) {
            ++sums.all;
            sums.at_default += row.by_default() ? 1 : 0;
            sums.explored += row.caught() && !row.by_default() ? 1 : 0;
            sums.most = std::max(sums.most, row.caught() ? row.runs : 0);
        }
    }
    return sums;
}

std::vector<std::string> models_of(const std::vector<MutantRow>& rows) {
    std::set<std::string> models;
    for (const MutantRow& row : rows) {
        models.insert(row.model());
    }
    return {models.begin(), models.end()};
}

std::string table_text(const std::vector<MutantRow>& rows, std::uint64_t seed) {
    std::string out = fmt::format("{}{}.\n\n", kSeedLine, seed);
    out += "| model | mutants | at default seeds | by exploration | missed | most runs |\n";
    out += "|---|---|---|---|---|---|\n";
    std::vector<std::string> models = models_of(rows);
    models.emplace_back();
    for (const std::string& model : models) {
        const MutantSums sums = sums_of(rows, model);
        out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", model.empty() ? "all" : model,
                           sums.all, sums.at_default, sums.explored, sums.missed(), sums.most);
    }
    out += "\n| mutant | model | runs | caught by | scenario | at |\n|---|---|---|---|---|---|\n";
    for (const MutantRow& row : rows) {
        if (!row.caught()) {
            out += fmt::format("| `{}` | {} | {} | {} | | |\n", row.mutant, row.model(), row.runs,
                               kMissed);
            continue;
        }
        out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", row.mutant, row.model(), row.runs,
                           row.code, row.place(),
                           row.run == 0 ? kDefault : fmt::format("run {}", row.run));
    }
    return out;
}

bool read_table(const std::string& document, std::vector<MutantRow>& rows, std::uint64_t& seed,
                std::string& problem) {
    const std::size_t mark = document.find(kTableMark);
    if (mark == std::string::npos) {
        problem = fmt::format("there is no line {}", kTableMark);
        return false;
    }
    std::istringstream in(document.substr(mark));
    const std::string seed_line = kSeedLine;
    bool seed_known = false;
    for (std::string line; std::getline(in, line);) {
        if (line.rfind(seed_line, 0) == 0) {
            seed_known = number_of(
                trimmed(line.substr(seed_line.size(), line.find('.') - seed_line.size())), seed);
        }
        // Names of mutants are written as code, nothing else in a first column is.
        if (line.rfind("| `", 0) != 0) {
            continue;
        }
        MutantRow row;
        if (!row_of(line, row)) {
            problem = fmt::format("this is no row of a mutant: {}", line);
            return false;
        }
        rows.push_back(std::move(row));
    }
    if (!seed_known) {
        problem = fmt::format("there is no line \"{}...\"", kSeedLine);
    }
    return seed_known;
}

std::string with_table(const std::string& document, const std::vector<MutantRow>& rows,
                       std::uint64_t seed) {
    const std::size_t mark = document.find(kTableMark);
    std::string head = document.substr(0, mark);
    if (mark == std::string::npos && !head.empty()) {
        head += "\n";
    }
    return head + kTableMark + "\n" + table_text(rows, seed);
}

}  // namespace ioasim::tools
