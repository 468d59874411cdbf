#include <doctest/doctest.h>

#include "models/linux/reserved_regions.hpp"
#include "models/linux/vfio_info.hpp"

namespace ioasim::os {
namespace {

using Touch = ReservedRegions::Touch;
using Type = RegionType;

std::string merged(const std::vector<ReservedRegion>& regions, Touch touch = Touch::Exact) {
    ReservedRegions all;
    for (const ReservedRegion& region : regions) {
        all.insert(region, touch);
    }
    return all.text();
}

TEST_CASE("reserved regions: same type overlapping or touching becomes one") {
    CHECK(merged({{0x10, 0x1f, Type::Direct}, {0x18, 0x2f, Type::Direct}}) == "0x10-0x2f direct");
    CHECK(merged({{0x10, 0x1f, Type::Direct}, {0x20, 0x2f, Type::Direct}}) == "0x10-0x2f direct");
    CHECK(merged({{0x20, 0x2f, Type::Direct}, {0x10, 0x1f, Type::Direct}}) == "0x10-0x2f direct");
    CHECK(merged({{0x10, 0x1f, Type::Direct}, {0x21, 0x2f, Type::Direct}}) ==
          "0x10-0x1f direct, 0x21-0x2f direct");
}

TEST_CASE("reserved regions: a region inside one of its type is absorbed") {
    CHECK(merged({{0x10, 0x2f, Type::Reserved}, {0x18, 0x1f, Type::Reserved}}) ==
          "0x10-0x2f reserved");
    CHECK(merged({{0x18, 0x1f, Type::Msi}, {0x10, 0x2f, Type::Msi}}) == "0x10-0x2f msi");
}

TEST_CASE("reserved regions: different types stay apart, equal starts by type") {
    CHECK(merged({{0x10, 0x1f, Type::Direct}, {0x18, 0x2f, Type::Msi}}) ==
          "0x10-0x1f direct, 0x18-0x2f msi");
    CHECK(merged({{0x10, 0x1f, Type::Reserved}, {0x10, 0x1f, Type::Direct}}) ==
          "0x10-0x1f direct, 0x10-0x1f reserved");
}

TEST_CASE("reserved regions: a bridge joins what lies on both of its sides") {
    CHECK(merged({{0x10, 0x1f, Type::Reserved},
                  {0x30, 0x3f, Type::Reserved},
                  {0x18, 0x38, Type::Reserved}}) == "0x10-0x3f reserved");
}

TEST_CASE("reserved regions: at the top of the address space the end has no successor") {
    const std::vector<ReservedRegion> top{{0x1000, kLastIova, Type::Reserved},
                                          {0x2000, kLastIova, Type::Reserved}};
    CHECK(merged(top) == "0x1000-0xffffffffffffffff reserved");
    CHECK(merged(top, Touch::IncrementsEnd) ==
          "0x1000-0xffffffffffffffff reserved, 0x2000-0xffffffffffffffff reserved");
}

TEST_CASE("reserved regions: words of sysfs") {
    Type type = Type::Direct;
    CHECK(parse_region_type("direct-relaxable", type));
    CHECK(type == Type::DirectRelaxable);
    CHECK(parse_region_type("software-msi", type));
    CHECK(type == Type::SoftwareMsi);
    CHECK(std::string(region_word(type)) == "msi");
    CHECK_FALSE(parse_region_type("relaxed", type));
}

TEST_CASE("usable ranges: a hole splits, a border trims, everything empties") {
    IovaRanges ranges{{0, 0xffff}};
    ranges.exclude({0x4000, 0x4fff});
    CHECK(ranges.text() == "0x0-0x3fff, 0x5000-0xffff");
    ranges.exclude({0, 0xfff});
    ranges.clip({0, 0x7fff});
    CHECK(ranges.text() == "0x1000-0x3fff, 0x5000-0x7fff");
    CHECK(ranges.span() == IovaRange{0x1000, 0x7fff});
    ranges.exclude({0, kLastIova});
    CHECK(ranges.empty());
}

TEST_CASE("usable ranges: a mapping must be inside of one range") {
    IovaRanges ranges{{0, 0xffff}};
    ranges.exclude({0x4000, 0x4fff});
    CHECK(ranges.contains({0x3000, 0x3fff}));
    CHECK_FALSE(ranges.contains({0x3000, 0x5fff}));
    CHECK_FALSE(ranges.contains({0x10000, 0x10fff}));
}

TEST_CASE("vfio info: a buffer too small for the chain learns its size and gets no offset") {
    IovaRanges ranges{{0, 0xffff}};
    ranges.exclude({0x4000, 0x4fff});
    VfioInfo info;
    const auto small = encode_info(kVfioInfoBytes, 0x1000, ranges, 1, 7);
    REQUIRE(decode_info(small, info));
    CHECK(info.argsz == 24 + 16 + 32 + 16);  // both ranges, and the capability behind them
    CHECK(info.cap_offset == 0);
    CHECK(info.flags == (kVfioInfoPageSizes | kVfioInfoCaps));
    CHECK(small.size() == kVfioInfoBytes);
    const auto whole = encode_info(info.argsz, 0x1000, ranges, 1, 7);
    REQUIRE(decode_info(whole, info));
    CHECK(info.ranges_version == 1);
    CHECK(info.ranges == ranges.list());
    CHECK(info.dma_available == 7U);
}

TEST_CASE("vfio info: without a range there is no such capability") {
    VfioInfo info;
    REQUIRE(decode_info(encode_info(4096, 0x1000, {}, 1, 7), info));
    CHECK_FALSE(info.ranges_version.has_value());
    CHECK(info.dma_available == 7U);
}

TEST_CASE("vfio info: a program does not follow a chain out of its buffer") {
    auto bytes = encode_info(4096, 0x1000, IovaRanges{{0, 0xffff}}, 1, 7);
    bytes[16] = 0xF0;  // cap_offset
    VfioInfo info;
    CHECK_FALSE(decode_info(bytes, info));
}

}  // namespace
}  // namespace ioasim::os
