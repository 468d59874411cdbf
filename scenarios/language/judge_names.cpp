// Why a step named nothing: a variable or a set of the scenario that the run never made. The core
// answers such a call with an error number that has other causes too.
#include <fmt/format.h>

#include "scenarios/language/judge.hpp"

namespace ioasim::scenario {
namespace {

using platform::CallArg;
using platform::CallSpec;
using platform::CallSubject;
using platform::Step;
using platform::StepKind;

// Kernel threads, blocks and work share their variables; every other program has its own.
bool kernel_code(const std::string& list) {
    return list.rfind("host/kernel/", 0) == 0 ||
           (list.rfind("host/", 0) != 0 && list.find("/vcpu") == std::string::npos &&
            list.find("/vmm/") == std::string::npos);
}

const CallSpec* call_of(const Step& step) {
    return step.kind == StepKind::Call ? &platform::call_spec(step.call.kind) : nullptr;
}

// The variable that the step sets when it succeeds.
std::string sets_variable(const Step& step) {
    const CallSpec* spec = call_of(step);
    if (spec != nullptr) {
        return spec->subject == CallSubject::NewId ? step.call.subject : "";
    }
    return step.kind == StepKind::Alloc || step.kind == StepKind::Bind ? step.id : "";
}

std::string makes_set(const Step& step) {
    const CallSpec* spec = call_of(step);
    return spec != nullptr && spec->subject == CallSubject::NewSet ? step.call.subject : "";
}

std::vector<std::string> used_variables(const Step& step) {
    const CallSpec* spec = call_of(step);
    if (spec != nullptr) {
        std::vector<std::string> used{step.call.name_of(CallArg::Id)};
        if (spec->subject == CallSubject::Id) {
            used.push_back(step.call.subject);
        }
        return used;
    }
    return step.kind == StepKind::Alloc || step.kind == StepKind::Bind
               ? std::vector<std::string>{}
               : std::vector<std::string>{step.id};
}

std::vector<std::string> used_sets(const Step& step) {
    const CallSpec* spec = call_of(step);
    std::vector<std::string> used{step.set};
    if (spec != nullptr) {
        used.push_back(step.call.name_of(CallArg::Set));
        if (spec->subject == CallSubject::Set) {
            used.push_back(step.call.subject);
        }
    }
    return used;
}

}  // namespace

// Whether a step that makes `name` (as `made` tells) succeeded before event `seq`. `others`: such a
// step exists, in this profile.
bool Judge::was_made(const std::string& name, std::string (*made)(const Step&),
                     const std::string& user, std::uint64_t seq, bool& others) const {
    others = false;
    for (const auto& [list, steps] : step_lists_) {
        if (list != user && !(kernel_code(list) && kernel_code(user))) {
            continue;
        }
        for (std::size_t i = 0; i < steps->size(); ++i) {
            if (made((*steps)[i]) != name) {
                continue;
            }
            others = true;
            const auto ended = steps_.find({list, i});
            if (ended != steps_.end() && ended->second.result == Errno::Ok &&
                ended->second.seq < seq) {
                return true;
            }
        }
    }
    return false;
}

std::string Judge::never_made(const std::string& program, std::uint64_t index,
                              const StepSeen& seen) const {
    const Step* step = step_of(program, index);
    if (step == nullptr || seen.result == Errno::Ok) {
        return {};
    }
    bool there = false;
    for (const std::string& name : used_variables(*step)) {
        const bool number = name.find_first_not_of("0123456789") == std::string::npos;
        if (!number && name != "event" &&
            !was_made(name, &sets_variable, program, seen.seq, there)) {
            return fmt::format("{} was never allocated: {}", name,
                               there ? "the step that does it did not succeed before"
                                     : "no step of this run does it");
        }
    }
    for (const std::string& name : used_sets(*step)) {
        const bool named = !name.empty() && made_by_steps(name);
        if (named && !was_made(name, &makes_set, "host/kernel/", seen.seq, there)) {
            return fmt::format("set {} was never made: {}", name,
                               there ? "the step that does it did not succeed before"
                                     : "no step of this profile does it");
        }
    }
    return {};
}

// Sets of VMs and processes have their names without a step.
bool Judge::made_by_steps(const std::string& set) const {
    for (const auto& [list, steps] : step_lists_) {
        for (const Step& step : *steps) {
            const bool makes = platform::call_spec(step.call.kind).subject == CallSubject::NewSet;
            const bool call = step.kind == StepKind::Call || step.kind == StepKind::Absent;
            if (call && makes && step.call.subject == set) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace ioasim::scenario
