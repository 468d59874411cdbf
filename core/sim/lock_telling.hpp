// Tells what happens to locks, and hazards of tasks, as events.
#pragma once

#include "core/base/locks.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::sim {

void tell_locks(LockMonitor& monitor, trace::Recorder& recorder);

}  // namespace ioasim::sim
