#include <doctest/doctest.h>

#include <vector>

#include "core/sim/link.hpp"

using namespace ioasim;
using sim::Inbox;
using sim::Link;
using sim::LinkParams;

namespace {

class Sleeper final : public sim::Wakeable {
public:
    void wake_at(TimePs time) override { wakes.push_back(time); }
    std::vector<TimePs> wakes;
};

struct Pair {
    explicit Pair(LinkParams params) : link(params) {
        link.bind(inbox, 0);
        link.bind_sender(sender);
    }
    Sleeper receiver;
    Sleeper sender;
    Inbox<int> inbox{receiver, 16};
    Link<int> link;
};

LinkParams timed(TimePs latency, std::uint64_t bytes_per_us = 0, std::uint64_t credits = 0) {
    return {latency, bytes_per_us, credits};
}

}  // namespace

TEST_CASE("link: a message arrives after the latency, and wakes the receiver then") {
    Pair pair{timed(5_ns)};
    CHECK(pair.link.send(1_ns, 42) == 6_ns);
    CHECK(pair.receiver.wakes == std::vector<TimePs>{6_ns});
    CHECK_FALSE(pair.inbox.due(5999_ps));
    REQUIRE(pair.inbox.due(6_ns));
    CHECK(pair.inbox.pop().message == 42);
}

TEST_CASE("link: a latency of zero is refused") {
    CHECK_THROWS_AS(Link<int>(timed(0_ps)), ModelBug);
    CHECK_NOTHROW(Link<int>(timed(1_ps)));
}

TEST_CASE("link: bytes occupy it for bytes over rate, and messages queue behind each other") {
    // 1000 bytes/us: 1 ns a byte.
    Pair pair{timed(10_ns, 1000)};
    CHECK(pair.link.send(0_ps, 1, 64) == 74_ns);
    CHECK(pair.link.send(0_ps, 2, 64) == 138_ns);
    CHECK(pair.link.send(200_ns, 3, 1) == 211_ns);
}

TEST_CASE("link: a transfer time that is no whole picosecond is rounded up") {
    Pair pair{timed(1_ps, 3'000'000)};
    CHECK(pair.link.send(0_ps, 1, 1) == 2_ps);                   // 1/3 ps
    CHECK(pair.link.send(1_ns, 2, 10) == TimePs{1000 + 4 + 1});  // 10/3 ps
}

TEST_CASE("link: messages keep their order, a short one does not overtake") {
    Pair pair{timed(1_ns, 1)};
    const TimePs first = pair.link.send(0_ps, 1, 100);
    const TimePs second = pair.link.send(0_ps, 2, 0);
    CHECK(first <= second);
    REQUIRE(pair.inbox.due(second));
    CHECK(pair.inbox.pop().message == 1);
    CHECK(pair.inbox.pop().message == 2);
}

TEST_CASE("link: without a credit nothing is sent, and a returned one travels back") {
    Pair pair{timed(3_ns, 0, 2)};
    pair.link.send(0_ps, 1);
    pair.link.send(0_ps, 2);
    CHECK_FALSE(pair.link.can_send(0_ps));
    CHECK_THROWS_AS(pair.link.send(0_ps, 3), ModelBug);
    pair.link.return_credit(5_ns);
    CHECK(pair.sender.wakes == std::vector<TimePs>{8_ns});
    CHECK_FALSE(pair.link.can_send(7999_ps));
    CHECK(pair.link.can_send(8_ns));
    CHECK(pair.link.in_use() == 1);
    CHECK(pair.link.sent() == 2);
}

TEST_CASE("link: a credit that nobody used cannot come back") {
    Pair pair{timed(1_ns, 0, 1)};
    CHECK_THROWS_AS(pair.link.return_credit(0_ps), ModelBug);
    pair.link.send(0_ps, 1);
    pair.link.return_credit(1_ns);
    CHECK_THROWS_AS(pair.link.return_credit(1_ns), ModelBug);
}

TEST_CASE("link: without credits the number under way is free") {
    Pair pair{timed(1_ns)};
    for (int i = 0; i < 16; ++i) {
        CHECK(pair.link.can_send(0_ps));
        pair.link.send(0_ps, int{i});
    }
}

TEST_CASE("link: an unbound one is a bug of the platform") {
    Link<int> link{timed(1_ns)};
    CHECK_FALSE(link.bound());
    CHECK_THROWS_AS(link.send(0_ps, 1), ModelBug);
}

TEST_CASE("inbox: arrivals of one instant are served by port, then in the order of sending") {
    Sleeper receiver;
    Inbox<int> inbox{receiver, 16};
    inbox.deliver(0_ps, 5_ns, 2, 20);
    inbox.deliver(0_ps, 5_ns, 1, 10);
    inbox.deliver(1_ns, 5_ns, 2, 21);
    inbox.deliver(2_ns, 4_ns, 9, 90);
    for (const int expected : {90, 10, 20, 21}) {
        CHECK(inbox.pop().message == expected);
    }
}

TEST_CASE("inbox: a message takes at least 1 ps") {
    Sleeper receiver;
    Inbox<int> inbox{receiver, 16};
    CHECK_THROWS_AS(inbox.deliver(5_ns, 5_ns, 0, 1), ModelBug);
}

TEST_CASE("inbox: what does not fit is a bug of the credits") {
    Sleeper receiver;
    Inbox<int> inbox{receiver, 2};
    inbox.deliver(0_ps, 1_ns, 0, 1);
    inbox.deliver(0_ps, 1_ns, 0, 2);
    CHECK_THROWS_AS(inbox.deliver(0_ps, 1_ns, 0, 3), ModelBug);
    inbox.pop();
    CHECK_NOTHROW(inbox.deliver(0_ps, 1_ns, 0, 3));
}
