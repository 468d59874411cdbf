// Timing profiles: values of parameters that stand for one measured system, as data. A parameter's
// unit, range and meaning are those of its table; a profile says which value, where it is from, and
// which published rows fix it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/platform/config.hpp"

namespace ioasim::platform {

struct ProfileValue {
    const char* component;  // an instance or a kind, as in ParamOverride
    const char* path;
    std::uint64_t value;  // in the parameter's unit
    const char* rows;     // of the calibration file that fix it; empty: none
    const char* source;
};

struct TimingProfile {
    const char* name;
    const char* system;
    std::vector<ProfileValue> values;
};

// A discrete function on a third-generation link of a Xeon E5 v3 or v4.
const TimingProfile& discrete_nic_profile();

void apply(const TimingProfile& profile, PlatformConfig& config);

}  // namespace ioasim::platform
