// `ioasim campaign run`: many runs of many scenarios, isolated in processes, on all cores;
// and `ioasim campaign merge`, which puts the results of several together. Run number i of a
// campaign is run i / n of scenario i % n (of n runnable ones, sorted by file and cell) under the
// campaign's seed, so that it depends on nothing else, and `ioasim run FILE --seed S --run R`
// repeats it alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/options.hpp"

namespace ioasim::tools {

struct CampaignOptions {
    std::vector<std::string> files;  // scenarios, or folders of them
    std::uint64_t runs = 1000;
    std::uint64_t seed = 1;
    std::uint64_t jobs = 0;  // runs at a time; 0: one a core
    std::uint64_t shard = 1;
    std::uint64_t shards = 1;
    std::uint64_t seconds = 0;       // no run begins after so many; 0: any number
    std::uint64_t run_seconds = 60;  // host time of one run
    std::uint64_t run_memory = std::uint64_t{4} << 30U;
    std::string out;  // folder of results; empty: out/campaign-SEED
    std::vector<std::string> sets;
    std::vector<std::string> defects;
    std::vector<std::string> reports;  // FORMAT=FILE
    bool force = false;                // overwrite them
    bool fresh = false;                // a new process for each run
    bool quiet = false;
    bool json = false;
};

int campaign_run(const CampaignOptions& options);
// Whether its scenarios can be loaded and varied; tells on stderr what is wrong.
bool campaign_check(const CampaignOptions& options);

struct MergeOptions {
    std::vector<std::string> folders;
    std::string out;
    std::uint64_t runs = 0;  // so many there must be; 0: any number
    std::vector<std::string> reports;
    bool force = false;
    bool json = false;
};

int campaign_merge(const MergeOptions& options);

}  // namespace ioasim::tools
