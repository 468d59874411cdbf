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
    Workqueue wq(WqReset{size, 31, 10, ~std::uint64_t{0}});
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
    Workqueue wq(WqReset{size, 31, 10, ~std::uint64_t{0}});
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

TEST_CASE("workqueue: the wrong kind of store is lost on a shared, retried on a dedicated queue") {
    CHECK(shared_queue(4, 4).admit(kPosted, kLimited, true) == Admission::Lost);
    CHECK(dedicated_queue(4).admit(kNonPosted, kLimited, true) == Admission::Retry);
    CHECK(dedicated_queue(4).admit(kPosted, kLimited, true) == Admission::Accept);
}

TEST_CASE("workqueue: a dedicated queue ignores thresholds and loses what overflows") {
    Workqueue wq = dedicated_queue(2);
    wq.push(work(1));
    wq.push(work(2));
    CHECK(wq.admit(kPosted, kLimited, true) == Admission::Lost);
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

TEST_CASE("workqueue: while the device runs only the PASID dword of a disabled queue is writable") {
    Workqueue wq = shared_queue(4, 4);
    CHECK_FALSE(wq.write(kWqcfgPasidDword, 0, false));
    wq.set_state(WqState::Disabled);
    CHECK_FALSE(wq.write(0, 8, false));
    CHECK(wq.write(kWqcfgPasidDword, 0x1000'0051, false));
    CHECK(wq.config().dedicated);
    CHECK(wq.config().size == 4);
}

TEST_CASE("workqueue: WQCFG shows occupancy and state, and they cannot be written") {
    Workqueue wq = shared_queue(4, 4);
    wq.push(work(1));
    CHECK(wq.read(kWqcfgStateDword) == 0x4000'0001);
    CHECK_FALSE(wq.write(kWqcfgStateDword, 0, true));
}

TEST_CASE("arbiter: priority 6 gets three dispatches for each of priority 2") {
    GroupArbiter arbiter(2);
    unsigned first = 0;
    unsigned second = 0;
    for (std::uint64_t i = 0; i < 400; ++i) {
        (arbiter.pick({{0, 6, 2 * i}, {1, 2, 2 * i + 1}}) == 0 ? first : second) += 1;
    }
    CHECK(first == 300);
    CHECK(second == 100);
}

TEST_CASE("arbiter: even shares go to the older head") {
    GroupArbiter arbiter(2);
    CHECK(arbiter.pick({{0, 5, 11}, {1, 5, 10}}) == 1);
}

TEST_CASE("arbiter: an idle queue does not save up a claim") {
    GroupArbiter arbiter(2);
    for (std::uint64_t i = 0; i < 100; ++i) {
        arbiter.pick({{0, 5, i}});
    }
    unsigned second = 0;
    for (std::uint64_t i = 0; i < 10; ++i) {
        second += arbiter.pick({{0, 5, 100 + i}, {1, 5, 200 + i}});
    }
    CHECK(second == 5);
}
