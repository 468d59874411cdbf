// What tools may know about the terminal and the host's clock: colour, progress, writing to stdout
// in a way that notices a reader who went away.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/time.hpp"

namespace ioasim::tools {

// stderr is a terminal and NO_COLOR is unset.
bool colour_on_stderr();
bool colour_on_stdout();

// Writes to a standard stream. False when the reader is gone or the disk is full; the first failure
// is remembered.
bool print_out(std::string_view text);
bool print_err(std::string_view text);
// Results were lost; a reader who has read enough (head) is no failure.
bool stdout_failed();
std::string stdout_error();
// A program that was started without them would find its first files in their places.
void keep_standard_streams();

// A line on stderr that is rewritten, for runs that take longer than a second; silent without a
// terminal.
class Progress {
public:
    explicit Progress(bool wanted);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    // Cheap; looks at the clock.
    void update(TimePs now, TimePs limit, std::uint64_t events);
    double seconds() const;

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool enabled_ = false;
    bool visible_ = false;
};

}  // namespace ioasim::tools
