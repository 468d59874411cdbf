#include "tools/cli/conform/comparison.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/conform/recording.hpp"

namespace ioasim::tools {

using nlohmann::json;

namespace {

// Keys that are no results, or that nobody compares.
constexpr std::array<std::string_view, 19> kNoResults{
    "i", "op", "warn", "token",  "quota", "type", "set", "min",  "max",  "data",
    "n", "id", "mm",   "getter", "spid",  "get",  "nb",  "name", "total"};

bool is_result(const std::string& key) {
    return std::find(kNoResults.begin(), kNoResults.end(), key) == kNoResults.end();
}

std::string told(const std::string& path, const json* recorded, const json* here) {
    const auto text = [](const json* value) {
        const std::string whole = value == nullptr ? "none" : value->dump();
        return whole.size() <= 120 ? whole : whole.substr(0, 120) + "...";
    };
    return fmt::format("{}: recorded {}, here {}", path, text(recorded), text(here));
}

std::string first_difference(const std::string& path, const json& recorded, const json& here) {
    if (recorded == here) {
        return {};
    }
    if (recorded.is_object() && here.is_object()) {
        for (const auto& [key, value] : recorded.items()) {
            const auto found = here.find(key);
            if (found == here.end()) {
                return told(path + "." + key, &value, nullptr);
            }
            if (std::string wrong = first_difference(path + "." + key, value, *found);
                !wrong.empty()) {
                return wrong;
            }
        }
        for (const auto& [key, value] : here.items()) {
            if (!recorded.contains(key)) {
                return told(path + "." + key, nullptr, &value);
            }
        }
    }
    if (recorded.is_array() && here.is_array()) {
        const std::size_t common = std::min(recorded.size(), here.size());
        for (std::size_t i = 0; i < common; ++i) {
            if (std::string wrong =
                    first_difference(fmt::format("{}[{}]", path, i), recorded[i], here[i]);
                !wrong.empty()) {
                return wrong;
            }
        }
        const std::string at = fmt::format("{}[{}]", path, common);
        return recorded.size() > common ? told(at, &recorded[common], nullptr)
                                        : told(at, nullptr, &here[common]);
    }
    return told(path, &recorded, &here);
}

// Neighbouring IDs that are all alike and have no SPID as one entry id..to, the longest possible.
// Recordings of many IDs are written so, others with an entry for each ID.
json in_runs(const json& ids) {
    json runs = json::array();
    if (!ids.is_array()) {
        return ids;
    }
    json last_rest;
    for (const json& entry : ids) {
        const std::uint32_t first = u32_of(entry, "id");
        const std::uint32_t last = entry.contains("to") ? u32_of(entry, "to") : first;
        json rest = entry;
        rest.erase("id");
        rest.erase("to");
        const bool alike = !runs.empty() && rest == last_rest && rest.contains("spid") &&
                           rest.at("spid").is_null() &&
                           runs.back().at("to").get<std::uint64_t>() + 1 == first;
        if (alike) {
            runs.back()["to"] = last;
            continue;
        }
        runs.push_back(rest);
        runs.back()["id"] = first;
        runs.back()["to"] = last;
        last_rest = std::move(rest);
    }
    return runs;
}

json with_runs(json line) {
    const auto sets = line.find("sets");
    if (sets != line.end() && sets->is_array()) {
        for (json& set : *sets) {
            if (set.is_object() && set.contains("ids")) {
                set["ids"] = in_runs(set.at("ids"));
            }
        }
    }
    return line;
}

// What a line must tell because it was told here; without it nothing would be compared.
bool may_lack(const std::string& op, const json& recorded, const std::string& key,
              const json& value) {
    if (key == "gone" || key == "prov" || key == "allocators") {
        return true;  // told when there are any: see below
    }
    if (key == "after") {
        return op == "find" || op == "find_set";
    }
    if (key == "ids" || key == "runs") {
        return op == "set_for_each" && recorded.contains(key == "ids" ? "runs" : "ids");
    }
    return key == "getter_data" && value.is_null();
}

}  // namespace

std::string difference(const json& op, const json& got) {
    const std::string name = text_of(op, "op");
    const bool snapshot = name == "snapshot";
    value_of(op, "events");
    if (!snapshot) {
        value_of(op, "ret");
    }
    const json recorded = snapshot ? with_runs(op) : op;
    const json here = snapshot ? with_runs(got) : got;
    for (const auto& [key, value] : recorded.items()) {
        const auto found = here.find(key);
        if (found != here.end()) {
            if (std::string wrong = first_difference(key, value, *found); !wrong.empty()) {
                return wrong;
            }
        } else if (is_result(key)) {
            return told(key, &value, nullptr);
        }
    }
    for (const char* key : {"gone", "prov", "allocators"}) {
        if (!recorded.contains(key) && here.contains(key) && !here.at(key).empty()) {
            return told(key, nullptr, &here.at(key));
        }
    }
    for (const auto& [key, value] : here.items()) {
        if (!recorded.contains(key) && !may_lack(name, recorded, key, value)) {
            value_of(op, key.c_str());
        }
    }
    return {};
}

}  // namespace ioasim::tools
