#include "tools/cli/bench/bench_scale.hpp"

#include <sys/resource.h>

#include <vector>

#include <fmt/format.h>

#include "tools/cli/bench/measure.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

constexpr const char* kScenario = "scenarios/stress/thousand_vms.json";
constexpr std::uint64_t kIds = 1000;  // of a virtual machine
constexpr std::uint64_t kMachines[] = {10, 100, 1000};
constexpr double kBudgetRatio = 2;  // of the cost of an ID with most machines, to that with fewest
constexpr double kBudgetSeconds = 60;
constexpr double kBudgetBytes = 2048.0 * 1024 * 1024;

struct Figure {
    double seconds = 0;  // of loading and running
    double peak = 0;     // bytes
};

double cpu_seconds(int who) {
    rusage usage{};
    getrusage(who, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of the biggest process so far: sizes are measured from small to big.
double peak_of_children() {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

scenario::LoadOptions sized(std::uint64_t machines) {
    scenario::LoadOptions options;
    options.sets = {fmt::format("machines={}", machines), fmt::format("ids={}", kIds),
                    fmt::format("all={}", machines * kIds)};
    return options;
}

// As `ioasim run --no-files` does it: a process of its own, checkers on, judged. False: it failed.
bool measure(std::uint64_t machines, Figure& figure) {
    const double before = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
    bool good = true;
    const std::vector<scenario::Scenario> cells = load_or_tell(kScenario, sized(machines), good);
    if (!good || cells.size() != 1) {
        return false;
    }
    RunOptions options;
    options.no_files = true;
    options.quiet = true;
    Job job = plan(cells.front(), options);
    job.show_progress = false;
    const RunResult result = run_isolated(job);
    if (signal_seen() != 0) {
        throw Interrupted{signal_seen()};
    }
    figure.seconds = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN) - before;
    figure.peak = peak_of_children();
    if (result.exit_code != kPass) {
        print_err(
            fmt::format("ioasim: error: {} with {} machines does not pass\n", kScenario, machines));
    }
    return result.exit_code == kPass;
}

}  // namespace

int bench_scale(bool strict) {
    std::vector<double> costs;
    Figure last;
    for (const std::uint64_t machines : kMachines) {
        if (!measure(machines, last)) {
            return kUsage;
        }
        const auto ids = static_cast<double>(machines * kIds);
        costs.push_back(last.seconds * 1e6 / ids);
        print_out(fmt::format(
            "{} VMs with {} IDs each: {:.1f} s, {:.0f} MiB; an ID takes {:.1f} us and {:.0f} B\n",
            machines, kIds, last.seconds, last.peak / 1024 / 1024, costs.back(), last.peak / ids));
    }
    const double ratio = costs.back() / costs.front();
    const bool linear = ratio <= kBudgetRatio;
    const bool within = last.seconds <= kBudgetSeconds && last.peak <= kBudgetBytes;
    const bool good = linear && (within || !strict);
    print_out(
        fmt::format("bench scale: {} (an ID of {} VMs takes {:.2f} times one of {}, at most "
                    "{:.1f}; budget {:.0f} s and {:.0f} MiB: {})\n",
                    good ? "pass" : "fail", kMachines[2], ratio, kMachines[0], kBudgetRatio,
                    kBudgetSeconds, kBudgetBytes / 1024 / 1024, within ? "met" : "not met"));
    return good ? 0 : 1;
}

}  // namespace ioasim::tools
