// The options of `ioasim run`, and of everything that runs scenarios.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "traces/trace_selection.hpp"

namespace ioasim::tools {

struct RunOptions {
    std::vector<std::string> files;
    std::optional<std::uint64_t> seed;
    std::uint64_t run = 0;
    std::vector<std::string> sets;
    std::vector<std::string> defects;
    std::string out;  // empty: out/<name>-<seed>
    bool no_files = false;
    std::vector<std::string> traces;   // files, the format by their ending
    traces::TraceSelection selection;  // what goes into them
    bool trace_on_failure = false;     // of a run that passed none is kept
    std::vector<std::string> reports;  // json=FILE, junit=FILE
    bool force = false;
    bool quiet = false;
    bool json = false;  // results on stdout as JSON Lines
    bool checkers = true;
    std::uint64_t timeout_seconds = 0;  // 0: none, not to be had from the command line
    bool watch_defects = false;         // tell which seeded defects the run asks for
    // Determinism tests: modules that do nothing, another order of construction.
    std::uint32_t bystanders = 0;
    std::uint64_t shuffle = 0;
};

// A name that is fine in every file system: what is not [A-Za-z0-9._=,-] becomes '_'.
std::string file_safe(const std::string& text);
// "trace.vcd" and "n=2" -> "trace.n=2.vcd".
std::string with_cell(const std::string& path, const std::string& cell);
// "FILE#CELL" as file and cell of its matrix; no cell: empty.
std::pair<std::string, std::string> file_and_cell(const std::string& name);
std::string file_with_cell(const std::string& file, const std::string& cell);
std::string file_extension(const std::string& path);

// Creates a folder with its parents. Empty: done, else the error.
std::string make_folders(const std::string& path);
bool path_exists(const std::string& path);
bool empty_folder(const std::string& path);
// Why a file of this name could not be written, found without changing it; empty: it can be.
std::string write_problem(const std::string& path);
// The same for every name of one file: its folder resolved. Empty when the folder is missing.
std::string file_identity(const std::string& path);

}  // namespace ioasim::tools
