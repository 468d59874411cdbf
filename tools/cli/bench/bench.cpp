#include "tools/cli/bench/bench.hpp"

#include <array>

#include <fmt/format.h>

#include "tools/cli/bench/bench_hop.hpp"
#include "tools/cli/bench/bench_ioasid.hpp"
#include "tools/cli/bench/bench_vtd.hpp"
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
};

int usage() {
    print_err("usage: ioasim bench NAME [--strict]\n");
    for (const Bench& bench : kBenches) {
        print_err(fmt::format("  {:<8} {}\n", bench.name, bench.meaning));
    }
    return 2;
}

}  // namespace

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
        if (found == nullptr || chosen != nullptr) {
            return usage();
        }
        chosen = found;
    }
    return chosen != nullptr ? chosen->run(strict) : usage();
}

}  // namespace ioasim::tools
