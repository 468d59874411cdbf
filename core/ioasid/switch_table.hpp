// Every switch by name, with what it reproduces: for scenarios that set a single one, for texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/ioasid/switches.hpp"

namespace ioasim {

struct SwitchInfo {
    const char* name;
    // Values in order; a flag has {"off", "on"}.
    std::vector<const char*> values;
    // Which known divergence it reproduces: numbers of the regressions (scenarios/regressions
    // and scenarios/lifecycle, file names begin with them), or a topic where the series' document
    // and its code differ.
    const char* reproduces;
    const char* doc;
    std::size_t (*get)(const Switches&);
    void (*set)(Switches&, std::size_t);
};

const std::vector<SwitchInfo>& switch_table();
const SwitchInfo* find_switch(std::string_view name);
// False when there is no such switch or value.
bool set_switch(Switches& switches, std::string_view name, std::string_view value);

}  // namespace ioasim
