// Which steps exist where: a process, a guest's program, a VMM, kernel code, a bare program.
#pragma once

#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {

const char* place_text(StepPlace place);
bool exists_in(platform::StepKind kind, StepPlace place);
// Steps of the table of bare_step.hpp.
bool exists_in(platform::StepFamily family, StepPlace place);

}  // namespace ioasim::scenario
