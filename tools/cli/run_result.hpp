// What one run left behind: made in the run's own process, sent to the parent as JSON, written as
// run.json, and the source of every report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/language/json_tree.hpp"
#include "scenarios/language/judge.hpp"
#include "tools/cli/figures.hpp"

namespace ioasim::tools {

// Exit codes of the command line; a run ends with one of them.
enum ExitCode : int {
    kPass = 0,
    kFailed = 1,    // an expectation or invariant
    kUsage = 2,     // usage or scenario error
    kInternal = 3,  // a bug in the simulator; results that could not be written
    kHang = 4,      // hang, deadlock or simulated-time limit
    kHostTimeout = 5,
    kHungUp = 129,       // the terminal went away
    kInterrupted = 130,  // Ctrl-C
    kTerminated = 143,
};

inline bool by_signal(int code) {
    return code == kHungUp || code == kInterrupted || code == kTerminated;
}

// The worst of several: signals, then 3, 4, 5, 2, 1, 0.
int worse(int a, int b);

// How a step of a program ended: "vm1/vcpu0/app[3]", "-EFAULT".
struct StepEnd {
    std::string name;
    std::string result;
};

struct RunResult {
    std::string file;
    std::string name;
    std::string cell;
    std::uint64_t seed = 1;  // of the command line or the scenario
    std::uint64_t run = 0;
    std::string hash;     // of the configuration
    std::string profile;  // of the IOASID core, with switches: "spec, x on"
    std::string reason;   // how the run ended
    std::uint64_t end_ps = 0;
    std::uint64_t events = 0;
    std::uint64_t expectations = 0;
    std::vector<std::string> checkers;
    std::vector<scenario::SeenFinding> findings;
    std::uint64_t findings_total = 0;
    std::vector<scenario::Failure> failures;
    int exit_code = kInternal;             // of the verdict
    std::vector<std::string> not_written;  // outputs that were lost, each with the reason
    std::string error;                     // of a crash
    std::vector<std::string> state;        // dump after a hang, deadlock or crash
    std::string folder;                    // of the results; empty: none
    std::vector<std::string> files;
    std::vector<std::string> details;  // lines of the summary between head and expectations
    std::vector<RunFigure> figures;
    std::vector<StepEnd> steps;
    std::vector<std::string> marks;    // rare paths that were reached
    std::vector<std::string> defects;  // that were asked for, where that was watched
    std::string purpose;
    std::string reproduce;

    std::string full_name() const { return cell.empty() ? name : name + " [" + cell + "]"; }
    // A failure that is no finding of a checker.
    bool expectation_failed() const;
    std::string verdict() const;  // "PASS", "FAIL", "HANG", ...
    // The verdict, or that a passed or failed run could not write what it was asked for.
    std::string outcome() const;
    // What the process ends with: a run whose results are lost has not passed.
    int status() const;
};

// Lines as a list of strings, and back.
scenario::Node list_of(const std::vector<std::string>& lines);
std::vector<std::string> texts_of(const scenario::Node* list);

scenario::Node to_node(const RunResult& result);
// false: the text is not what to_node made (the process that wrote it died).
bool from_text(const std::string& text, RunResult& result);

// "two-vms: PASS in 84.2 us (12 expectations, 9 checkers, 0 findings)"
std::string last_line(const RunResult& result);
// The whole summary for people, last line included; at most so many lines of a state dump.
std::string summary_text(const RunResult& result, bool colour, std::size_t state_lines);

}  // namespace ioasim::tools
