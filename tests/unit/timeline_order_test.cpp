#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/random.hpp"
#include "core/sim/timeline.hpp"

using namespace ioasim;
using sim::CancelToken;
using sim::Timeline;

TEST_CASE("timeline: earlier times first, whatever the order of scheduling") {
    Timeline<std::string> timeline;
    timeline.schedule(3_ns, 0, "late");
    timeline.schedule(1_ns, 9, "early");
    timeline.schedule(2_ns, 0, "middle");
    CHECK(timeline.next() == 1_ns);
    CHECK(timeline.pop() == "early");
    CHECK(timeline.pop() == "middle");
    CHECK(timeline.pop() == "late");
    CHECK(timeline.empty());
}

TEST_CASE("timeline: at one time the lower rank first, then the order of scheduling") {
    Timeline<int> timeline;
    timeline.schedule(1_ns, 2, 20);
    timeline.schedule(1_ns, 1, 10);
    timeline.schedule(1_ns, 2, 21);
    timeline.schedule(1_ns, 1, 11);
    timeline.schedule(1_ns, 1, 12);
    for (const int expected : {10, 11, 12, 20, 21}) {
        CHECK(timeline.pop() == expected);
    }
}

TEST_CASE("timeline: due from the time on, not a picosecond before") {
    Timeline<int> timeline;
    timeline.schedule(1_ns, 0, 1);
    CHECK_FALSE(timeline.due(999_ps));
    CHECK(timeline.due(1_ns));
    CHECK(timeline.due(2_ns));
}

TEST_CASE("timeline: two equal items stay two") {
    Timeline<int> timeline;
    timeline.schedule(1_ns, 0, 5);
    timeline.schedule(1_ns, 0, 5);
    CHECK(timeline.size() == 2);
}

TEST_CASE("timeline: cancelling takes one item and leaves its equals") {
    Timeline<int> timeline;
    timeline.schedule(1_ns, 0, 1);
    CancelToken token = timeline.schedule(1_ns, 0, 2);
    timeline.schedule(1_ns, 0, 3);
    CHECK(token.armed());
    CHECK(timeline.cancel(token));
    CHECK_FALSE(token.armed());
    CHECK(timeline.pop() == 1);
    CHECK(timeline.pop() == 3);
    CHECK(timeline.empty());
}

TEST_CASE("timeline: a token of a served or cancelled item does nothing") {
    Timeline<int> timeline;
    CancelToken served = timeline.schedule(1_ns, 0, 1);
    timeline.pop();
    timeline.schedule(1_ns, 0, 2);
    CHECK_FALSE(timeline.cancel(served));
    CancelToken twice = timeline.schedule(2_ns, 0, 3);
    CHECK(timeline.cancel(twice));
    CHECK_FALSE(timeline.cancel(twice));
    CancelToken never;
    CHECK_FALSE(timeline.cancel(never));
    CHECK(timeline.size() == 1);
}

TEST_CASE("timeline: cancelling anywhere keeps the order of the rest") {
    // Against a model: a sorted list of (time, rank, sequence).
    RandomStream random{1, "timeline", "cancel"};
    for (int round = 0; round < 50; ++round) {
        struct Entry {
            TimePs time;
            std::uint32_t rank;
            int id;
            CancelToken token;
        };
        Timeline<int> timeline;
        std::vector<Entry> entries;
        for (int id = 0; id < 40; ++id) {
            const TimePs time{random.below(5)};
            const auto rank = static_cast<std::uint32_t>(random.below(3));
            entries.push_back({time, rank, id, timeline.schedule(time, rank, id)});
        }
        for (auto it = entries.begin(); it != entries.end();) {
            if (random.chance(1, 3)) {
                REQUIRE(timeline.cancel(it->token));
                it = entries.erase(it);
            } else {
                ++it;
            }
        }
        std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
            return a.time != b.time ? a.time < b.time : a.rank < b.rank;
        });
        REQUIRE(timeline.size() == entries.size());
        for (const Entry& entry : entries) {
            REQUIRE(timeline.pop() == entry.id);
        }
    }
}

TEST_CASE("timeline: taking from an empty one is a bug") {
    Timeline<int> timeline;
    CHECK_FALSE(timeline.next().has_value());
    CHECK_THROWS_AS(timeline.pop(), ModelBug);
}
