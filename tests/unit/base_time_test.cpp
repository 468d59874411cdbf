#include <doctest/doctest.h>

#include "core/base/time.hpp"

using namespace ioasim;

TEST_CASE("time: a sum beyond 64 bits is a bug, not a wrap") {
    CHECK_THROWS_AS(TimePs::max() + 1_ps, ModelBug);
    CHECK((TimePs::max() + 0_ps) == TimePs::max());
}

TEST_CASE("time: a difference below zero is a bug, not a wrap") {
    CHECK_THROWS_AS(1_ns - 1001_ps, ModelBug);
    CHECK((1_ns - 1000_ps) == 0_ps);
}

TEST_CASE("time: a product beyond 64 bits is a bug, not a wrap") {
    CHECK_THROWS_AS(1_ms * (TimePs::max().ps() / 1'000'000'000 + 1), ModelBug);
    CHECK((3_ns * 4) == 12_ns);
}

TEST_CASE("time: adding in place is checked too") {
    TimePs t = TimePs::max();
    CHECK_THROWS_AS(t += 1_ps, ModelBug);
}

TEST_CASE("time: literals are picoseconds") {
    CHECK((2_ns).ps() == 2'000);
    CHECK((3_us).ps() == 3'000'000);
    CHECK((4_ms).ps() == 4'000'000'000);
}

TEST_CASE("time: text is exact to the picosecond, in the largest unit that fits") {
    CHECK(format_time(0_ps) == "0 ps");
    CHECK(format_time(999_ps) == "999 ps");
    CHECK(format_time(1_ns) == "1 ns");
    CHECK(format_time(TimePs{12'345'000}) == "12.345 us");
    CHECK(format_time(TimePs{12'000'001}) == "12.000001 us");
    CHECK(format_time(TimePs{1'000'000'000'000}) == "1 s");
    CHECK(format_time(TimePs::max()) == "18446744.073709551615 s");
}
