// Traffic of a test requester: where its blocks lie, how many are under way, what is counted.
#include <set>

#include <doctest/doctest.h>

#include "tests/support/requester_bench.hpp"

using namespace ioasim;
using namespace ioasim::requester;
using namespace ioasim::requester::test;

namespace {

struct Bench final : RequesterBench {
    using RequesterBench::RequesterBench;
    void start(std::uint32_t block, std::uint64_t count, std::uint32_t outstanding,
               std::uint32_t control, std::uint64_t window = 0x10000) {
        set(reg::kTrafficBase, 0x40000, 8);
        set(reg::kTrafficWindow, window, 8);
        set(reg::kTrafficBlock, block);
        set(reg::kTrafficCount, count);
        set(reg::kTrafficOutstanding, outstanding);
        set(reg::kTrafficControl, control);
        set(reg::kTrafficGo, 1);
    }
    State state() const { return state_of(get(reg::kTrafficStatus)); }
    Outcome outcome() const { return outcome_of(get(reg::kTrafficStatus)); }
};

constexpr std::uint32_t in_order(traffic::Order order) {
    return static_cast<std::uint32_t>(order) << traffic::kOrderShift;
}

}  // namespace

TEST_CASE("traffic: so many blocks are under way, the next begins when one has ended") {
    Bench b;
    b.start(64, 5, 3, 0);
    REQUIRE(b.sent.size() == 3);
    CHECK(b.sent[2].address == 0x40080);
    b.answer(b.take());
    REQUIRE(b.sent.size() == 3);
    CHECK(b.sent[2].address == 0x400C0);
    while (!b.sent.empty()) {
        b.answer(b.take());
    }
    CHECK(b.state() == State::Done);
    CHECK(b.outcome() == Outcome::Ok);
    CHECK(b.get(reg::kTrafficEnded) == 5);
}

TEST_CASE("traffic: blocks at random places lie in the window, aligned, and differ by seed") {
    std::set<std::uint64_t> places[2];
    for (std::uint64_t seed : {1, 2}) {
        Bench b;
        b.set(reg::kTrafficSeed, seed, 8);
        b.start(64, 100, 1, in_order(traffic::Order::Random));
        while (!b.sent.empty()) {
            const pcie::Tlp tlp = b.take();
            CHECK(tlp.address % 64 == 0);
            CHECK(tlp.address >= 0x40000);
            CHECK(tlp.address < 0x50000);
            places[seed - 1].insert(tlp.address);
            b.answer(tlp);
        }
    }
    CHECK(places[0].size() > 80);
    CHECK(places[0] != places[1]);
}

TEST_CASE("traffic: a list of addresses is gone through again and again") {
    Bench b;
    b.set(reg::kData, 0x7000, 8);
    b.set(reg::kData + 8, 0x9000, 8);
    b.set(reg::kTrafficListed, 2);
    b.start(64, 3, 1, in_order(traffic::Order::List));
    for (const std::uint64_t address : {0x7000, 0x9000, 0x7000}) {
        const pcie::Tlp tlp = b.take();
        CHECK(tlp.address == address);
        b.answer(tlp);
    }
}

TEST_CASE("traffic: latencies and elapsed time leave the ignored blocks out") {
    Bench b;
    b.set(reg::kTrafficIgnored, 1);
    b.start(64, 2, 1, 0);
    for (const std::uint64_t latency : {1000, 200, 300}) {
        b.pass(TimePs{latency});
        b.answer(b.take());
    }
    CHECK(b.get(reg::kTrafficSum, 8) == 500);
    CHECK(b.get(reg::kTrafficElapsed, 8) == 500);
    CHECK(b.get(reg::kTrafficShortest, 8) == 200);
    CHECK(b.get(reg::kTrafficLongest, 8) == 300);
    CHECK(b.get(reg::kTrafficJournaled) == 2);
    CHECK(b.get(reg::kJournal, 8) == (200 | std::uint64_t{300} << 32U));
}

TEST_CASE("traffic: through the DMA engine requests leave later and data come through it") {
    RequesterParams params = requester_param_table().defaults();
    params.engine_latency = 50_ns;
    params.engine_bandwidth = 1000;  // a byte a nanosecond
    Bench b(params);
    b.start(64, 1, 1, traffic::kEngine);
    CHECK(b.sent.empty());
    b.pass(50_ns);
    b.answer(b.take());
    CHECK(b.state() == State::Busy);
    b.pass(64_ns);
    CHECK(b.state() == State::Done);
    CHECK(b.get(reg::kTrafficSum, 8) == 114'000);
}

TEST_CASE("traffic: the DMA engine has no more under way than it can") {
    RequesterParams params = requester_param_table().defaults();
    params.engine_latency = 1_ns;
    params.engine_outstanding = 4;
    Bench b(params);
    b.start(64, 100, 0, traffic::kEngine);
    b.pass(1_ns);
    CHECK(b.sent.size() == 4);
}

TEST_CASE("traffic: written blocks follow each other as the link takes them") {
    Bench b;
    b.start(512, 2, 1, traffic::kWrite);
    CHECK(b.sent.size() == 2);  // two payloads of 256 bytes
    b.pass(TimePs{100});
    CHECK(b.sent.size() == 4);
    b.held = true;
    b.pass(TimePs{50});
    CHECK(b.state() == State::Busy);
    b.held = false;
    b.pass(TimePs{100});
    CHECK(b.state() == State::Done);
}

TEST_CASE("traffic: a block is split at pages and counts when all of it is there") {
    Bench b;
    b.set(reg::kData, 0x1FC0, 8);
    b.set(reg::kTrafficListed, 1);
    b.start(128, 1, 1, in_order(traffic::Order::List));
    const pcie::Tlp first = b.take();
    const pcie::Tlp second = b.take();
    CHECK(second.address == 0x2000);
    b.answer(second);
    CHECK(b.state() == State::Busy);
    b.answer(first);
    CHECK(b.state() == State::Done);
}

TEST_CASE("traffic: requests that fail are counted and name the outcome") {
    Bench b;
    b.start(64, 1, 1, 0);
    b.core.answer(g_now, pcie::make_completion(b.take(), pcie::CplStatus::UnsupportedRequest));
    CHECK(b.state() == State::Done);
    CHECK(b.outcome() == Outcome::UnsupportedRequest);
    CHECK(b.get(reg::kTrafficFailed) == 1);
}

TEST_CASE("traffic: what makes no sense is refused") {
    Bench b;
    b.start(64, 1, 1, 0, 32);  // the window is smaller than a block
    CHECK(b.outcome() == Outcome::Refused);
    CHECK(b.sent.empty());
}

TEST_CASE("traffic: a reset forgets it, late completions included") {
    Bench b;
    b.start(64, 1, 1, 0);
    pcie::Tlp order;
    order.kind = pcie::TlpKind::ConfigWrite;
    order.address = pcie::config::kDevCtl;
    order.length = 2;
    order.data = {0x10, 0xA8};  // initiate function-level reset
    b.core.configure(g_now, order);
    CHECK(b.state() == State::Idle);
    b.answer(b.take());
    CHECK(b.get(reg::kTrafficEnded) == 0);
}
