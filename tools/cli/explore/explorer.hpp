// Goes through the orders that a run leaves open, all of them up to a number of deviations from the
// fixed order (context bounding: Musuvathi and Qadeer, PLDI 2007; each deviation is a preemption).
//
// The run forks where it has a choice: the process goes on in the fixed order, its copy takes
// another candidate, so that no run is made again from its start. Bound by bound: first the fixed
// order itself, then every order with one deviation, then with two; what is found first is
// shortest.
//
// Reduction. Holding a task up before an operation can change an order only when another task comes
// to the same object before it is released; where none does, that choice is passed over (the
// backtracking points of dynamic partial-order reduction: Flanagan and Godefroid, POPL 2005). The
// hardware is an object that everybody comes to all the time. An order of operations on locks that
// can be had within the bound is had with the reduction, too; its times may be others, since a
// task that is held up in vain is late for whatever follows.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/chooser.hpp"

namespace ioasim::tools {

// What came of a run.
struct Outcome {
    std::string codes;  // of what is wrong, sorted, with spaces; empty: nothing
    std::string text;   // for people, a line
    bool whole = true;  // false: it was interrupted
};

struct ExploreLimits {
    unsigned deviations = 2;
    unsigned jobs = 1;  // runs at a time
    bool reduction = true;
    TimePs stall;                 // how long a task is held up
    TimePs from;                  // choices before this time stay as they are
    std::function<TimePs()> now;  // in the run's process; empty: `from` has no meaning
    std::uint64_t runs = 0;       // so many at most; 0: any number
    std::uint64_t seconds = 0;    // so long at most; 0: any time
    std::function<bool()> stop;   // asked now and then; may be empty
    std::function<void(std::uint64_t runs, unsigned bound)> progress;  // may be empty
};

struct Found {
    std::string codes;
    std::string text;
    std::vector<Deviation> schedule;
    std::vector<std::string> choices;  // in words, one for each deviation
    std::uint64_t runs = 0;            // that ended so
};

// Choices of the fixed order, of one kind.
struct ChoiceCount {
    std::string what;
    std::uint64_t seen = 0;
    std::uint64_t followed = 0;  // by the reduction
};

struct Explored {
    std::vector<std::uint64_t> runs;  // with 0, 1, ... deviations
    std::vector<ChoiceCount> choices;
    // The shortest schedule of each kind of outcome that is wrong: fewest deviations, then the
    // earliest end. The bound at which something is found is gone through, no higher one.
    std::vector<Found> found;
    bool complete = true;  // within the bound, and no limit was met

    std::uint64_t all_runs() const;
};

// One run under a chooser; called in processes of their own, which end with it.
using ExploreBody = std::function<Outcome(std::unique_ptr<Chooser>)>;

Explored explore(const ExploreBody& body, const ExploreLimits& limits);

}  // namespace ioasim::tools
