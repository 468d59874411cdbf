#include "tools/cli/bench/bench_checkers.hpp"

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/sim/simulation.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/scenario.hpp"
#include "tools/cli/bench/measure.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/checkers.hpp"

namespace ioasim::tools {
namespace {

constexpr double kBudget = 0.15;  // of the host time of a run
constexpr int kRounds = 9;

struct Load {
    const char* what;
    const char* scenario;
    std::vector<std::string> sets;
    int times;  // in a measurement, for it to last
};

std::vector<Load> loads() {
    return {{"descriptors", "scenarios/bench/descriptors.json", {"descriptors=20000"}, 1},
            {"quickstart", "scenarios/quickstart/two_vms.json", {}, 10},
            {"lives of VMs",
             "scenarios/stress/thousand_vms.json",
             {"machines=20", "ids=100", "all=2000"},
             2}};
}

// Who listens in a run.
struct Variant {
    std::string name;
    bool listening = true;
    std::vector<std::string> without;
    std::vector<double> ns;      // of a run, by round
    std::vector<double> shares;  // of it that is more than the first variant's, by round
};

std::vector<Variant> variants() {
    const std::vector<std::string> names = traces::CheckerSet::all_names();
    std::vector<Variant> all{{"nobody listens", false, names, {}, {}},
                             {"all checkers", true, {}, {}, {}},
                             {"facts and history", true, names, {}, {}}};
    for (const std::string& name : names) {
        Variant alone{name, true, {}, {}, {}};
        for (const std::string& other : names) {
            if (other != name) {
                alone.without.push_back(other);
            }
        }
        all.push_back(std::move(alone));
    }
    return all;
}

// As `ioasim run --no-files` does it, without judging: host time between start and end.
double run_ns(const Load& load, const scenario::Scenario& wanted, const Variant& variant) {
    double ns = 0;
    for (int i = 0; i < load.times; ++i) {
        sim::Simulation simulation{sim::SimulationOptions{wanted.seed, wanted.limit}};
        traces::CheckerOptions options;
        options.without = variant.without;
        traces::CheckerSet checkers(simulation.recorder(), options);
        if (variant.listening) {
            simulation.recorder().add_listener(checkers, checkers.categories());
        }
        const platform::Platform platform(simulation, wanted.config);
        ns += ns_per_unit([&] {
            simulation.run();
            return 1;
        });
        SIM_CHECK(checkers.findings().empty(), "the checkers found something in {}", load.scenario);
    }
    return ns / load.times;
}

// The variants take turns, so that whatever else the host does meets them all alike.
bool measure(const Load& load, const scenario::Scenario& wanted) {
    std::vector<Variant> all = variants();
    for (int round = 0; round < kRounds; ++round) {
        for (Variant& variant : all) {
            variant.ns.push_back(run_ns(load, wanted, variant));
            variant.shares.push_back(1 - all.front().ns.back() / variant.ns.back());
        }
    }
    bool good = true;
    for (const Variant& variant : all) {
        const bool judged = &variant == &all[1];
        const double share = median(variant.shares);
        const bool within = !judged || share <= kBudget;
        good = good && within;
        print_out(fmt::format(
            "{}, {}: {:.2f} ms{}{}\n", load.what, variant.name, median(variant.ns) * 1e-6,
            variant.listening ? fmt::format(", {:.1f} % of it for {}", share * 100,
                                            judged ? "them" : "the stream and this")
                              : "",
            within ? "" : " OVER BUDGET"));
    }
    return good;
}

}  // namespace

int bench_checkers(bool) {
    bool good = true;
    for (const Load& load : loads()) {
        scenario::LoadOptions options;
        options.sets = load.sets;
        const scenario::Loaded loaded =
            scenario::load(load.scenario, program_vocabulary(), options);
        if (loaded.cells.size() != 1) {
            print_err(fmt::format(
                "ioasim: error: {} is not here: start it where the project lies\n", load.scenario));
            return kUsage;
        }
        good = measure(load, loaded.cells.front()) && good;
    }
    print_out(
        fmt::format("bench checkers: {} (all of them at most {:.0f} % of a run's host time)\n",
                    good ? "pass" : "fail", kBudget * 100));
    return good ? 0 : 1;
}

}  // namespace ioasim::tools
