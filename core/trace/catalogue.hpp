// Every event that exists, by name.
#pragma once

#include <vector>

#include "core/trace/event.hpp"

namespace ioasim::trace {

const std::vector<const EventInfo*>& catalogue();
const EventInfo* find_event(std::string_view name);

}  // namespace ioasim::trace
