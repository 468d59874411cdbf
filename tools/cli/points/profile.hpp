// What `ioasim explain profile NAME` prints.
#pragma once

#include <string>

#include "core/base/timing_profile.hpp"

namespace ioasim::tools {

std::string profile_table(const TimingProfile& profile);

}  // namespace ioasim::tools
