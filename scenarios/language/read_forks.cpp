// Parents and children among the programs.
#include <algorithm>

#include <fmt/format.h>

#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {

using platform::ProgramConfig;
using platform::StepKind;

namespace {

std::string full_name(const ProgramConfig& program) {
    return program.on + "/" + program.process;
}

std::string step_pointer(std::size_t program, std::size_t step, const std::string& key) {
    return pointer_join(pointer_join("/programs", program) + "/steps", step) + "/" + key;
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

void check_forks(Reading& reading, std::vector<ProgramConfig>& programs) {
    const auto complain = [&reading](const std::string& at, const std::string& text,
                                     const std::string& help) {
        reading.report(Code::UnknownComponent, pointer_lookup(reading.root, at).place, at, text,
                       help);
    };
    std::set<std::string> begun;
    std::set<std::string> with_threads;
    for (std::size_t i = 0; i < programs.size(); ++i) {
        for (std::size_t s = 0; s < programs[i].steps.size(); ++s) {
            const platform::Step& step = programs[i].steps[s];
            const bool thread = step.kind == StepKind::Thread;
            const bool named = !step.target.empty() && step.target.back() != '/';
            if ((step.kind != StepKind::Fork && !thread) || !named) {
                continue;
            }
            const auto child =
                std::find_if(programs.begin(), programs.end(), [&](const ProgramConfig& other) {
                    return full_name(other) == step.target &&
                           other.parent == full_name(programs[i]);
                });
            if (child == programs.end() || !begun.insert(step.target).second) {
                complain(step_pointer(i, s, thread ? "thread" : "fork"),
                         fmt::format("{} is no {} of this process that is still to come",
                                     quoted(step.target), thread ? "thread" : "child"),
                         "a program with \"parent\" begins once, by that process");
                continue;
            }
            child->thread = thread;
            if (thread) {
                with_threads.insert({step.target, full_name(programs[i])});
            }
        }
    }
    for (std::size_t i = 0; i < programs.size(); ++i) {
        if (!programs[i].parent.empty() && begun.count(full_name(programs[i])) == 0) {
            complain(pointer_join("/programs", i) + "/parent",
                     fmt::format("{} never begins this program", quoted(programs[i].parent)),
                     "its program needs the step {\"fork\": NAME} or {\"thread\": NAME}");
        }
        for (std::size_t s = 0; s < programs[i].steps.size(); ++s) {
            if (programs[i].steps[s].kind == StepKind::Exec &&
                with_threads.count(full_name(programs[i])) != 0) {
                complain(step_pointer(i, s, "exec"), "a process with threads does not exec here",
                         "a process of one thread does");
            }
        }
    }
}

}  // namespace ioasim::scenario
