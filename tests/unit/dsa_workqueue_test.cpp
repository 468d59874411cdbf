#include <doctest/doctest.h>

#include "models/dsa/arbiter.hpp"
#include "models/dsa/workqueue.hpp"

using namespace ioasim;
using namespace ioasim::dsa;

namespace {

constexpr bool kNonPosted = true;
constexpr bool kPosted = false;
constexpr bool kLimited = true;
constexpr bool kUnlimited = false;

void write(Workqueue& wq, const WqConfig& config) {
    const WqcfgDwords dwords = encode(config);
    for (std::uint64_t i = 0; i < dwords.size(); ++i) {
        wq.write(i, dwords.at(i), true);
    }
}

Workqueue shared_queue(std::uint32_t size, std::uint32_t threshold) {
    Workqueue wq(WqReset{~std::uint64_t{0}});
    WqConfig c;
    c.size = size;
    c.threshold = threshold;
    c.priority = 5;
    c.pasid_enable = true;
    write(wq, c);
    wq.set_state(WqState::Enabled);
    return wq;
}

Workqueue dedicated_queue(std::uint32_t size) {
    Workqueue wq(WqReset{~std::uint64_t{0}});
    WqConfig c;
    c.size = size;
    c.dedicated = true;
    c.priority = 5;
    write(wq, c);
    wq.set_state(WqState::Enabled);
    return wq;
}

Work work(std::uint64_t number) {
    Work w;
    w.number = number;
    return w;
}

}  // namespace

TEST_CASE("workqueue: limited portals fill to the threshold, unlimited ones to the size") {
    Workqueue wq = shared_queue(4, 3);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Accept);
        wq.push(work(i));
    }
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Retry);
    CHECK(wq.admit(kNonPosted, kUnlimited, true) == Admission::Accept);
    wq.push(work(4));
    CHECK(wq.admit(kNonPosted, kUnlimited, true) == Admission::Retry);
}

TEST_CASE("workqueue: a pop makes room below the threshold again") {
    Workqueue wq = shared_queue(4, 1);
    wq.push(work(1));
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Retry);
    CHECK(wq.pop().number == 1);
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Accept);
}

TEST_CASE("workqueue: disabled and busy queues and a disabled device answer retry") {
    Workqueue wq = shared_queue(4, 4);
    CHECK(wq.admit(kNonPosted, kLimited, false) == Admission::Retry);
    wq.set_state(WqState::Busy);
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Retry);
    wq.set_state(WqState::Disabled);
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Retry);
}

TEST_CASE(
    "workqueue: the wrong kind of store is dropped on a shared, retried on a dedicated queue") {
    CHECK(shared_queue(4, 4).admit(kPosted, kLimited, true) == Admission::Dropped);
    CHECK(dedicated_queue(4).admit(kPosted, kLimited, false) == Admission::Dropped);
    CHECK(dedicated_queue(4).admit(kNonPosted, kLimited, true) == Admission::Retry);
    CHECK(dedicated_queue(4).admit(kPosted, kLimited, true) == Admission::Accept);
}

TEST_CASE("workqueue: a dedicated queue ignores thresholds and loses what overflows") {
    Workqueue wq = dedicated_queue(2);
    wq.push(work(1));
    wq.push(work(2));
    CHECK(wq.admit(kPosted, kLimited, true) == Admission::Overflow);
}

TEST_CASE("workqueue: first in, first out across the end of the ring") {
    Workqueue wq = shared_queue(3, 3);
    std::uint64_t next = 1;
    std::uint64_t expected = 1;
    for (int round = 0; round < 10; ++round) {
        wq.push(work(next++));
        wq.push(work(next++));
        CHECK(wq.pop().number == expected++);
        CHECK(wq.pop().number == expected++);
    }
}

TEST_CASE("workqueue: dropping keeps the others in order") {
    Workqueue wq = shared_queue(5, 5);
    for (std::uint64_t i = 1; i <= 5; ++i) {
        wq.push(work(i));
    }
    std::vector<std::uint64_t> dropped;
    wq.drop_if([](const Work& w) { return w.number % 2 == 0; },
               [&](const Work& w) { dropped.push_back(w.number); });
    CHECK(dropped == std::vector<std::uint64_t>{2, 4});
    CHECK(wq.pop().number == 1);
    CHECK(wq.pop().number == 3);
    CHECK(wq.pop().number == 5);
}

TEST_CASE("workqueue: a threshold above the size counts as the size") {
    Workqueue wq = shared_queue(1, 9);
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Accept);
    wq.push(work(1));
    CHECK(wq.admit(kNonPosted, kLimited, true) == Admission::Retry);
}

TEST_CASE("workqueue: while the device runs an enabled queue lets its threshold be written") {
    Workqueue wq = shared_queue(4, 4);
    CHECK(wq.write(kWqcfgThresholdDword, 2, false));
    CHECK(wq.config().threshold == 2);
    for (const std::uint64_t dword : {std::uint64_t{kWqcfgSizeDword}, kWqcfgPasidDword,
                                      std::uint64_t{3}, std::uint64_t{4}, kWqcfgOperationsDword}) {
        CHECK_FALSE(wq.write(dword, 0, false));
    }
}

TEST_CASE("workqueue: while the device runs a disabled queue keeps its size alone") {
    Workqueue wq = shared_queue(4, 4);
    wq.set_state(WqState::Disabled);
    CHECK_FALSE(wq.write(kWqcfgSizeDword, 8, false));
    CHECK(wq.write(3, 0x14C, false));
    CHECK(wq.config().max_batch_shift == 10);
    CHECK(wq.write(kWqcfgOperationsDword, 1, false));
    CHECK(wq.write(kWqcfgPasidDword, 0x1000'0051, false));
    CHECK(wq.config().dedicated);
    CHECK(wq.config().size == 4);
}

TEST_CASE("workqueue: WQCFG shows occupancy and state, and they cannot be written") {
    Workqueue wq = shared_queue(4, 4);
    wq.push(work(1));
    CHECK(wq.read(kWqcfgStateDword) == 0x4000'0001);
    wq.write(kWqcfgStateDword, 0, true);
    CHECK(wq.read(kWqcfgStateDword) == 0x4000'0001);
}

TEST_CASE("arbiter: priority 6 gets three dispatches for each of priority 2") {
    GroupArbiter arbiter(2);
    unsigned first = 0;
    for (unsigned i = 0; i < 400; ++i) {
        first += arbiter.pick({{0, 6}, {1, 2}}) == 0 ? 1 : 0;
    }
    CHECK(first == 300);
}

TEST_CASE("arbiter: queues take turns until their counters are used up") {
    GroupArbiter arbiter(2);
    std::vector<std::uint32_t> order;
    for (unsigned i = 0; i < 9; ++i) {
        order.push_back(arbiter.pick({{0, 6}, {1, 2}}));
    }
    CHECK(order == std::vector<std::uint32_t>{0, 1, 0, 1, 0, 0, 0, 0, 1});
}

TEST_CASE("arbiter: a queue that was empty comes at its next turn, whatever its priority") {
    GroupArbiter arbiter(2);
    for (unsigned i = 0; i < 100; ++i) {
        arbiter.pick({{0, 15}});
    }
    CHECK(arbiter.pick({{0, 15}, {1, 1}}) == 1);
    CHECK(arbiter.pick({{0, 15}, {1, 1}}) == 0);
    CHECK(arbiter.pick({{0, 15}, {1, 1}}) == 0);  // its counter is empty
}
