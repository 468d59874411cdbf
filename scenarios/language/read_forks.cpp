// Parents and children among the programs.
#include <algorithm>

#include <fmt/format.h>

#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {

using platform::ProgramConfig;

namespace {

std::string full_name(const ProgramConfig& program) {
    return program.on + "/" + program.process;
}

}  // namespace

bool knows_parent(Reading& reading, const Node& parent, const std::string& pointer, StepPlace place,
                  const ProgramConfig& child, const std::vector<ProgramConfig>& before) {
    if (place != StepPlace::HostProcess) {
        reading.report(Code::UnknownKey, parent.place, pointer,
                       "only processes of a host are forked here");
        return false;
    }
    std::vector<std::string> names;
    for (const ProgramConfig& program : before) {
        if (program.on == child.on) {
            names.push_back(program.process);
        }
    }
    return reading.known(parent, pointer, "process before this one", names, Code::UnknownComponent);
}

void check_forks(Reading& reading, const std::vector<ProgramConfig>& programs) {
    const auto complain = [&reading](const std::string& at, const std::string& text,
                                     const std::string& help) {
        reading.report(Code::UnknownComponent, pointer_lookup(reading.root, at).place, at, text,
                       help);
    };
    std::set<std::string> forked;
    for (std::size_t i = 0; i < programs.size(); ++i) {
        for (std::size_t s = 0; s < programs[i].steps.size(); ++s) {
            const platform::Step& step = programs[i].steps[s];
            if (step.kind != platform::StepKind::Fork) {
                continue;
            }
            const bool is_child =
                std::any_of(programs.begin(), programs.end(), [&](const ProgramConfig& other) {
                    return full_name(other) == step.target &&
                           other.parent == full_name(programs[i]);
                });
            if (!is_child || !forked.insert(step.target).second) {
                complain(pointer_join(pointer_join("/programs", i) + "/steps", s) + "/fork",
                         fmt::format("{} is no child of this process that is still to come",
                                     quoted(step.target)),
                         "a program with \"parent\" is forked once, by that process");
            }
        }
    }
    for (std::size_t i = 0; i < programs.size(); ++i) {
        if (!programs[i].parent.empty() && forked.count(full_name(programs[i])) == 0) {
            complain(pointer_join("/programs", i) + "/parent",
                     fmt::format("{} never forks this process", quoted(programs[i].parent)),
                     "its program needs the step {\"fork\": NAME}");
        }
    }
}

}  // namespace ioasim::scenario
