// How things ended in a trace, in words that do not depend on when: what became of each ID,
// machine, process and step. The last word on each.
#pragma once

#include <map>
#include <string>

#include "traces/questions/event_log.hpp"

namespace ioasim::traces {

// "host.ioasid(202)" -> "FREE_PENDING, held by iommu"; "vm2/vmm/vmm[3] find" -> "-EBUSY".
std::map<std::string, std::string> endings_of(const EventLog& log);
// Findings of checkers by code.
std::map<std::string, std::uint64_t> findings_of(const EventLog& log);

}  // namespace ioasim::traces
