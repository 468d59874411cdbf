// `ioasim run`: loads the files, runs every cell in a process of its own, prints and writes
// results.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/chooser.hpp"
#include "core/trace/recorder.hpp"
#include "scenarios/language/scenario.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/run_result.hpp"

namespace ioasim::tools {

// One run, planned.
struct Job {
    scenario::Scenario scenario;
    RunOptions options;
    std::uint64_t effective_seed = 1;
    std::string hash;
    std::string folder;               // empty: no files
    std::vector<std::string> traces;  // files, the format by their ending
    bool show_progress = true;
    // One more listener of every event, made when the run's names are there; may give none.
    std::function<trace::Listener*(trace::Recorder&)> attach;
};

// In the current process; the kernel can be elaborated once in it.
RunResult run_one(const Job& job);
// The same under a chooser of the caller's, in a process that ends with it: nothing is taken apart.
RunResult run_last(const Job& job, std::unique_ptr<Chooser> chooser = nullptr);

int run_command(const RunOptions& options);
int validate_command(const std::vector<std::string>& files, const std::vector<std::string>& sets,
                     bool json);

// The signal that asked this process to end; 0: none.
int signal_seen();
void watch_signals();

// Loads a file or tells on stderr what is wrong with it; nothing: errors.
std::vector<scenario::Scenario> load_or_tell(const std::string& file,
                                             const scenario::LoadOptions& options, bool& good,
                                             std::string* json = nullptr);

// False: one of the names is no seeded defect, which stderr has been told.
bool known_defects_or_tell(const std::vector<std::string>& defects);

// "v4", "spec, call_order global_chain_first": which IOASID core a run has.
std::string profile_text(const platform::PlatformConfig& config);

// Quoted for a shell where it must be.
std::string shell_word(const std::string& text);

// Prepares a job without files: seed, hash.
Job plan(const scenario::Scenario& scenario, const RunOptions& options);
// The seed of run number `run` under a seed.
std::uint64_t effective_seed(std::uint64_t seed, std::uint64_t run);
// The command that repeats a run.
std::string reproduce_line(const Job& job);

}  // namespace ioasim::tools
