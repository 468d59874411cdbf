#include "core/base/timing_profile.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/check.hpp"
#include "core/base/units.hpp"

namespace ioasim {
namespace {

struct UnitWord {
    Unit unit;
    const char* name;
};
constexpr std::array<UnitWord, 7> kUnits{{{Unit::Count, "count"},
                                          {Unit::Bytes, "bytes"},
                                          {Unit::Time, "time"},
                                          {Unit::Bandwidth, "bandwidth"},
                                          {Unit::Flag, "flag"},
                                          {Unit::Choice, "choice"},
                                          {Unit::Bits, "bits"}}};

Unit unit_of(std::string_view name) {
    for (const UnitWord& one : kUnits) {
        if (name == one.name) {
            return one.unit;
        }
    }
    SIM_CHECK(false, "a timing profile has the unit {}", name);
    return Unit::Count;
}

std::uint64_t number(const ParamInfo& info, std::string_view text) {
    std::uint64_t value = 0;
    SIM_CHECK(parse_param(info, text, value), "{}: {} is no {}", info.path, text,
              unit_name(info.unit));
    return value;
}

}  // namespace

const TimingProfile* find_timing_profile(std::string_view name) {
    const auto& all = timing_profiles();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const TimingProfile& p) { return p.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> timing_profile_names() {
    std::vector<std::string> names;
    for (const TimingProfile& profile : timing_profiles()) {
        names.emplace_back(profile.name);
    }
    return names;
}

ParamInfo timing_param(std::string_view owner, std::string_view path) {
    for (const TimingValue& value : timing_profiles().front().values) {
        if (value.component != owner || value.path != path) {
            continue;
        }
        ParamInfo info;
        info.path = path;
        info.unit = unit_of(value.unit);
        const std::string_view range = value.range.substr(0, value.range.find(','));
        const std::size_t dots = range.find("..");
        SIM_CHECK(dots != std::string_view::npos, "{}.{} has the range {}", owner, path, range);
        info.low = number(info, range.substr(0, dots));
        info.high = number(info, range.substr(dots + 2));
        info.initial = number(info, value.value);
        info.source = value.source;
        return info;
    }
    SIM_CHECK(false, "the timing profile {} has no value for {}.{}", timing_profiles().front().name,
              owner, path);
    return {};
}

std::string unit_name(Unit unit) {
    return kUnits[static_cast<std::size_t>(unit)].name;
}

bool parse_param(const ParamInfo& info, std::string_view text, std::uint64_t& out) {
    UnitResult result;
    bool out_of_range = false;
    switch (info.unit) {
        case Unit::Time:
            result = parse_time_text(text);
            break;
        case Unit::Bandwidth:
            result = parse_bandwidth_text(text);
            break;
        case Unit::Flag:
            out = text == "true" ? 1 : 0;
            return text == "true" || text == "false";
        case Unit::Choice: {
            const auto found = std::find(info.choices.begin(), info.choices.end(), text);
            out = static_cast<std::uint64_t>(found - info.choices.begin());
            return found != info.choices.end();
        }
        default:
            result = parse_integer_text(text, out_of_range);
            if (!result.ok()) {
                result = parse_quantity_text(text);
            }
    }
    out = result.value;
    return result.ok();
}

std::string param_text(const ParamInfo& info, std::uint64_t value) {
    switch (info.unit) {
        case Unit::Count:
            return std::to_string(value);
        case Unit::Bytes:
            return size_text(value);
        case Unit::Time:
            return time_text(value);
        case Unit::Bandwidth:
            return bandwidth_text(value);
        case Unit::Flag:
            return value != 0 ? "true" : "false";
        case Unit::Choice:
            return value < info.choices.size() ? info.choices[value] : "?";
        case Unit::Bits:
            return fmt::format("{:#x}", value);
    }
    return {};
}

std::string param_range(const ParamInfo& info) {
    switch (info.unit) {
        case Unit::Flag:
            return "true or false";
        case Unit::Choice:
            return fmt::format("\"{}\"", fmt::join(info.choices, "\" or \""));
        default:
            return fmt::format(
                "{}..{}{}{}", param_text(info, info.low), param_text(info, info.high),
                info.power_of_two ? ", a power of two" : "",
                info.multiple > 1 ? ", a multiple of " + param_text(info, info.multiple) : "");
    }
}

}  // namespace ioasim
