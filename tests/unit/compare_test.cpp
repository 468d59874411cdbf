// Two runs side by side.
#include <doctest/doctest.h>

#include <algorithm>

#include "tools/cli/compare.hpp"

namespace ioasim::tools {
namespace {

RunResult passed() {
    RunResult r;
    r.exit_code = kPass;
    r.reason = "idle";
    r.end_ps = 1'000'000;
    r.steps = {{"host/app[0]", "0"}};
    r.figures = {{"risk", "requests blocked", false, 100}, {"cost", "walks", false, 8}};
    return r;
}

std::vector<CompareRow> differences(const RunResult& a, const RunResult& b) {
    std::vector<CompareRow> rows = compare(a, b);
    rows.erase(std::remove_if(rows.begin(), rows.end(),
                              [](const CompareRow& row) { return !row.differs(); }),
               rows.end());
    return rows;
}

}  // namespace

TEST_CASE("compare: a run does not differ from itself") {
    CHECK(differences(passed(), passed()).empty());
}

TEST_CASE("compare: outcome comes first, then cost, then risk") {
    RunResult b = passed();
    b.steps[0].result = "-EBUSY";
    b.figures[0].value = 105;
    b.figures[1].value = 9;
    const auto rows = differences(passed(), b);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].name == "step host/app[0]");
    CHECK(rows[0].b == "-EBUSY");
    CHECK(rows[1].aspect == "cost");
    CHECK(rows[1].change == "+1");
    CHECK(rows[2].aspect == "risk");
    CHECK(rows[2].change == "+5 %");
}

TEST_CASE("compare: a finding of one run only is a risk of that one") {
    RunResult b = passed();
    b.findings.push_back({"order.priority", "kvm", "too late", TimePs{5}, 7, false});
    b.findings_total = 1;
    const auto rows = differences(passed(), b);
    REQUIRE(rows.size() == 2);
    CHECK(rows[1].name == "finding order.priority");
    CHECK(rows[1].a == "0");
    CHECK(rows[1].b == "1");
}

TEST_CASE("compare: a step that only one run has differs") {
    RunResult b = passed();
    b.steps.push_back({"host/app[1]", "0"});
    const auto rows = differences(passed(), b);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].a == "-");
}

}  // namespace ioasim::tools
