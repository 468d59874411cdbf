// `ioasim campaign submit`: a campaign as an array of shards on machines that a batch system gives
// out, and a collector behind them that puts the results together. There is no scheduler here:
// three scripts are written, and the engine runs them.
//
//   shard.sh    one shard, numbered by the engine; carried out again it goes on where it was
//   collect.sh  `ioasim campaign merge`, which also tells when runs are missing
//   submit.sh   hands both to the engine
//
// Folders of scenarios, program and results are the same on every machine (a shared file system).
// Sources: sbatch(1) of Slurm 22.05, parallel(1) of GNU parallel 20221122; bsub of IBM Spectrum LSF
// 10.1 and qsub of Grid Engine 8.1.9, whose scripts have only been read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/campaign/campaign.hpp"

namespace ioasim::tools {

struct SubmitOptions {
    CampaignOptions campaign;  // shards: how many; jobs: runs at a time of one shard (1)
    std::string engine;
    std::vector<std::string> engine_options;
    bool wait = false;   // until the collector has ended
    bool print = false;  // the scripts on stdout, nothing written, nothing submitted
};

struct SubmitScripts {
    std::string shard;
    std::string collect;
    std::string submit;
};

// Where things are: the program, the folder that file names are relative to, the results.
struct SubmitPlaces {
    std::string program;
    std::string here;
    std::string out;
};

// slurm, parallel, lsf, sge.
const std::vector<std::string>& engine_names();
// The command that takes its jobs.
std::string engine_command(const std::string& engine);
SubmitScripts submit_scripts(const SubmitOptions& options, const SubmitPlaces& places);
// What the engine would not take; empty: nothing.
std::string engine_problem(const SubmitOptions& options);

int campaign_submit(const SubmitOptions& options);

}  // namespace ioasim::tools
