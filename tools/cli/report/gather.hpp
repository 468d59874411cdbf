// Collects what a page tells: from the folder of a run, a trace alone, or a run that was just made.
#pragma once

#include <string>

#include "tools/cli/report/model.hpp"

namespace ioasim::tools::report {

// The files of a run; those that do not exist are left empty.
struct RunFiles {
    std::string result;         // run.json
    std::string configuration;  // resolved.json
    std::string trace;          // .jsonl
};

// What lies in a folder of results. The trace may have been sent elsewhere: run.json names it.
RunFiles files_of_folder(const std::string& folder);

// Empty: done, else what is wrong. A trace that breaks off is no error: the page says where.
std::string gather(const RunFiles& files, RunModel& model);

// Folds a trace into the model.
std::string gather_trace(const std::string& path, RunModel& model);
// What was expected, and what of it failed.
void gather_expectations(const std::string& configuration_path, RunModel& model);

// A file's content; nothing: `found` is false.
std::string file_content(const std::string& path, bool& found);

}  // namespace ioasim::tools::report
