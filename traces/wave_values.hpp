// The value of each signal of a waveform at a time, by our readers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::traces {

struct WaveValues {
    std::string problem;
    TimePs end;  // of the waveform: behind it nothing is known
    // Full name ("ioasim.dsa0.wq0.occupancy") and value in decimal, "x" when it is unknown; sorted.
    std::vector<std::pair<std::string, std::string>> values;
};

WaveValues wave_values(const std::string& path, TimePs at);

}  // namespace ioasim::traces
