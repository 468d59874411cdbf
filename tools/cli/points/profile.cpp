#include "tools/cli/points/profile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "models/platform/bench_params.hpp"
#include "scenarios/language/json_tree.hpp"
#include "scenarios/language/scenario.hpp"
#include "scenarios/language/units.hpp"
#include "tools/cli/points/profile_data.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

std::string text(const Node& node, const char* key) {
    const Node* const found = node.get(key);
    return found == nullptr ? "" : found->text;
}

TimingProfile parsed(const char* name, const char* data) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    const std::uint32_t file = sources.add(name, data);
    Node root;
    const bool good = scenario::parse_json(file, sources, diagnostics, root);
    SIM_CHECK(good && !diagnostics.has_errors(), "the profile {} is no JSON", name);
    TimingProfile profile;
    profile.name = text(root, "profile");
    profile.machine = text(root, "machine");
    const Node* const list = root.get("parameters");
    SIM_CHECK(list != nullptr, "the profile {} has no parameters", name);
    for (const Node& node : list->items) {
        const std::string path = text(node, "name");
        const std::size_t dot = path.find('.');
        ProfileValue value;
        value.component = path.substr(0, dot);
        value.path = dot == std::string::npos ? "" : path.substr(dot + 1);
        value.value = text(node, "value");
        value.unit = text(node, "unit");
        value.range = text(node, "range");
        value.source = text(node, "source");
        if (const Node* const rows = node.get("rows")) {
            for (const Node& row : rows->items) {
                value.rows.push_back(row.text);
            }
        }
        profile.values.push_back(std::move(value));
    }
    return profile;
}

}  // namespace

const ParamInfo* find_point_param(const std::string& component, const std::string& path) {
    std::vector<const ParamTableBase*> tables = program_vocabulary().tables;
    tables.push_back(&platform::bench_param_table());
    for (const ParamTableBase* table : tables) {
        if (table->owner() == component) {
            if (const ParamInfo* const info = table->find(path)) {
                return info;
            }
        }
    }
    return nullptr;
}

const std::vector<TimingProfile>& timing_profiles() {
    static const std::vector<TimingProfile> all = [] {
        std::vector<TimingProfile> profiles;
        for (const ProfileData& one : kProfileData) {
            profiles.push_back(parsed(one.name, one.text));
        }
        return profiles;
    }();
    return all;
}

const TimingProfile* find_profile(const std::string& name) {
    const auto& all = timing_profiles();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const TimingProfile& p) { return p.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::string unit_name(Unit unit) {
    switch (unit) {
        case Unit::Count:
            return "count";
        case Unit::Bytes:
            return "bytes";
        case Unit::Time:
            return "time";
        case Unit::Bandwidth:
            return "bandwidth";
        case Unit::Flag:
            return "flag";
        case Unit::Choice:
            return "choice";
        case Unit::Bits:
            return "bits";
    }
    return "?";
}

bool parse_param(const ParamInfo& info, const std::string& value, std::uint64_t& out) {
    scenario::UnitResult result;
    bool out_of_range = false;
    switch (info.unit) {
        case Unit::Time:
            result = scenario::parse_time_text(value);
            break;
        case Unit::Bandwidth:
            result = scenario::parse_bandwidth_text(value);
            break;
        case Unit::Flag:
            out = value == "true" ? 1 : 0;
            return value == "true" || value == "false";
        case Unit::Choice: {
            const auto found = std::find(info.choices.begin(), info.choices.end(), value);
            out = static_cast<std::uint64_t>(found - info.choices.begin());
            return found != info.choices.end();
        }
        default:
            result = scenario::parse_integer_text(value, out_of_range);
            if (!result.ok()) {
                result = scenario::parse_quantity_text(value);
            }
    }
    out = result.value;
    return result.ok();
}

std::vector<platform::ParamOverride> overrides_of(const TimingProfile& profile,
                                                  std::vector<std::string>& problems) {
    std::vector<platform::ParamOverride> overrides;
    for (const ProfileValue& value : profile.values) {
        const std::string name = value.component + "." + value.path;
        const ParamInfo* const info = find_point_param(value.component, value.path);
        std::uint64_t number = 0;
        if (info == nullptr) {
            problems.push_back(name + ": there is no such parameter");
        } else if (!parse_param(*info, value.value, number)) {
            problems.push_back(
                fmt::format("{}: {} is no {}", name, value.value, unit_name(info->unit)));
        } else if (!info->allows(number)) {
            problems.push_back(fmt::format("{}: {} is outside {}", name, value.value,
                                           scenario::param_range(*info)));
        } else if (value.unit != unit_name(info->unit) ||
                   value.range != scenario::param_range(*info)) {
            problems.push_back(fmt::format("{}: unit or range differ from {}, {}", name,
                                           unit_name(info->unit), scenario::param_range(*info)));
        } else {
            overrides.push_back({value.component, value.path, number});
        }
    }
    return overrides;
}

std::string profile_table(const TimingProfile& profile) {
    std::string out = fmt::format("{}: {}\n", profile.name, profile.machine);
    for (const ProfileValue& value : profile.values) {
        out += fmt::format("  {:<36} {:>10}  {} ({}){}\n{:>50}  {}\n",
                           value.component + "." + value.path, value.value, value.unit, value.range,
                           value.rows.empty()
                               ? std::string{}
                               : fmt::format(", fixed by {}", fmt::join(value.rows, " ")),
                           "", value.source);
    }
    return out;
}

}  // namespace ioasim::tools
