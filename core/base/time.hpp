// Simulated time: unsigned 64-bit picoseconds (range 213 days), every operation checked. The same
// type serves as a point in time and as a duration, as sc_time does.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/check.hpp"

namespace ioasim {

class TimePs {
public:
    constexpr TimePs() = default;
    constexpr explicit TimePs(std::uint64_t ps) : ps_(ps) {}

    constexpr std::uint64_t ps() const { return ps_; }

    static constexpr TimePs max() { return TimePs{~std::uint64_t{0}}; }

    friend TimePs operator+(TimePs a, TimePs b) {
        std::uint64_t sum = 0;
        SIM_CHECK(!__builtin_add_overflow(a.ps_, b.ps_, &sum), "time overflow: {} + {} ps", a.ps_,
                  b.ps_);
        return TimePs{sum};
    }
    friend TimePs operator-(TimePs a, TimePs b) {
        SIM_CHECK(a.ps_ >= b.ps_, "negative time: {} - {} ps", a.ps_, b.ps_);
        return TimePs{a.ps_ - b.ps_};
    }
    friend TimePs operator*(TimePs a, std::uint64_t n) {
        std::uint64_t product = 0;
        SIM_CHECK(!__builtin_mul_overflow(a.ps_, n, &product), "time overflow: {} ps * {}", a.ps_,
                  n);
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

constexpr TimePs operator""_ps(unsigned long long n) { return TimePs{n}; }
constexpr TimePs operator""_ns(unsigned long long n) { return TimePs{n * 1000}; }
constexpr TimePs operator""_us(unsigned long long n) { return TimePs{n * 1000'000}; }
constexpr TimePs operator""_ms(unsigned long long n) { return TimePs{n * 1000'000'000}; }

// For people: the largest unit that keeps at least one digit before the point, exact to the
// picosecond ("12.345 us", "0 ps"). Integer arithmetic only.
std::string format_time(TimePs time);

}  // namespace ioasim
