// `ioasim explore`: every order of a small scenario, and the shortest one that is bad as a scenario
// that repeats it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ioasim::tools {

struct ExploreOptions {
    std::string file;
    std::optional<std::uint64_t> seed;
    std::vector<std::string> sets;
    std::vector<std::string> defects;
    unsigned preemptions = 2;
    std::string window;  // empty: the scenario's, else messages of one instant
    std::string stall;   // empty: the scenario's, else kDefaultStall
    std::string from;    // time before which the fixed order stays; empty: none
    std::string limit;   // simulated time of a run; empty: by the fixed order's
    bool reduction = true;
    unsigned jobs = 0;  // 0: one a core
    std::uint64_t runs = 0;
    std::uint64_t seconds = 0;
    std::string out;  // file of the shortest counterexample; empty: out/NAME-order.json
    bool force = false;
    bool json = false;
};

int explore_command(const ExploreOptions& options);

}  // namespace ioasim::tools
