// `ioasim doctor`: what this host has, what is missing for which feature, and how to get it.
#pragma once

namespace ioasim::tools {

// 0 unless something essential is broken.
int doctor_command(bool json);

}  // namespace ioasim::tools
