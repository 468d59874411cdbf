// `ioasim campaign mutants`: is the library of scenarios able to see every seeded defect of the
// models? Each defect in turn is switched on, and scenarios run until a checker or an expectation
// notices: at their own seeds, then under the seeded choices of runs 1, 2, ..., where swarm
// scenarios have another machine each time. What a scenario claims to prove plays no part in the
// order: those in the folder of the model come first, then those that make the fewest events.
// Scenarios whose unbroken model never asks for the defect cannot show it and are left out. Whether
// the default seeds would have caught it too is looked at to the end.
//
// With a folder of results the same command goes on where an interrupted one ended. The table goes
// into a document; checking it makes only the runs that it names, and looks for another run where
// the named one does not tell any more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ioasim::tools {

struct MutantOptions {
    std::vector<std::string> files;    // scenarios, or folders of them
    std::vector<std::string> defects;  // empty: all
    std::uint64_t runs = 1000;         // of one mutant at most
    std::uint64_t seed = 1;            // of the runs after the default one
    std::uint64_t jobs = 0;
    std::uint64_t run_seconds = 60;
    std::string out;        // folder of results; empty: they are not kept
    std::string table;      // document that gets the table
    std::string check;      // document whose table is checked
    bool explored = false;  // tell only those that the default seeds miss
    bool quiet = false;
    bool json = false;
};

int campaign_mutants(const MutantOptions& options);

}  // namespace ioasim::tools
