// The stories that can be asked for. Each answers with a story, or with the reason why there is
// none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "traces/questions/query.hpp"
#include "traces/questions/scene.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {

struct Wanted {
    std::uint32_t number = 0;  // of an ID, a descriptor or a fault
    std::string name;          // of a VM
    std::string kernel;        // of an ID: whose number it is; empty: a host's if it can be
    std::string device;        // of a descriptor; empty: the only one
    std::optional<std::uint64_t> life;  // of an ID, from 1; none: the last one
    TimePs time;                        // of a look at everything
};

QuestionError ioasid_story(const Scene& scene, const Wanted& wanted, Story& out);
QuestionError descriptor_story(const Scene& scene, const Wanted& wanted, Story& out);
QuestionError vm_story(const Scene& scene, const Wanted& wanted, Story& out);
QuestionError fault_story(const Scene& scene, const Wanted& wanted, Story& out);

// What there is to ask about: findings and failures first.
std::string overview_text(const Scene& scene);
// Who held what, who ran and who waited at that time.
std::string situation_text(const Scene& scene, TimePs time);

}  // namespace ioasim::traces
