// Arguments and results of the IOASID core in the words of a recording, both ways.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/ioasid/ioasid.hpp"

namespace ioasim::tools {

constexpr std::uint64_t kLargestToken = std::uint64_t{1} << 48U;

Ioasid id_of(const nlohmann::json& op, const char* key);
SetToken token_of(const nlohmann::json& op, const char* key);
// Private data is a small number in the recording and an opaque pointer in the core.
void* data_of(const nlohmann::json& op);
SetType type_of(const nlohmann::json& op);
// What the handler of a block returns.
NotifyResult notify_result(const nlohmann::json& info);

nlohmann::json from_data(void* data);
nlohmann::json from_spid(Spid spid);
nlohmann::json from_token(SetToken token);
int negative(Errno error);
// C functions return int: numbers above 2^31 show as negative there.
nlohmann::json from_count(const Result<std::uint32_t>& result);
// Consecutive numbers as [[first,last],..] in the order given.
nlohmann::json runs_of(const std::vector<Ioasid>& ids);

}  // namespace ioasim::tools
