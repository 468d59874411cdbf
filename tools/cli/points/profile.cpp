#include "tools/cli/points/profile.hpp"

#include <fmt/format.h>

namespace ioasim::tools {

std::string profile_table(const TimingProfile& profile) {
    std::string out = fmt::format("{}: {}\n", profile.name, profile.machine);
    for (const TimingValue& value : profile.values) {
        out += fmt::format(
            "  {:<36} {:>10}  {} ({}){}\n{:>50}  {}\n",
            fmt::format("{}.{}", value.component, value.path), value.value, value.unit, value.range,
            value.rows.empty() ? std::string{} : fmt::format(", fixed by {}", value.rows), "",
            value.source);
    }
    return out;
}

}  // namespace ioasim::tools
