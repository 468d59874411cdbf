#include "core/base/time.hpp"

#include <array>

namespace ioasim {

void time_out_of_range(const char* what, std::uint64_t a, char operation, std::uint64_t b) {
    fail_check(__FILE__, __LINE__, "time in range",
               fmt::format("{}: {} {} {} ps", what, a, operation, b));
}

std::string format_time(TimePs time) {
    struct Unit {
        std::uint64_t ps;
        const char* name;
        int digits;
    };
    constexpr std::array<Unit, 5> kUnits{{{1'000'000'000'000, "s", 12},
                                          {1'000'000'000, "ms", 9},
                                          {1'000'000, "us", 6},
                                          {1'000, "ns", 3},
                                          {1, "ps", 0}}};
    for (const Unit& unit : kUnits) {
        if (time.ps() < unit.ps && unit.digits != 0) {
            continue;
        }
        const std::uint64_t whole = time.ps() / unit.ps;
        const std::uint64_t rest = time.ps() % unit.ps;
        if (rest == 0) {
            return fmt::format("{} {}", whole, unit.name);
        }
        std::string fraction = fmt::format("{:0{}}", rest, unit.digits);
        fraction.erase(fraction.find_last_not_of('0') + 1);
        return fmt::format("{}.{} {}", whole, fraction, unit.name);
    }
    return "0 ps";
}

}  // namespace ioasim
