// What a signal does to a verb that makes no run. Runs end by themselves at the next instant
// (watch_signals); what only reads and prints ends at once; what writes files is left from the loop
// that it is in, so that nothing half made stays behind.
#pragma once

#include <exception>

namespace ioasim::tools {

// The first signal ends the program: from here on it leaves nothing behind.
void end_at_signal();

// Thrown out of a loop that a signal ends.
class Interrupted : public std::exception {
public:
    const char* what() const noexcept override { return "interrupted"; }
};
void stop_if_asked();

}  // namespace ioasim::tools
