// What each finding means, for `ioasim explain CODE` and for the README's table.
#pragma once

#include <string_view>
#include <vector>

namespace ioasim::traces {

struct Explanation {
    std::string_view code;     // "references.leak": checker, dot, rule
    std::string_view meaning;  // what was seen
    std::string_view why;      // why it matters
    std::string_view causes;   // what usually causes it, and what to look at
};

// Sorted by code.
const std::vector<Explanation>& explanations();
// nullptr: no such code.
const Explanation* find_explanation(std::string_view code);

}  // namespace ioasim::traces
