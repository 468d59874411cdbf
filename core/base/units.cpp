#include "core/base/units.hpp"

#include <array>
#include <charconv>
#include <numeric>

#include <fmt/format.h>

#include "core/base/words.hpp"

namespace ioasim {
namespace {

struct UnitName {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<UnitName, 6> kTimes{{{"ps", 1},
                                          {"ns", 1'000},
                                          {"us", 1'000'000},
                                          {"ms", 1'000'000'000},
                                          {"s", 1'000'000'000'000},
                                          {"h", 3'600'000'000'000'000}}};
constexpr std::array<UnitName, 5> kSizes{{{"B", 1},
                                          {"KiB", 1ULL << 10U},
                                          {"MiB", 1ULL << 20U},
                                          {"GiB", 1ULL << 30U},
                                          {"TiB", 1ULL << 40U}}};
constexpr std::array<UnitName, 2> kBandwidths{{{"MB/s", 1}, {"GB/s", 1'000}}};

struct Kind {
    const char* what;      // "a time"
    const char* examples;  // the units that exist
    const UnitName* units;
    std::size_t count;
    const char* smallest;  // "picoseconds"
};
const Kind kTime{"a time", R"("12ps", "12ns", "12us", "12ms", "12s" or "12h")", kTimes.data(),
                 kTimes.size(), "picoseconds"};
const Kind kSize{"a size", R"("64B", "4KiB", "2MiB", "1GiB" or "1TiB")", kSizes.data(),
                 kSizes.size(), "bytes"};
const Kind kBandwidth{"a bandwidth", R"("500MB/s" or "16GB/s")", kBandwidths.data(),
                      kBandwidths.size(), "megabytes per second"};

UnitResult bad(std::string problem, std::string help) {
    return {0, std::move(problem), std::move(help)};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The unit that was meant, for the help line.
std::string meant(const Kind& kind, std::string_view number, std::string_view unit) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kind.count; ++i) {
        names.emplace_back(kind.units[i].name);
    }
    std::string near;
    if (unit == "\xC2\xB5s" || unit == "\xCE\xBCs" || unit == "usec") {
        near = "us";
    } else if (unit == "KB" || unit == "kB" || unit == "K" || unit == "k" || unit == "kib") {
        near = "KiB";
    } else if (unit == "MB" || unit == "M") {
        near = "MiB";
    } else if (unit == "GB" || unit == "G") {
        near = "GiB";
    } else if (unit == "TB" || unit == "T") {
        near = "TiB";
    } else if (!unit.empty()) {
        near = nearest(unit, names);
    }
    for (const std::string& name : names) {
        if (near == name) {
            return fmt::format("did you mean \"{}{}\"?", number, near);
        }
    }
    return fmt::format("write {}", kind.examples);
}

UnitResult parse(std::string_view text, const Kind& kind) {
    std::size_t i = 0;
    std::uint64_t whole = 0;
    bool overflow = false;
    while (i < text.size() && is_digit(text[i])) {
        const auto digit = static_cast<std::uint64_t>(text[i] - '0');
        overflow = overflow || __builtin_mul_overflow(whole, std::uint64_t{10}, &whole) ||
                   __builtin_add_overflow(whole, digit, &whole);
        ++i;
    }
    const std::size_t whole_digits = i;
    std::string_view fraction;
    if (i < text.size() && text[i] == '.') {
        const std::size_t start = ++i;
        while (i < text.size() && is_digit(text[i])) {
            ++i;
        }
        fraction = text.substr(start, i - start);
        if (fraction.empty()) {
            return bad(fmt::format("{} is not {}", quoted(text), kind.what),
                       fmt::format("write {}", kind.examples));
        }
    }
    if (whole_digits == 0) {
        const bool negative = !text.empty() && text.front() == '-';
        return bad(fmt::format("{} is not {}{}", quoted(text), kind.what,
                               negative ? ": it is negative" : ""),
                   fmt::format("write {}", kind.examples));
    }
    const std::string_view number = text.substr(0, i);
    std::string_view unit = text.substr(i);
    const bool space = !unit.empty() && unit.front() == ' ';
    while (!unit.empty() && unit.front() == ' ') {
        unit.remove_prefix(1);
    }
    if (unit.empty()) {
        return bad(fmt::format("{} has no unit", quoted(text)),
                   fmt::format("write {}", kind.examples));
    }
    std::uint64_t factor = 0;
    for (std::size_t u = 0; u < kind.count; ++u) {
        factor = kind.units[u].name == unit ? kind.units[u].factor : factor;
    }
    if (factor == 0) {
        return bad(fmt::format("{} is not a unit of {}", quoted(unit), kind.what + 2),
                   meant(kind, number, unit));
    }
    if (space) {
        return bad(fmt::format("{} has a space before the unit", quoted(text)),
                   fmt::format("did you mean \"{}{}\"?", number, unit));
    }
    std::uint64_t value = 0;
    overflow = overflow || __builtin_mul_overflow(whole, factor, &value);
    while (!fraction.empty() && fraction.back() == '0') {
        fraction.remove_suffix(1);
    }
    std::uint64_t numerator = 0;
    std::uint64_t denominator = 1;
    for (const char c : fraction.substr(0, 13)) {
        numerator = numerator * 10 + static_cast<std::uint64_t>(c - '0');
        denominator *= 10;
    }
    denominator /= std::gcd(numerator, denominator);
    // Finer than 13 digits is finer than a picosecond of a second.
    if (fraction.size() > 13 || factor % denominator != 0) {
        return bad(fmt::format("{} is not a whole number of {}", quoted(text), kind.smallest), "");
    }
    if (!fraction.empty()) {
        std::uint64_t ten = 1;
        for (std::size_t d = 0; d < fraction.size(); ++d) {
            ten *= 10;
        }
        overflow = overflow ||
                   __builtin_add_overflow(
                       value, factor / denominator * (numerator / (ten / denominator)), &value);
    }
    if (overflow) {
        return bad(fmt::format("{} is too large", quoted(text)),
                   "values are 64-bit; simulated time ends at 213 days");
    }
    return {value, {}, {}};
}

std::string with_unit(std::uint64_t value, const Kind& kind) {
    for (std::size_t u = kind.count; u-- > 0;) {
        if (value != 0 && value % kind.units[u].factor == 0) {
            return fmt::format("{}{}", value / kind.units[u].factor, kind.units[u].name);
        }
    }
    return fmt::format("0{}", kind.units[0].name);
}

}  // namespace

UnitResult parse_time_text(std::string_view text) {
    return parse(text, kTime);
}
UnitResult parse_size_text(std::string_view text) {
    return parse(text, kSize);
}
UnitResult parse_bandwidth_text(std::string_view text) {
    return parse(text, kBandwidth);
}

UnitResult parse_integer_text(std::string_view text, bool& out_of_range) {
    out_of_range = false;
    if (text.find_first_of(".eE") != std::string_view::npos) {
        return bad(fmt::format("{} is not an integer", text),
                   "write whole numbers without point and exponent");
    }
    if (!text.empty() && text.front() == '-') {
        out_of_range = true;
        return bad(fmt::format("{} is negative", text), "");
    }
    std::uint64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec == std::errc::result_out_of_range) {
        out_of_range = true;
        return bad(fmt::format("{} does not fit into 64 bits",
                               text.size() > 40 ? std::string(text.substr(0, 40)) + "..."
                                                : std::string(text)),
                   "");
    }
    if (result.ec != std::errc() || result.ptr != text.data() + text.size()) {
        return bad(fmt::format("{} is not an integer", quoted(text)), "");
    }
    return {value, {}, {}};
}

UnitResult parse_quantity_text(std::string_view text) {
    std::uint64_t value = 0;
    if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") {
        return parse_address_text(text, value)
                   ? UnitResult{value, {}, {}}
                   : bad(fmt::format("{} is no number of at most 64 bits", quoted(text)),
                         "0x and up to 16 hexadecimal digits");
    }
    UnitResult size = parse_size_text(text);
    if (!size.ok()) {
        size.help = "numbers are written 12, \"0x1000\" or \"4KiB\"";
    }
    return size;
}

bool parse_address_text(std::string_view text, std::uint64_t& out) {
    int base = 10;
    if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") {
        text.remove_prefix(2);
        base = 16;
    }
    const auto result = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse_rid_text(std::string_view text, std::uint64_t& out) {
    std::uint64_t bus = 0;
    std::uint64_t device = 0;
    std::uint64_t function = 0;
    const std::size_t colon = text.find(':');
    const std::size_t dot = text.find('.');
    if (colon == std::string_view::npos || dot == std::string_view::npos || dot < colon) {
        return parse_address_text(text, out) && out <= 0xFFFF;
    }
    const auto hex = [](std::string_view digits, std::uint64_t& value, std::uint64_t high) {
        const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        return !digits.empty() && r.ec == std::errc() && r.ptr == digits.data() + digits.size() &&
               value <= high;
    };
    if (!hex(text.substr(0, colon), bus, 0xFF) ||
        !hex(text.substr(colon + 1, dot - colon - 1), device, 0x1F) ||
        !hex(text.substr(dot + 1), function, 7)) {
        return false;
    }
    out = bus << 8U | device << 3U | function;
    return true;
}

std::string time_text(std::uint64_t ps) {
    return with_unit(ps, kTime);
}
std::string size_text(std::uint64_t bytes) {
    return with_unit(bytes, kSize);
}
std::string bandwidth_text(std::uint64_t value) {
    return with_unit(value, kBandwidth);
}

}  // namespace ioasim
