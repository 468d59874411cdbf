// Lanes and series of a report: bounded, true where nothing was merged, told where something was.
#include <doctest/doctest.h>

#include <string>

#include "tools/cli/report/lanes.hpp"

using ioasim::tools::report::Kind;
using ioasim::tools::report::kNoNumber;
using ioasim::tools::report::Lane;
using ioasim::tools::report::merge_slices;
using ioasim::tools::report::Series;
using ioasim::tools::report::Slice;
using ioasim::tools::report::Texts;

namespace {

Slice slice(std::uint64_t begin, std::uint64_t end, Kind kind = Kind::Work) {
    Slice s;
    s.begin = begin;
    s.end = end;
    s.kind = kind;
    return s;
}

std::uint64_t counted(const std::vector<Slice>& slices) {
    std::uint64_t sum = 0;
    for (const Slice& s : slices) {
        sum += s.count;
    }
    return sum;
}

}  // namespace

TEST_CASE("report: few slices stay as they are, sorted by begin") {
    Lane lane(0, "cpu0");
    lane.add(slice(50, 60));
    lane.add(slice(10, 90, Kind::Bad));
    lane.finish(10);
    REQUIRE(lane.slices().size() == 2);
    CHECK(lane.slices()[0].begin == 10);
    CHECK(lane.slices()[1].end == 60);
    CHECK(lane.resolution() == 0);
    CHECK(lane.bad() == 1);
}

TEST_CASE("report: slices that overlap stand in rows") {
    Lane lane(0, "engine0");
    lane.add(slice(0, 100));
    lane.add(slice(10, 20));
    lane.add(slice(15, 30));
    lane.add(slice(25, 40));
    lane.finish(10);
    REQUIRE(lane.slices().size() == 4);
    CHECK(lane.slices()[0].row == 0);
    CHECK(lane.slices()[1].row == 1);
    CHECK(lane.slices()[2].row == 2);
    CHECK(lane.slices()[3].row == 1);  // free again
    CHECK(lane.rows() == 3);
}

TEST_CASE("report: a lane is bounded, loses no slice and keeps the long ones") {
    constexpr std::uint64_t kSlices = 1'000'000;
    Lane lane(0, "iommu0");
    for (std::uint64_t i = 0; i < kSlices; ++i) {
        lane.add(slice(i * 1000, i * 1000 + 10));
    }
    lane.add(slice(5, kSlices * 1000, Kind::Wait));
    lane.add(slice(77'000, 77'001, Kind::Bad));
    lane.finish(1500);
    CHECK(lane.slices().size() <= 1500);
    CHECK(lane.slices().size() >= 500);
    CHECK(counted(lane.slices()) == kSlices + 2);
    CHECK(lane.total() == kSlices + 2);
    CHECK(lane.resolution() != 0);
    bool wait = false;
    bool bad = false;
    for (const Slice& s : lane.slices()) {
        wait = wait || (s.kind == Kind::Wait && s.begin == 5 && s.end == kSlices * 1000);
        bad = bad || (s.kind == Kind::Bad && s.begin == 77'000 && s.count == 1);
        if (s.kind == Kind::Work) {
            CHECK(s.end - s.begin <= 2 * lane.resolution());
        }
    }
    CHECK(wait);
    CHECK(bad);  // a single fault is not lost among a million others
}

TEST_CASE("report: merged slices keep what they share") {
    std::vector<Slice> slices;
    for (std::uint64_t i = 0; i < 10; ++i) {
        Slice s = slice(i, i + 1);
        s.text = 3;
        s.number = i;
        s.seq = 100 + i;
        slices.push_back(s);
    }
    merge_slices(slices, 0, 1);
    REQUIRE(slices.size() == 1);
    CHECK(slices[0].text == 3);
    CHECK(slices[0].number == kNoNumber);
    CHECK(slices[0].seq == 100);
    CHECK(slices[0].count == 10);
    CHECK(slices[0].end == 10);
}

TEST_CASE("report: a series keeps its highest values and its last one") {
    Series series("queues", "wq0");
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        series.add(i * 10, i == 54'321 ? 999 : i % 7);
    }
    series.finish(300);
    CHECK(series.points().size() <= 300);
    CHECK(series.highest() == 999);
    CHECK(series.last() == 99'999 % 7);
    bool peak = false;
    for (const Series::Point& point : series.points()) {
        peak = peak || point.high == 999;
    }
    CHECK(peak);
}

TEST_CASE("report: values of one instant are one point, the highest and the last") {
    Series series("queues", "wq0");
    series.add(5, 1);
    series.add(5, 4);
    series.add(5, 2);
    REQUIRE(series.points().size() == 1);
    CHECK(series.points()[0].high == 4);
    CHECK(series.points()[0].last == 2);
}

TEST_CASE("report: texts are numbered once, and bounded") {
    Texts texts;
    CHECK(texts.add("") == 0);
    const std::uint32_t a = texts.add("a");
    CHECK(texts.add("b") != a);
    CHECK(texts.add("a") == a);
    for (int i = 0; i < 50'000; ++i) {
        texts.add("text " + std::to_string(i));
    }
    CHECK(texts.list().size() < 21'000);
    CHECK(texts.at(texts.add("one more")) == "...");
    CHECK(texts.add("a") == a);
}
