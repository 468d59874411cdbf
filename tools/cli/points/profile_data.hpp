// The data files of timing profiles, as texts in the program; their definition is generated from
// models/platform/profiles by the build.
#pragma once

#include <array>

namespace ioasim::tools {

struct ProfileData {
    const char* name;
    const char* text;
};
extern const std::array<ProfileData, 3> kProfileData;

}  // namespace ioasim::tools
