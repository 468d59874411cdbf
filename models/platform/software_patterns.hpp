// The patterns of kernels and hypervisors, for the table in experiment_patterns.cpp: invalidations
// by a driver, page faults of devices and processors, VM exits, primitives. What hardware does, the
// models do; what only software does has costs in bench_params.cpp and the tables of the kernel,
// the scheduler and the VMM.
#pragma once

#include "models/platform/experiment_patterns.hpp"

namespace ioasim::platform {

PlatformConfig software_platform(const Experiment& experiment);

// A driver removes mappings and has the caches forget them: the time of the synchronous call.
void run_invalidate(Harness& harness);
// A device meets pages that are not there: from its request to its access.
void run_io_page_fault(Harness& harness);
// A processor does.
void run_cpu_page_fault(Harness& harness);
// From a guest's instruction that leaves it to the next one.
void run_vmexit(Harness& harness);
// System call, fault of a file's page, context switch, pipe.
void run_primitive(Harness& harness);

}  // namespace ioasim::platform
