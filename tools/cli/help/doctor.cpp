#include "tools/cli/help/doctor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/sim/dispatcher.hpp"
#include "core/sim/kernel_version.hpp"
#include "core/sim/simulation.hpp"
#include "scenarios/language/json_tree.hpp"
#include "tools/cli/help/build_info.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/programs.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

enum class State : std::uint8_t { Ok, Missing, Low, Broken };
constexpr std::array<const char*, 4> kStates{"ok", "missing", "low", "broken"};

struct Finding {
    State state;
    std::string what;
    std::string text;     // what there is, or what is wrong
    std::string feature;  // what one needs it for
    std::string package;  // of Debian
};

// Programs that some features need, and the packages of Debian 12 that have them.
struct Program {
    const char* name;
    const char* package;
    const char* feature;
};
constexpr std::array<Program, 13> kPrograms{{
    {"gtkwave", "gtkwave", "looking at waveforms (--trace FILE.vcd)"},
    {"gnuplot", "gnuplot-nox", "plots of measurements (bench points --svg)"},
    {"sbatch", "slurm-client", "campaigns on a Slurm cluster (campaign submit --engine slurm)"},
    {"slurmctld", "slurm-wlm", "a Slurm of this machine (the tests of campaign submit)"},
    {"munged", "munge", "a Slurm of this machine (the tests of campaign submit)"},
    {"parallel", "parallel", "campaigns on hosts by ssh (campaign submit --engine parallel)"},
    {"chromium", "chromium", "traces in a browser (ui.perfetto.dev)"},
    {"node", "nodejs", "tests of what a browser shows"},
    {"xmllint", "libxml2-utils", "tests of JUnit reports"},
    {"zgrep", "gzip", "reading compressed recordings"},
    {"g++", "g++", "building from source, device models of your own"},
    {"cmake", "cmake", "building from source, device models of your own"},
    {"ninja", "ninja-build", "building from source"},
}};

// A program that was built for another kernel does not start at all; the same version with other
// contents does.
Finding kernel() {
    const sim::KernelVersion version = sim::kernel_version();
    const std::string text =
        fmt::format("{}, symbol {}", version.running, version.symbol) +
        (version.same() ? "" : fmt::format("; built with the headers of {}", version.built));
    return {version.same() ? State::Ok : State::Broken, "SystemC", text, "every run", "libsystemc"};
}

// Threads of the kernel need stacks, which a limit of the host may refuse.
Finding simulation() {
    Finding finding{State::Broken, "simulation", "", "every run", ""};
    constexpr TimePs kSpent{1000};
    TimePs seen;
    try {
        sim::Simulation simulation{sim::SimulationOptions{}};
        sim::Dispatcher tasks{simulation, sim::DispatcherParams{}, simulation.chooser()};
        tasks.spawn({"doctor"}, TimePs{}, [&](ExecContext& ctx) {
            ctx.spend(kSpent);
            seen = ctx.now();
        });
        const sim::StopReason reason = simulation.run();
        finding.text = fmt::format("a task ran until {} ps, the run ended {}", seen.ps(),
                                   sim::stop_reason_name(reason));
        finding.state =
            seen == kSpent && reason == sim::StopReason::Idle ? State::Ok : State::Broken;
    } catch (const std::exception& error) {
        finding.text = error.what();
    }
    return finding;
}

// The nearest folder that there is on the way to a path.
std::string existing_part(std::string path) {
    while (!path_exists(path)) {
        const std::size_t slash = path.rfind('/');
        if (slash == std::string::npos) {
            return ".";
        }
        path.erase(slash);
    }
    return path;
}

Finding results() {
    const std::string folder = existing_part("out");
    const bool writable = ::access(folder.c_str(), W_OK | X_OK) == 0;
    return {writable ? State::Ok : State::Broken, "results",
            writable ? "out/ can be written in this folder"
                     : fmt::format("out/ cannot be written: {}; --out names another folder, "
                                   "--no-files writes none",
                                   std::strerror(errno)),
            "folders of results", ""};
}

