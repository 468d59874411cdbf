// Reports for other programs: JSON, JUnit XML, KTAP, annotations of GitHub.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

// What is wrong with "FORMAT=FILE" requests; empty: nothing. FILE `-` is standard output: one
// report besides annotations may go there, and it has it to itself.
std::vector<std::string> check_reports(const std::vector<std::string>& requests,
                                       bool results_as_json);
// A report has standard output: nothing else may be printed there.
bool report_has_stdout(const std::vector<std::string>& requests);
// The file of a request; empty: standard output.
std::string report_file(const std::string& request);
// Writes it. Empty: done, else the error.
std::string write_report(const std::string& request, const std::vector<RunResult>& results);

// The format of Jenkins and its kin: a test case a run.
std::string junit_text(const std::vector<RunResult>& results);
// KTAP version 1 (Documentation/dev-tools/ktap.rst), which is TAP to those who read that.
std::string ktap_text(const std::vector<RunResult>& results);
// Workflow commands: an annotation each, at most as many as a step may show; the last one then
// tells of the others.
std::string github_text(const std::vector<RunResult>& results);
// All failures as Markdown, for the summary of the job.
std::string github_summary(const std::vector<RunResult>& results);
// Objects of results as they are, with a format of their own; report_schema() is their schema.
std::string json_report_text(const std::vector<RunResult>& results);
std::string report_schema();

}  // namespace ioasim::tools
