// What makes two runs fail the same way: the code of a finding, an expectation or step that does
// not hold and in which manner, how a run that does not end is stuck, or what crashes.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

struct Signature {
    enum class Kind : std::uint8_t { None, Finding, Failure, End, Crash };
    Kind kind = Kind::None;
    std::string what;   // the code; the manner of the failure; "hang"; the message
    std::string where;  // Failure: the place of the expectation or step, "file:line:col"
    int exit_code = kPass;
    // All that failed: codes of findings, places of expectations and steps. What fails beside it in
    // a smaller run must be among them.
    std::set<std::string> beside;

    // For people: "finding references.leak", "expectation at FILE:3:5".
    std::string text() const;
    // In a few words: the code, "expectation", "hang", "crash".
    std::string kind_text() const;
    bool shown_by(const RunResult& result) const;
    // The same at any place, whatever else fails: for another text of the scenario.
    bool shown_anywhere_by(const RunResult& result) const;

private:
    bool shows(const RunResult& result, bool anywhere) const;
    bool ends_so(const RunResult& result) const;
};

// Of a run that failed. `code`: the finding to look for; empty: a crash, else what came first: the
// earliest finding before the end, else how it is stuck, else a finding, else an expectation.
// Kind::None: it passed, the host cut it, or it has no such finding.
Signature signature_of(const RunResult& result, const std::string& code);

// The manner of a failure without what may differ: times, event numbers, amounts. Nothing at all
// stays told apart from something.
std::string manner_of(const std::string& seen);

}  // namespace ioasim::tools
