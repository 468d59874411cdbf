// Damage for an input, drawn from a named stream: bytes, lines, numbers and tokens of text, and the
// lengths that break readers. Used where no coverage-guided fuzzer is installed.
#pragma once

#include <string>

#include "core/base/random.hpp"

namespace ioasim::fuzz {

// Half of the results are still well-formed JSON with another value or key in places; the others
// have 1 to 6 pieces of damage and are at most twice as long, plus a kilobyte.
std::string damaged(const std::string& input, RandomStream& random);

}  // namespace ioasim::fuzz
