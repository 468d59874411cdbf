// Simulated time: unsigned 64-bit picoseconds (range 213 days), every operation checked. The same
// type serves as a point in time and as a duration, as sc_time does.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/check.hpp"

namespace ioasim {

// Fails as SIM_CHECK does; apart, so that arithmetic stays small enough to be inlined.
[[noreturn]] void time_out_of_range(const char* what, std::uint64_t a, char operation,
                                    std::uint64_t b);

class TimePs {
public:
    constexpr TimePs() = default;
    constexpr explicit TimePs(std::uint64_t ps) : ps_(ps) {}

    constexpr std::uint64_t ps() const { return ps_; }

    static constexpr TimePs max() { return TimePs{~std::uint64_t{0}}; }

    [[gnu::always_inline]] friend TimePs operator+(TimePs a, TimePs b) {
        std::uint64_t sum = 0;
        if (__builtin_add_overflow(a.ps_, b.ps_, &sum)) {
            time_out_of_range("time overflow", a.ps_, '+', b.ps_);
        }
        return TimePs{sum};
    }
    [[gnu::always_inline]] friend TimePs operator-(TimePs a, TimePs b) {
        if (a.ps_ < b.ps_) {
            time_out_of_range("negative time", a.ps_, '-', b.ps_);
        }
        return TimePs{a.ps_ - b.ps_};
    }
    [[gnu::always_inline]] friend TimePs operator*(TimePs a, std::uint64_t n) {
        std::uint64_t product = 0;
        if (__builtin_mul_overflow(a.ps_, n, &product)) {
            time_out_of_range("time overflow", a.ps_, '*', n);
        }
        return TimePs{product};
    }
    TimePs& operator+=(TimePs b) { return *this = *this + b; }

    friend constexpr bool operator==(TimePs a, TimePs b) { return a.ps_ == b.ps_; }
    friend constexpr bool operator!=(TimePs a, TimePs b) { return a.ps_ != b.ps_; }
    friend constexpr bool operator<(TimePs a, TimePs b) { return a.ps_ < b.ps_; }
    friend constexpr bool operator<=(TimePs a, TimePs b) { return a.ps_ <= b.ps_; }
    friend constexpr bool operator>(TimePs a, TimePs b) { return a.ps_ > b.ps_; }
    friend constexpr bool operator>=(TimePs a, TimePs b) { return a.ps_ >= b.ps_; }

private:
    std::uint64_t ps_ = 0;
};

constexpr TimePs operator""_ps(unsigned long long n) {
    return TimePs{n};
}
constexpr TimePs operator""_ns(unsigned long long n) {
    return TimePs{n * 1000};
}
constexpr TimePs operator""_us(unsigned long long n) {
    return TimePs{n * 1000'000};
}
constexpr TimePs operator""_ms(unsigned long long n) {
    return TimePs{n * 1000'000'000};
}

// For people: the largest unit that keeps at least one digit before the point, exact to the
// picosecond ("12.345 us", "0 ps"). Integer arithmetic only.
std::string format_time(TimePs time);

}  // namespace ioasim
