// Faults that the scenario brought in from outside: the causes that no thread of the system knows.
#pragma once

#include <string>
#include <vector>

#include "traces/questions/scene.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {

// Each fault that took effect, and each that struck nobody, in order.
struct Injected {
    std::size_t event = 0;  // its run.inject or run.inject_missed
    std::string fault;      // "dsa.hang"
    std::string target;     // whom; empty: nobody in particular
    std::string missed;     // it struck nobody: the step that was to bring it in, and how it ended
};
std::vector<Injected> injected_in(const EventLog& log);

// Tells in a story what befell those who take part in it while it went on.
void tell_injected(const Scene& scene, Story& story);

}  // namespace ioasim::traces
