#include "tools/cli/conform/ioasid_values.hpp"

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/conform/recording.hpp"

namespace ioasim::tools {

using nlohmann::json;

Ioasid id_of(const json& op, const char* key) {
    return Ioasid{u32_of(op, key)};
}
SetToken token_of(const json& op, const char* key) {
    return value_of(op, key).is_null() ? 0 : u64_of(op, key, kLargestToken);
}

void* data_of(const json& op) {
    return value_of(op, "data").is_null()
               ? nullptr
               : reinterpret_cast<void*>(std::uintptr_t{u64_of(op, "data", kLargestToken)});
}
json from_data(void* data) {
    return data == nullptr ? json() : json(reinterpret_cast<std::uintptr_t>(data));
}
json from_spid(Spid spid) {
    return spid == kNoSpid ? json() : json(spid.value());
}
json from_token(SetToken token) {
    return token == 0 ? json() : json(token);
}

int negative(Errno error) {
    return -static_cast<int>(error);
}

json from_count(const Result<std::uint32_t>& result) {
    return result.ok() ? json(static_cast<std::int32_t>(*result)) : json(negative(result.error()));
}

SetType type_of(const json& op) {
    if (!value_of(op, "type").is_string()) {
        return static_cast<SetType>(u32_of(op, "type"));
    }
    const std::string name = text_of(op, "type");
    if (name != "mm" && name != "null") {
        refuse_choice("type of a set", name, {"mm", "null"});
    }
    return name == "mm" ? SetType::Mm : SetType::None;
}

NotifyResult notify_result(const json& info) {
    const std::map<std::string, NotifyResult> values{{"OK", NotifyResult::Ok},
                                                     {"DONE", NotifyResult::Done},
                                                     {"STOP", NotifyResult::Stop},
                                                     {"BAD", NotifyResult::Bad}};
    const std::string name = text_of(info, "ret");
    const auto found = values.find(name);
    if (found == values.end()) {
        refuse_choice("return value of a block", name, {"OK", "DONE", "STOP", "BAD"});
    }
    if (info.contains("stop") && bool_of(info, "stop") != stops_chain(found->second)) {
        throw RecordingError(Code::NotAChoice,
                             fmt::format("\"stop\" does not fit a block that returns {}", name));
    }
    return found->second;
}

json runs_of(const std::vector<Ioasid>& ids) {
    json runs = json::array();
    for (const Ioasid id : ids) {
        if (!runs.empty() && runs.back()[1].get<std::uint64_t>() + 1 == id.value()) {
            runs.back()[1] = id.value();
        } else {
            runs.push_back({id.value(), id.value()});
        }
    }
    return runs;
}

}  // namespace ioasim::tools
