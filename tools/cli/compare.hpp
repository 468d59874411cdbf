// `ioasim compare A.json B.json`: two scenarios, or one under two policies, run with the same seed
// and put side by side: outcome, cost and risk.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/options.hpp"
#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

struct CompareOptions {
    RunOptions run;              // one file or two; what holds for both sides
    std::vector<std::string> a;  // PATH=VALUE of one side
    std::vector<std::string> b;
    std::vector<std::string> defects_a;
    std::vector<std::string> defects_b;
    bool all = false;   // what is equal, too
    bool same = false;  // the caller wants no difference
};

struct CompareRow {
    std::string aspect;  // "outcome", "cost", "risk": in this order
    std::string name;
    std::string a;
    std::string b;
    std::string change;  // "+3", "+5.1 %", "31.5 times"
    bool differs() const { return a != b; }
};
std::vector<CompareRow> compare(const RunResult& a, const RunResult& b);

// Exit code: that of the worse run when one could not be carried out; 1 when something differs and
// nothing may; else 0.
int compare_command(const CompareOptions& options);

}  // namespace ioasim::tools
