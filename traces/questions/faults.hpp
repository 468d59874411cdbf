// Which faults a trace has: blocked requests and groups of page requests, in the order of their
// events. Their numbers count from 1.
#pragma once

#include <vector>

#include "traces/questions/event_log.hpp"

namespace ioasim::traces {

std::vector<std::size_t> faults_of(const EventLog& log);

}  // namespace ioasim::traces
