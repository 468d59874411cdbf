#include "tools/cli/bench/bench_descriptors.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/sim/bare_event.hpp"
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

constexpr const char* kScenario = "scenarios/bench/descriptors.json";
constexpr std::uint64_t kDescriptors = 100'000;  // of a measurement, whoever submits them
constexpr std::uint64_t kEvents = 1'000'000;
constexpr double kBudgetRate = 500'000;    // descriptors a host second
constexpr double kBudgetActivations = 40;  // of a descriptor
constexpr double kBudgetRatio = 3;         // in bare events
constexpr double kBudgetGrowth = 1.2;      // of the cost of an activation, beside the first shape

struct Shape {
    std::uint64_t processes;
    std::uint64_t devices;
};
constexpr Shape kShapes[] = {{1, 1}, {1000, 1}, {1, 16}, {60, 16}};

struct Figure {
    double ns = 0;  // of a descriptor
    double activations = 0;
    double each() const { return ns / activations; }
};

scenario::Loaded load(const Shape& shape) {
    scenario::LoadOptions options;
    options.sets = {fmt::format("processes={}", shape.processes),
                    fmt::format("devices={}", shape.devices),
                    fmt::format("descriptors={}", kDescriptors / shape.processes / shape.devices)};
    return scenario::load(kScenario, program_vocabulary(), options);
}

// As `ioasim run --no-files` does it, without judging. Nobody listens when it is not `checked`:
// no event is made then.
Figure run(const scenario::Scenario& wanted, bool checked) {
    sim::SimulationOptions options;
    options.seed = wanted.seed;
    options.limit = wanted.limit;
    sim::Simulation simulation{options};
    traces::CheckerSet checkers(simulation.recorder(), traces::CheckerOptions{});
    if (checked) {
        simulation.recorder().add_listener(checkers, checkers.categories());
    }
    const platform::Platform platform(simulation, wanted.config);
    Figure figure;
    figure.ns = ns_per_unit([&] {
        simulation.run();
        return kDescriptors;
    });
    SIM_CHECK(checkers.findings().empty(), "the checkers found something in {}", kScenario);
    figure.activations =
        static_cast<double>(simulation.activations()) / static_cast<double>(kDescriptors);
    return figure;
}

// With `unchecked`, runs without checkers take turns: what else the host does meets both alike.
Figure measure(const Shape& shape, Figure* unchecked = nullptr) {
    const scenario::Loaded loaded = load(shape);
    SIM_CHECK(loaded.cells.size() == 1, "{} does not load", kScenario);
    Figure best;
    for (int i = 0; i < kRepetitions; ++i) {
        const Figure figure = run(loaded.cells.front(), true);
        best = i == 0 || figure.ns < best.ns ? figure : best;
        if (unchecked != nullptr) {
            const Figure without = run(loaded.cells.front(), false);
            *unchecked = i == 0 || without.ns < unchecked->ns ? without : *unchecked;
        }
    }
    return best;
}

}  // namespace

int bench_descriptors(bool strict) {
    if (load(kShapes[0]).cells.empty()) {
        print_err(fmt::format("ioasim: error: {} is not here: start it where the project lies\n",
                              kScenario));
        return kUsage;
    }
    const double bare = best_ns_per_unit([] { return std::make_unique<sim::BareEvent>(); },
                                         [](sim::BareEvent& event) {
                                             event.run(kEvents);
                                             return event.activated();
                                         });
    print_out(fmt::format("bare event: {:.1f} ns\n", bare));
    bool good = true;
    std::vector<double> costs;
    Figure unchecked;
    for (const Shape& shape : kShapes) {
        const Figure f = measure(shape, costs.empty() ? &unchecked : nullptr);
        const double rate = 1e9 / f.ns;
        const double ratio = f.each() / bare;
        costs.push_back(f.each());
        const bool first = costs.size() == 1;
        const bool within = !first || (rate >= kBudgetRate && f.activations <= kBudgetActivations &&
                                       ratio <= kBudgetRatio);
        good = good && within;
        print_out(fmt::format(
            "{} process{}, {} device{}: {:.0f} descriptors/s, {:.1f} activations each, {:.0f} ns "
            "an activation ({:.1f} bare events){}\n",
            shape.processes, shape.processes == 1 ? "" : "es of each device", shape.devices,
            shape.devices == 1 ? "" : "s", rate, f.activations, f.each(), ratio,
            within ? "" : " OVER BUDGET"));
    }
    print_out(fmt::format("1 process, 1 device, no checkers: {:.0f} descriptors/s\n",
                          1e9 / unchecked.ns));
    // Cheaper activations are no harm: many processes come and go, and their calls are short.
    const double growth = *std::max_element(costs.begin(), costs.end()) / costs.front();
    const bool flat = growth <= kBudgetGrowth;
    good = good && flat;
    print_out(
        fmt::format("bench descriptors: {} (budget {:.0f} descriptors/s, {:.0f} activations, "
                    "{:.0f} bare events an activation; an activation takes at most {:.2f} times "
                    "that of 1 process and 1 device, at most {:.1f})\n",
                    good ? "pass" : "fail", kBudgetRate, kBudgetActivations, kBudgetRatio, growth,
                    kBudgetGrowth));
    return good || !strict ? 0 : 1;
}

}  // namespace ioasim::tools
