// ioasim topology: what a scenario builds, as a picture.
#include "tools/cli/topology/topology_cli.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/topology/topology.hpp"
#include "tools/cli/trace/trace_input.hpp"

namespace ioasim::tools {
namespace {

struct Options {
    InputOptions input;
    std::string output = "text";
};

int cannot(const std::string& text, const std::string& help) {
    print_err(scenario::render_plain(scenario::Code::CannotWrite, text, help));
    return kUsage;
}

// Graphviz draws; what it writes is this program's standard output.
int draw(const std::string& graph) {
    if (std::system("command -v dot > /dev/null 2>&1") != 0) {
        return cannot("the picture needs Graphviz, which is not installed",
                      "apt-get install graphviz, or take -o dot");
    }
    std::FILE* const dot = ::popen("dot -Tsvg", "w");
    if (dot == nullptr) {
        return cannot(fmt::format("cannot start dot: {}", std::strerror(errno)), "");
    }
    const bool written = std::fwrite(graph.data(), 1, graph.size(), dot) == graph.size();
    return ::pclose(dot) == 0 && written
               ? kPass
               : cannot("dot could not draw the picture", "-o dot shows what it was given");
}

int topology(const Options& o) {
    const std::optional<scenario::Scenario> scenario = one_scenario(o.input);
    if (!scenario) {
        return kUsage;
    }
    const Topology built = topology_of(scenario->config, scenario->full_name());
    if (o.output == "svg") {
        return draw(topology_dot(built));
    }
    print_out(o.output == "dot" ? topology_dot(built) : topology_text(built));
    return kPass;
}

}  // namespace

void add_topology(CLI::App& app, std::function<int()>& verb) {
    const auto options = std::make_shared<Options>();
    Options& o = *options;
    CLI::App& command = *app.add_subcommand("topology", "what a scenario builds, as a picture");
    command.add_option("FILE", o.input.file, "a scenario file")->required();
    command.add_option("-o,--output", o.output, "text (a tree), dot (for Graphviz) or svg")
        ->check(CLI::IsMember({"text", "dot", "svg"}));
    set_option(command, o.input.sets);
    command.footer(R"(Examples:
  ioasim topology scenarios/quickstart/two_vms.json
  ioasim topology x.json -o svg > x.svg     needs Graphviz
  ioasim topology x.json --set n=2 -o dot

Hosts, remapping units, links, devices with groups, queues and engines, virtual machines and
programs; and which program binds to, submits to, opens, unplugs or kills what.)");
    command.callback([options, &verb] { verb = [options] { return topology(*options); }; });
}

}  // namespace ioasim::tools
