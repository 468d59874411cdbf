// The patterns with an integrated accelerator, for the table in experiment_patterns.cpp.
#pragma once

#include "models/platform/experiment_patterns.hpp"

namespace ioasim::platform {

void run_window(Harness& harness);
void run_burst(Harness& harness);
void run_single(Harness& harness);
void run_batch(Harness& harness);
void run_batch_pipeline(Harness& harness);
void run_split(Harness& harness);
void run_page_list(Harness& harness);
void run_shared(Harness& harness);
void run_trace(Harness& harness);

}  // namespace ioasim::platform
