#include "tools/cli/bench/bench_traces.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "tools/cli/bench/measure.hpp"
#include "tools/cli/run_command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/trace_file.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

constexpr const char* kScenario = "scenarios/quickstart/two_vms.json";
constexpr double kBudgetVcd = 1.25;  // times the run without

class TemporaryFolder {
public:
    TemporaryFolder() {
        const char* parent = std::getenv("TMPDIR");
        path_ = std::string(parent == nullptr ? P_tmpdir : parent) + "/ioasim-bench-XXXXXX";
        SIM_CHECK(::mkdtemp(path_.data()) != nullptr, "cannot make a folder like {}", path_);
    }
    ~TemporaryFolder() { ::rmdir(path_.c_str()); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

struct Way {
    std::string path;  // of the trace; empty: none
    std::string name;
    double best = 0;  // ns of a run
    std::uint64_t bytes = 0;
};

// As `ioasim run --no-files --trace FILE` does it.
double run(const scenario::Scenario& wanted, Way& way) {
    RunOptions options;
    options.no_files = true;
    options.quiet = true;
    Job job = plan(wanted, options);
    if (!way.path.empty()) {
        job.traces = {way.path};
    }
    const double ns = ns_per_unit([&] {
        const RunResult result = run_one(job);
        SIM_CHECK(result.status() == kPass, "{} does not pass: {}", kScenario, result.error);
        return 1;
    });
    if (!way.path.empty()) {
        struct stat info {};
        way.bytes =
            ::stat(way.path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
        for (const std::string& file : traces::trace_files(way.path)) {
            ::unlink(file.c_str());
        }
    }
    return ns;
}

}  // namespace

int bench_traces(bool) {
    const scenario::Loaded loaded = scenario::load(kScenario, program_vocabulary(), {});
    if (loaded.cells.empty()) {
        print_err(fmt::format("ioasim: error: {} is not here: start it where the project lies\n",
                              kScenario));
        return kUsage;
    }
    const TemporaryFolder folder;
    std::vector<Way> ways(1);
    ways.front().name = "no trace";
    for (const traces::TraceFormatInfo& format : traces::trace_formats()) {
        if (traces::trace_format_problem(format.format).empty()) {
            Way way;
            way.path = folder.path() + "/trace" + std::string(format.ending);
            way.name = format.ending;
            ways.push_back(way);
        }
    }
    // In turn, so that what disturbs the machine disturbs all of them.
    for (int i = 0; i < kRepetitions; ++i) {
        for (Way& way : ways) {
            const double ns = run(loaded.cells.front(), way);
            way.best = i == 0 ? ns : std::min(way.best, ns);
        }
    }
    double vcd = 0;
    for (const Way& way : ways) {
        const double ratio = way.best / ways.front().best;
        vcd = way.name == ".vcd" ? ratio : vcd;
        constexpr double kNsOfMs = 1e6;
        print_out(fmt::format("{:10} {:8.1f} ms  {:5.2f} times{}\n", way.name, way.best / kNsOfMs,
                              ratio,
                              way.path.empty() ? "" : "  " + traces::readable_size(way.bytes)));
    }
    const bool good = vcd <= kBudgetVcd;
    print_out(fmt::format("bench traces: {} (budget: .vcd {:.2f} times the run without)\n",
                          good ? "pass" : "fail", kBudgetVcd));
    return good ? kPass : kFailed;
}

}  // namespace ioasim::tools
