#include <doctest/doctest.h>

#include <string>
#include <type_traits>

#include "core/base/bits.hpp"
#include "core/base/check.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"

using namespace ioasim;

TEST_CASE("types: ids of different kinds do not convert into each other") {
    CHECK_FALSE(std::is_convertible_v<Pasid, Ioasid>);
    CHECK_FALSE(std::is_constructible_v<Spid, Pasid>);
    CHECK_FALSE(std::is_convertible_v<Gpa, Hpa>);
    CHECK_FALSE(std::is_convertible_v<std::uint32_t, Pasid>);
    CHECK_FALSE(std::is_assignable_v<Iova&, Gva>);
}

TEST_CASE("types: ids compare by value") {
    CHECK(Pasid{101} == Pasid{101});
    CHECK(Pasid{101} < Pasid{102});
    CHECK(Pasid{102} >= Pasid{101});
    CHECK(Pasid{101} != Pasid{102});
}

TEST_CASE("types: an address knows its page") {
    const Iova address{0x12'3456'7ABC};
    CHECK(address.page() == Iova{0x12'3456'7000});
    CHECK(address.page_offset() == 0xABC);
    CHECK((address + 0x544) == Iova{0x12'3456'8000});
}

TEST_CASE("bits: a field is read and written where the specifications count it") {
    CHECK(get_bits(0xABCD'1234, 15, 8) == 0x12);
    CHECK(set_bits(0, 63, 12, 0xFFFFF) == 0xFFFF'F000);
    CHECK(set_bits(~0ULL, 11, 0, 0x123) == 0xFFFF'FFFF'FFFF'F123);
    CHECK(bit_mask(63, 0) == ~0ULL);
    CHECK(bit_mask(0, 0) == 1);
}

TEST_CASE("bits: a value wider than its field does not spill into the neighbours") {
    CHECK(set_bits(0, 7, 4, 0x1F) == 0xF0);
}

TEST_CASE("bits: single bits") {
    CHECK(get_bit(1ULL << 63, 63));
    CHECK_FALSE(get_bit(~1ULL, 0));
    CHECK(set_bit(0, 63) == 1ULL << 63);
    CHECK(set_bit(~0ULL, 0, false) == ~1ULL);
}

TEST_CASE("result: a value or an error, never both") {
    const Result<int> good = 7;
    const Result<int> bad = Errno::Enospc;
    CHECK(good.ok());
    CHECK(*good == 7);
    CHECK(good.error() == Errno::Ok);
    CHECK_FALSE(bad.ok());
    CHECK(bad.error() == Errno::Enospc);
    CHECK_THROWS_AS(bad.value(), ModelBug);
}

TEST_CASE("result: success is no error") {
    CHECK_THROWS_AS(Result<int>(Errno::Ok), ModelBug);
}

TEST_CASE("result: error numbers have the names and values of Linux") {
    CHECK(errno_name(Errno::Enospc) == "-ENOSPC");
    CHECK(static_cast<int>(Errno::Enospc) == 28);
    CHECK(static_cast<int>(Errno::Ebusy) == 16);
    CHECK(static_cast<int>(Errno::Etimedout) == 110);
}

TEST_CASE("result: error names are read with and without the sign") {
    Errno error{};
    CHECK(parse_errno("-EBUSY", error));
    CHECK(error == Errno::Ebusy);
    CHECK(parse_errno("EINVAL", error));
    CHECK(error == Errno::Einval);
    CHECK(parse_errno("0", error));
    CHECK(error == Errno::Ok);
    CHECK_FALSE(parse_errno("EWHATEVER", error));
    CHECK_FALSE(parse_errno("", error));
    CHECK_FALSE(parse_errno("-", error));
}

TEST_CASE("check: a failed check names its place inside the project") {
    std::string text;
    try {
        SIM_CHECK(1 > 2, "one is {}", 1);
    } catch (const ModelBug& bug) {
        text = bug.what();
    }
    CHECK(text.rfind("tests/unit/base_types_test.cpp:", 0) == 0);
    CHECK(text.find("one is 1") != std::string::npos);
    CHECK(text.find("1 > 2") != std::string::npos);
}
