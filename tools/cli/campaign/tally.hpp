// The sums of a campaign: what failed, how often, and the command that repeats the first of each
// kind. Sums do not depend on the order in which runs end.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/campaign/run_record.hpp"

namespace ioasim::tools {

class Tally {
public:
    void add(const RunRecord& record);

    std::uint64_t runs() const { return runs_; }
    std::uint64_t failed() const { return failed_; }
    int exit_code() const { return exit_code_; }
    // "references.leak 3, expectation 1": the most frequent first, at most so many.
    std::string by_code(std::size_t most) const;
    // The table of failures for people, and for programs.
    std::string text() const;
    scenario::Node node() const;
    // Rare paths that no run reached, by name.
    std::vector<std::string> marks_never_hit() const;
    // The same for people: how many, and what each is.
    std::string marks_text() const;

private:
    struct Kind {
        std::uint64_t runs = 0;
        std::map<std::string, std::uint64_t> scenarios;
        RunKey first_key;
        std::string first;
        std::string reproduce;
    };
    std::vector<std::pair<std::string, const Kind*>> by_frequency() const;

    std::uint64_t runs_ = 0;
    std::uint64_t failed_ = 0;
    int exit_code_ = kPass;
    std::set<std::string> marks_;
    std::map<std::string, Kind> kinds_;
};

}  // namespace ioasim::tools
