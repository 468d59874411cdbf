// What a search for mutants keeps of scenarios, their unbroken runs, and mutants.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tools/cli/campaign/mutant_table.hpp"
#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

struct Subject {
    Job job;
    bool later_cell = false;  // of a matrix
    bool fixed = false;       // no campaign varies it
    bool passes = true;       // unbroken
    std::uint64_t events = 0;
};

// A run of the unbroken models, watched. What it never asks for cannot change it.
struct Survey {
    bool started = false;
    bool ended = false;
    bool passes = false;
    std::set<std::string> asked;  // defects
};

struct Turn {
    std::size_t subject;
    std::uint64_t number;  // of the run
};

struct Mutant {
    MutantRow row;  // what is known of it so far
    std::vector<Turn> turns;
    std::size_t next = 0;    // turn
    std::uint64_t made = 0;  // runs
    bool under_way = false;
    bool over = false;
    bool reached = false;  // by some run
    bool crashes = false;  // some run ended with an internal error
    std::string reproduce;

    const std::string& name() const { return row.mutant; }
};

}  // namespace ioasim::tools
