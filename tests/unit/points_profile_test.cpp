// Timing profiles against the parameter tables, and the verdicts of published measurements.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/timing_profile.hpp"
#include "models/platform/bench_params.hpp"
#include "models/platform/platform.hpp"
#include "tools/cli/points/verdict.hpp"

namespace ioasim::tools {
namespace {

PointValue measured(double value) {
    PointValue v;
    v.measured = value;
    return v;
}

PointResult result_of(const Point& point, const std::vector<double>& simulated) {
    PointResult result;
    result.point = &point;
    for (const double value : simulated) {
        Scalar scalar;
        scalar.simulated = value;
        result.scalars.push_back(scalar);
    }
    return result;
}

std::vector<const ParamTableBase*> all_tables() {
    std::vector<const ParamTableBase*> tables = platform::param_tables();
    tables.push_back(&platform::bench_param_table());
    return tables;
}

}  // namespace

TEST_CASE("profile: every value has the unit and range of its parameter and lies in it") {
    for (const TimingProfile& profile : timing_profiles()) {
        for (const TimingValue& value : profile.values) {
            INFO(profile.name << ": " << value.component << "." << value.path);
            const ParamInfo* const info = platform::find_param(value.component, value.path);
            REQUIRE(info != nullptr);
            CHECK(value.unit == unit_name(info->unit));
            CHECK(value.range == param_range(*info));
            std::uint64_t number = 0;
            REQUIRE(parse_param(*info, value.value, number));
            CHECK(info->allows(number));
        }
    }
}

TEST_CASE("profile: what the default profile has is the default of its parameter") {
    for (const TimingValue& value : timing_profiles().front().values) {
        INFO(value.component << "." << value.path);
        const ParamInfo* const info = platform::find_param(value.component, value.path);
        REQUIRE(info != nullptr);
        CHECK(value.value == param_text(*info, info->initial));
        CHECK(value.source == info->source);
    }
}

TEST_CASE("profile: every latency and rate of the models is in the default profile") {
    std::set<std::string> named;
    for (const TimingValue& value : timing_profiles().front().values) {
        named.insert(fmt::format("{}.{}", value.component, value.path));
    }
    for (const ParamTableBase* table : all_tables()) {
        for (const ParamInfo& info : table->params()) {
            if (info.unit == Unit::Time || info.unit == Unit::Bandwidth) {
                INFO(table->owner() << "." << info.path);
                CHECK(named.count(table->owner() + "." + info.path) == 1);
            }
        }
    }
}

TEST_CASE("points: the error of a scalar is relative to what was measured") {
    CHECK(scalar_error(measured(200), Metric::LatencyNs, 220) == doctest::Approx(0.1));
}

TEST_CASE("points: the error of a count of zero is absolute") {
    CHECK(scalar_error(measured(0), Metric::Count, 2) == doctest::Approx(2));
}

TEST_CASE("points: a value inside a range has no error, outside the nearest bound counts") {
    PointValue range;
    range.low = 100;
    range.high = 200;
    CHECK(scalar_error(range, Metric::LatencyNs, 150) == 0);
    CHECK(scalar_error(range, Metric::LatencyNs, 90) == doctest::Approx(0.1));
    CHECK(scalar_error(range, Metric::LatencyNs, 220) == doctest::Approx(0.1));
}

TEST_CASE("points: quantiles are interpolated") {
    CHECK(quantile({1, 2, 3, 4}, 0.5) == doctest::Approx(2.5));
    CHECK(quantile({0, 10}, 0.9) == doctest::Approx(9));
}

TEST_CASE("points: a row is judged by the median of all its points") {
    Point a, b;
    a.row = b.row = "V1";
    a.tolerance = b.tolerance = 0.1;
    a.values = {measured(100), measured(100)};
    b.values = {measured(100)};
    const auto rows = judge_rows({result_of(a, {100, 200}), result_of(b, {105})});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].median == doctest::Approx(0.05));
    CHECK(rows[0].passed);
}

TEST_CASE("points: with tolerance 0 every scalar is exact") {
    Point a;
    a.row = "V28";
    a.metric = Metric::Count;
    a.values = {measured(7), measured(7), measured(7)};
    CHECK_FALSE(judge_rows({result_of(a, {7, 7, 8})})[0].passed);
    CHECK(judge_rows({result_of(a, {7, 7, 7})})[0].passed);
}

TEST_CASE("points: a row for information is never scored, one without results never passes") {
    Point a;
    a.row = "V38";
    a.tolerance = 5;
    a.values = {measured(7)};
    const auto info = judge_rows({result_of(a, {7})}, {"V27", "V38"});
    CHECK_FALSE(info[0].scored);
    CHECK_FALSE(info[0].passed);
    CHECK(judge_rows({result_of(a, {7})}, {"V27"})[0].passed);
    PointResult nothing;
    nothing.point = &a;
    nothing.scalars.resize(1);
    const auto none = judge_rows({nothing});
    CHECK(none[0].median == doctest::Approx(1));
    CHECK_FALSE(none[0].passed);
}

TEST_CASE("points: a free offset is fitted inside its interval") {
    Point a;
    a.row = "V26";
    a.values = {measured(1000), measured(1200)};
    a.free_offset = {100, 400};
    PointResult result = result_of(a, {800, 1000});
    judge(result);
    CHECK(result.offset == doctest::Approx(200));
    CHECK(result.scalars[1].error == doctest::Approx(0));
}

}  // namespace ioasim::tools
