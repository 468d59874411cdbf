#include <doctest/doctest.h>

#include <algorithm>

#include "core/base/check.hpp"
#include "core/base/defects.hpp"

using namespace ioasim;

namespace {

const Defect kSkip{"test.skip", "skips"};
const Defect kTwice{"test.twice", "does it twice"};
const FaultSite kSite{"test.site", "a place"};
const FaultSite kOtherSite{"test.other_site", "another place"};
const Mark kMark{"test.mark", "a rare path"};

}  // namespace

TEST_CASE("probes: a defect is off until it is switched on, and only in that run") {
    Probes run;
    Probes other;
    CHECK_FALSE(run.has(kSkip));
    run.enable(kSkip);
    CHECK(run.has(kSkip));
    CHECK_FALSE(run.has(kTwice));
    CHECK_FALSE(other.has(kSkip));
}

TEST_CASE("probes: exactly the calls of the window fail") {
    Probes run;
    run.fail_calls(kSite, 2, 3);
    CHECK_FALSE(run.fails(kSite));
    CHECK(run.fails(kSite));
    CHECK(run.fails(kSite));
    CHECK_FALSE(run.fails(kSite));
}

TEST_CASE("probes: calls of one site do not count for another") {
    Probes run;
    run.fail_calls(kSite, 1, 1);
    CHECK_FALSE(run.fails(kOtherSite));
    CHECK(run.fails(kSite));
}

TEST_CASE("probes: several windows of one site add up") {
    Probes run;
    run.fail_calls(kSite, 1, 1);
    run.fail_calls(kSite, 3, 3);
    CHECK(run.fails(kSite));
    CHECK_FALSE(run.fails(kSite));
    CHECK(run.fails(kSite));
}

TEST_CASE("probes: the next call can be made to fail, and the next again later") {
    Probes run;
    run.fail_next(kSite);
    CHECK(run.fails(kSite));
    CHECK_FALSE(run.fails(kSite));
    run.fail_next(kSite);
    CHECK(run.fails(kSite));
    CHECK_FALSE(run.fails(kSite));
}

TEST_CASE("probes: a window counts calls from 1") {
    Probes run;
    CHECK_THROWS_AS(run.fail_calls(kSite, 0, 1), ModelBug);
    CHECK_THROWS_AS(run.fail_calls(kSite, 2, 1), ModelBug);
}

TEST_CASE("probes: who watches learns what was asked for, on or off") {
    Probes run;
    CHECK_FALSE(run.has(kTwice));
    CHECK(run.asked_defects().empty());
    run.watch_defects();
    CHECK_FALSE(run.has(kSkip));
    CHECK(run.asked_defects() == std::vector<const Declaration*>{&kSkip});
    run.enable(kTwice);
    CHECK(run.has(kTwice));
    CHECK(run.asked_defects() == std::vector<const Declaration*>{&kSkip, &kTwice});
}

TEST_CASE("probes: marks that were reached are told by name") {
    Probes run;
    CHECK(run.marks_hit().empty());
    run.hit(kMark);
    CHECK(run.marks_hit() == std::vector<const Declaration*>{&kMark});
}

TEST_CASE("probes: marks count") {
    Probes run;
    CHECK(run.hits(kMark) == 0);
    run.hit(kMark);
    run.hit(kMark);
    CHECK(run.hits(kMark) == 2);
}

TEST_CASE("probes: declarations are found by kind and name, listed by name") {
    CHECK(Declaration::find(Declaration::Kind::Defect, "test.skip") == &kSkip);
    CHECK(Declaration::find(Declaration::Kind::Mark, "test.skip") == nullptr);
    const auto all = Declaration::all(Declaration::Kind::Defect);
    CHECK(std::is_sorted(all.begin(), all.end(), [](const Declaration* a, const Declaration* b) {
        return a->name() < b->name();
    }));
    CHECK(std::count(all.begin(), all.end(), &kTwice) == 1);
}

TEST_CASE("probes: no two declarations of the program share a name") {
    for (const auto kind :
         {Declaration::Kind::Defect, Declaration::Kind::FaultSite, Declaration::Kind::Mark}) {
        const auto all = Declaration::all(kind);
        for (std::size_t i = 1; i < all.size(); ++i) {
            CAPTURE(all[i]->name());
            CHECK(all[i - 1]->name() != all[i]->name());
            CHECK_FALSE(all[i]->meaning().empty());
        }
    }
}
