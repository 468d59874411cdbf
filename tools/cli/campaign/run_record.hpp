// What a campaign keeps of one run: nothing that depends on the host, so that the same run leaves
// the same bytes wherever it is made. A folder of results has one file for each,
// HASH/SEED-RUN.json; files are written under another name and renamed, so that each is whole or
// not there, whoever else writes into the folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

// A run is a pure function of these.
struct RunKey {
    std::string hash;  // of the configuration
    std::uint64_t seed = 1;
    std::uint64_t run = 0;

    std::string path() const;  // inside a folder of results
};
bool operator<(const RunKey& a, const RunKey& b);

struct RunRecord {
    RunKey key;
    std::string file;
    std::string name;
    std::string cell;
    int exit_code = kPass;
    std::string reason;  // how the run ended
    std::uint64_t end_ps = 0;
    std::uint64_t events = 0;
    // What is wrong, sorted: codes of findings, "expectation", "hang", "crash", ...
    std::vector<std::string> codes;
    std::vector<std::string> marks;    // rare paths that were reached
    std::string first;                 // the first thing that failed, one line
    std::string reproduce;             // the command that repeats the run
    std::vector<std::string> defects;  // switched on by the command line: the run is of a mutant
    std::vector<std::string> asked;    // defects that it asked for, where that was watched

    bool passed() const { return exit_code == kPass; }
};

RunRecord record_of(const RunResult& result, const std::vector<std::string>& defects = {});
// The other way round, as far as a record goes: for reports.
RunResult result_of(const RunRecord& record);
std::string to_text(const RunRecord& record);
// False: the text is none.
bool from_text(const std::string& text, RunRecord& record);
// The same came of it, by whatever path the scenario was called.
bool same_result(const RunRecord& a, const RunRecord& b);

// Empty: written, else the error.
std::string write_record(const std::string& folder, const RunRecord& record);
// False: there is none, or it is damaged.
bool read_record(const std::string& folder, const RunKey& key, RunRecord& record);

// All records of a folder; `damaged` gets the names of files that are none.
std::map<RunKey, RunRecord> read_records(const std::string& folder,
                                         std::vector<std::string>& damaged);

}  // namespace ioasim::tools
