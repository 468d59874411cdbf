// Numbers with units as people write them: "12us", "1.5ns", "4KiB", "16GB/s". Exact: a value that
// is no whole number of picoseconds or bytes is refused, never rounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ioasim {

struct UnitResult {
    std::uint64_t value = 0;
    std::string problem;  // empty: value is good
    std::string help;
    bool ok() const { return problem.empty(); }
};

UnitResult parse_time_text(std::string_view text);       // picoseconds
UnitResult parse_size_text(std::string_view text);       // bytes
UnitResult parse_bandwidth_text(std::string_view text);  // bytes per microsecond
// An integer as JSON writes it; `problem` says whether it is no integer or does not fit.
UnitResult parse_integer_text(std::string_view text, bool& out_of_range);
// "0x1000" or "4KiB".
UnitResult parse_quantity_text(std::string_view text);
// "0x1000" or a decimal number.
bool parse_address_text(std::string_view text, std::uint64_t& out);
// "0b:00.1" or "0xb01".
bool parse_rid_text(std::string_view text, std::uint64_t& out);

// The other way, exact: "12us", "4KiB".
std::string time_text(std::uint64_t ps);
std::string size_text(std::uint64_t bytes);
std::string bandwidth_text(std::uint64_t bytes_per_us);

}  // namespace ioasim
