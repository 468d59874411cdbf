// Timing profiles: what the latencies, rates and fitted sizes of the models are on one kind of
// machine. They are data files (core/base/profiles) that the program carries; each value has unit,
// range and source, and names the rows of published measurements that fix it. The parameter tables
// take their defaults from the first profile, so that no latency stands in code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/params.hpp"

namespace ioasim {

struct TimingValue {
    std::string_view component;  // kind: "cpu", "device"
    std::string_view path;
    std::string_view unit;  // name of a Unit
    std::string_view range;
    std::string_view value;  // as written
    std::string_view source;
    std::string_view rows;  // of published measurements, "V1 V19"
};

struct TimingProfile {
    std::string_view name;
    std::string_view machine;
    std::vector<TimingValue> values;
};

// The default is the first.
const std::vector<TimingProfile>& timing_profiles();
const TimingProfile* find_timing_profile(std::string_view name);
std::vector<std::string> timing_profile_names();

std::string unit_name(Unit unit);
// A value of a parameter as people write it, in the parameter's unit: "64", "200ns", "4KiB", "on".
// parse: false when the text is none.
bool parse_param(const ParamInfo& info, std::string_view text, std::uint64_t& out);
std::string param_text(const ParamInfo& info, std::uint64_t value);
// Type, range and units of a parameter, as words.
std::string param_range(const ParamInfo& info);

}  // namespace ioasim
