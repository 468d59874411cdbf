// Recordings of VT-d units (format "vtd-bench/1", JSON Lines: a header, then one operation a line)
// as bare programs: what software does becomes steps, what was recorded becomes what they expect.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/language/diagnostics.hpp"
#include "scenarios/language/json_tree.hpp"

namespace ioasim::tools {

struct VtdVectors {
    scenario::Node scenario;
    std::string name;
    std::uint64_t operations = 0;
    std::uint64_t checks = 0;
    std::uint32_t file = 0;  // its text in the sources
};

// False when the file is damaged: every message has its place.
bool read_vtd_vectors(const std::string& path, scenario::SourceSet& sources,
                      scenario::Diagnostics& diagnostics, VtdVectors& out);

}  // namespace ioasim::tools
