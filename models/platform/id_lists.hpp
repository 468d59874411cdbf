// Variables of a program that stand for many IDs: `alloc` with a `count` makes one, and a step that
// takes an ID does what it does to each of them, one after the other in the order of allocation.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/platform/kernel_objects.hpp"
#include "models/platform/program.hpp"

namespace ioasim::platform {

class IdLists {
public:
    // `one()` allocates an ID. What was allocated before a failure stays in the list.
    template <class One>
    StepOutcome alloc(const Step& step, Variables& variables, const ProgramActor& actor, One one) {
        std::vector<Ioasid> ids;
        StepOutcome result;
        while (ids.size() < step.count && actor.alive() && result.error == Errno::Ok) {
            const Result<Ioasid> id = one();
            if (id) {
                ids.push_back(*id);
            }
            result = id ? StepOutcome{Errno::Ok, ids.front().value()} : outcome(id);
        }
        lists_.erase(step.id);
        if (!ids.empty()) {
            variables.set(step.id, ids.front());
        }
        if (step.count > 1) {
            lists_[step.id] = std::move(ids);
        }
        return result;
    }

    bool has(const std::string& variable) const { return lists_.count(variable) != 0; }

    // `one(id)` ends as the step for one ID does; the first that fails is the last.
    template <class One>
    StepOutcome each(const std::string& variable, const ProgramActor& actor, One one) const {
        StepOutcome result;
        for (const Ioasid id : lists_.at(variable)) {
            if (result.error != Errno::Ok || !actor.alive()) {
                break;
            }
            result = one(id);
        }
        return result;
    }

private:
    std::map<std::string, std::vector<Ioasid>> lists_;
};

}  // namespace ioasim::platform
