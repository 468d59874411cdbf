// A recorded line beside what happened here.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace ioasim::tools {

// Where the two differ first ("events[1].id: recorded 4, here 5"), or an empty string. Throws
// RecordingError when the line lacks a result that its operation has.
std::string difference(const nlohmann::json& op, const nlohmann::json& got);

}  // namespace ioasim::tools