Finding disk() {
    struct statvfs info {};
    if (::statvfs(existing_part("out").c_str(), &info) != 0) {
        return {State::Broken, "disk", std::strerror(errno), "results, traces", ""};
    }
    const std::uint64_t bytes = std::uint64_t{info.f_bavail} * info.f_frsize;
    // A long trace takes hundreds of megabytes, a result a few kilobytes.
    constexpr std::uint64_t kNeeded = 16U << 20U;
    const State state = bytes < kNeeded ? State::Broken : bytes < kGiB ? State::Low : State::Ok;
    return {state, "disk",
            fmt::format("{:.1f} GiB free", static_cast<double>(bytes) / static_cast<double>(kGiB)),
            "results, traces", ""};
}

Finding memory() {
    const std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    struct rlimit limit {};
    const bool limited = ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    std::string text =
        fmt::format("{:.1f} GiB, {}", static_cast<double>(bytes) / static_cast<double>(kGiB),
                    plural(static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_ONLN)), "core"));
    if (limited) {
        text += fmt::format(", a process may have {:.1f} GiB (ulimit -v)",
                            static_cast<double>(limit.rlim_cur) / static_cast<double>(kGiB));
    }
    const bool low = bytes < 2 * kGiB || (limited && limit.rlim_cur < kGiB);
    return {low ? State::Low : State::Ok, "host", text,
            "machines with many VMs, campaigns on all cores", ""};
}

Finding program(const Program& wanted) {
    const std::string path = program_path(wanted.name);
    return {path.empty() ? State::Missing : State::Ok, wanted.name, path, wanted.feature,
            wanted.package};
}

std::string lines(const std::vector<Finding>& findings) {
    std::string text;
    for (const Finding& one : findings) {
        text += fmt::format("  {:<8} {:<10} {}\n", kStates[static_cast<std::size_t>(one.state)],
                            one.what,
                            one.state == State::Missing ? "for " + one.feature
                            : one.state == State::Ok    ? one.text
                                                        : one.text + ", for " + one.feature);
    }
    return text;
}

std::string apt_line(const std::vector<Finding>& findings) {
    std::vector<std::string> packages;
    for (const Finding& one : findings) {
        if (one.state == State::Missing &&
            std::find(packages.begin(), packages.end(), one.package) == packages.end()) {
            packages.push_back(one.package);
        }
    }
    std::string line;
    for (const std::string& package : packages) {
        line += " " + package;
    }
    return line.empty() ? line
                        : "to install what is missing:\n  apt-get install -y "
                          "--no-install-recommends" +
                              line + "\n";
}

Node node_of(const Finding& one) {
    Node node = Node::object();
    node.set("state", Node::string(kStates[static_cast<std::size_t>(one.state)]));
    node.set("what", Node::string(one.what));
    node.set("text", Node::string(one.text));
    node.set("feature", Node::string(one.feature));
    node.set("package", Node::string(one.package));
    return node;
}

}  // namespace

int doctor_command(bool json) {
    const std::vector<Finding> essential{kernel(), simulation(), results(), disk(), memory()};
    std::vector<Finding> optional;
    for (const Program& wanted : kPrograms) {
        optional.push_back(program(wanted));
    }
    std::uint64_t broken = 0;
    for (const Finding& one : essential) {
        broken += one.state == State::Broken ? 1 : 0;
    }
    std::uint64_t missing = 0;
    for (const Finding& one : optional) {
        missing += one.state == State::Missing ? 1 : 0;
    }
    const std::string summary =
        fmt::format("{}; {} of {} optional programs are missing",
                    broken == 0 ? "ready" : fmt::format("{} essential broken", broken), missing,
                    optional.size());
    if (json) {
        Node node = Node::object();
        Node all = Node::array();
        for (const Finding& one : essential) {
            all.items.push_back(node_of(one));
        }
        for (const Finding& one : optional) {
            all.items.push_back(node_of(one));
        }
        node.set("findings", std::move(all));
        node.set("broken", Node::number(broken));
        node.set("missing", Node::number(missing));
        node.set("summary", Node::string(summary));
        print_out(to_json(node, 0) + "\n");
    } else {
        print_out(version_text() + "essential\n" + lines(essential) + "optional\n" +
                  lines(optional) + apt_line(optional) + summary + "\n");
    }
    return broken == 0 ? kPass : kFailed;
}

}  // namespace ioasim::tools
