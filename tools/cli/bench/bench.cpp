#include "tools/cli/bench/bench.hpp"

#include <array>

#include <fmt/format.h>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/bench/bench_checkers.hpp"
#include "tools/cli/bench/bench_descriptors.hpp"
#include "tools/cli/bench/bench_hop.hpp"
#include "tools/cli/bench/bench_ioasid.hpp"
#include "tools/cli/bench/bench_scale.hpp"
#include "tools/cli/bench/bench_traces.hpp"
#include "tools/cli/bench/bench_vtd.hpp"
#include "tools/cli/bench/measure.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

struct Bench {
    const char* name;
    const char* meaning;
    int (*run)(bool strict);
};

constexpr std::array kBenches{
    Bench{"hop", "one message hop beside a bare event of the kernel", &bench_hop},
    Bench{"ioasid", "calls of the IOASID core beside the original code's figures", &bench_ioasid},
    Bench{"vtd", "a device's read through the remapping unit: IOTLB hit, cold nested walk",
          &bench_vtd},
    Bench{"descriptors", "a 64-byte copy through ENQCMD: scenarios/bench/descriptors.json",
          &bench_descriptors},
    Bench{"checkers", "host time of all checkers and of each alone, over three loads",
          &bench_checkers},
    Bench{"scale", "1,000 VMs with 1,000 IDs each: scenarios/stress/thousand_vms.json",
          &bench_scale},
    Bench{"traces", "a run with a trace of each format beside the run without", &bench_traces},
};

int usage(const std::string& problem, const std::string& help = {}) {
    print_err(scenario::render_plain(scenario::Code::Usage, problem, help) +
              "usage: ioasim bench NAME [--strict], ioasim bench points FILE...\n" + bench_names() +
              "\n");
    return kUsage;
}

int no_benchmark(const std::string& name) {
    if (name == "points") {
        return usage("bench points: no file of timing points is named");
    }
    std::vector<std::string> names{"points"};
    for (const Bench& bench : kBenches) {
        names.emplace_back(bench.name);
    }
    return usage(fmt::format("bench: there is no benchmark {}", quoted(name)),
                 suggest(name, names));
}

}  // namespace

std::string bench_names() {
    std::string text;
    for (const Bench& bench : kBenches) {
        text += fmt::format("{}: {}\n", bench.name, bench.meaning);
    }
    return text + "points: published measurements of hardware beside simulated ones";
}

int run_bench(const std::vector<std::string>& args) {
    bool strict = false;
    const Bench* chosen = nullptr;
    for (const std::string& arg : args) {
        if (arg == "--strict") {
            strict = true;
            continue;
        }
        const Bench* found = nullptr;
        for (const Bench& bench : kBenches) {
            found = arg == bench.name ? &bench : found;
        }
        if (found == nullptr && chosen == nullptr) {
            return no_benchmark(arg);
        }
        if (found == nullptr || chosen != nullptr) {
            return usage(
                fmt::format("bench {}: {} is one thing too many", chosen->name, quoted(arg)));
        }
        chosen = found;
    }
    if (chosen == nullptr) {
        return usage("bench: no benchmark is named");
    }
    try {
        return chosen->run(strict);
    } catch (const Interrupted& interrupted) {
        print_out(fmt::format("bench {}: interrupted, the rest was not measured\n", chosen->name));
        return 128 + interrupted.signal;
    }
}

}  // namespace ioasim::tools
