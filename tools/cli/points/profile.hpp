// Timing profiles: values of the models' parameters that fit one kind of machine, from data files
// that are part of the program (models/platform/profiles). Each value names unit, range and source,
// and the rows of published measurements that fix it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/params.hpp"
#include "models/platform/config.hpp"

namespace ioasim::tools {

struct ProfileValue {
    std::string component;  // kind: "cpu", "device"
    std::string path;
    std::string value;  // as written
    std::string unit;
    std::string range;
    std::string source;
    std::vector<std::string> rows;
};

struct TimingProfile {
    std::string name;
    std::string machine;
    std::vector<ProfileValue> values;
};

// The default is the first.
const std::vector<TimingProfile>& timing_profiles();
const TimingProfile* find_profile(const std::string& name);
// A parameter of a kind of component, or of what experiments' software costs ("software"); nullptr:
// there is none.
const ParamInfo* find_point_param(const std::string& component, const std::string& path);
// What parameters of the models become. `problems` gets a line for whatever the tables refuse.
std::vector<platform::ParamOverride> overrides_of(const TimingProfile& profile,
                                                  std::vector<std::string>& problems);
// A value as it stands in a profile or on the command line, in the unit of the parameter; false:
// it is none.
bool parse_param(const ParamInfo& info, const std::string& text, std::uint64_t& out);
std::string unit_name(Unit unit);
// For `ioasim explain profile NAME`.
std::string profile_table(const TimingProfile& profile);

}  // namespace ioasim::tools
