// Checks of our own invariants. They stay on in every build type. A failed check is a bug in the
// simulator, never in a scenario: it unwinds to the run control, which dumps the state and exits 3.
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace ioasim {

// Thrown by SIM_CHECK; carries the place and what was violated.
class ModelBug : public std::logic_error {
public:
    explicit ModelBug(const std::string& what) : std::logic_error(what) {}
};

[[noreturn]] void fail_check(const char* file, int line, const char* condition,
                             const std::string& detail);

}  // namespace ioasim

// SIM_CHECK(condition, "format", args...): the text says what the reader of a dump needs to know.
#define SIM_CHECK(condition, ...)                                                             \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            ::ioasim::fail_check(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
        }                                                                                     \
    } while (false)
