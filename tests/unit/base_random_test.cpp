#include <doctest/doctest.h>

#include <array>
#include <set>

#include "core/base/check.hpp"
#include "core/base/chooser.hpp"
#include "core/base/random.hpp"

using namespace ioasim;

TEST_CASE("random: the hash is FNV-1a with its published test values") {
    CHECK(stable_hash("") == 0xCBF29CE484222325);
    CHECK(stable_hash("a") == 0xAF63DC4C8601EC8C);
    CHECK(stable_hash("foobar") == 0x85944171F73967E8);
}

TEST_CASE("random: the generator is SplitMix64 with its published sequence for state 0") {
    // With no purpose the state is hash(component, "/") xor seed: this seed makes it 0.
    RandomStream stream{stable_hash("/", stable_hash("x")), "x", ""};
    CHECK(stream.next() == 0xE220A8397B1DCDAF);
    CHECK(stream.next() == 0x6E789E6AA1B965F4);
    CHECK(stream.next() == 0x06C45D188009454F);
}

TEST_CASE("random: what another component draws does not move a stream") {
    RandomStream alone{7, "dsa0", "latency"};
    RandomStream among{7, "dsa0", "latency"};
    RandomStream other{7, "dsa1", "latency"};
    for (int i = 0; i < 100; ++i) {
        other.next();
        CHECK(alone.next() == among.next());
    }
}

TEST_CASE("random: seed, component and purpose each give another stream") {
    std::set<std::uint64_t> first;
    first.insert(RandomStream(1, "a", "b").next());
    first.insert(RandomStream(2, "a", "b").next());
    first.insert(RandomStream(1, "c", "b").next());
    first.insert(RandomStream(1, "a", "c").next());
    first.insert(RandomStream(1, "ab", "").next());
    CHECK(first.size() == 5);
}

TEST_CASE("random: bounds are kept, and every value occurs") {
    RandomStream stream{1, "test", "bounds"};
    std::array<int, 7> seen{};
    for (int i = 0; i < 7000; ++i) {
        ++seen.at(stream.below(7));
    }
    for (const int count : seen) {
        CHECK(count > 800);
        CHECK(count < 1200);
    }
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t value = stream.between(10, 12);
        CHECK(value >= 10);
        CHECK(value <= 12);
    }
    CHECK(stream.between(5, 5) == 5);
    CHECK_THROWS_AS(stream.below(0), ModelBug);
    CHECK_THROWS_AS(stream.between(2, 1), ModelBug);
}

TEST_CASE("random: a chance of all or none is certain") {
    RandomStream stream{1, "test", "chance"};
    for (int i = 0; i < 100; ++i) {
        CHECK(stream.chance(3, 3));
        CHECK_FALSE(stream.chance(0, 3));
    }
}

TEST_CASE("chooser: the default takes the first, a seeded one every candidate, repeatably") {
    FirstChooser fixed;
    CHECK(fixed.choose({"lock.waiter", 5}) == 0);
    SeededChooser a{3};
    SeededChooser b{3};
    std::set<std::size_t> seen;
    for (int i = 0; i < 100; ++i) {
        const std::size_t pick = a.choose({"lock.waiter", 5});
        CHECK(pick == b.choose({"lock.waiter", 5}));
        CHECK(pick < 5);
        seen.insert(pick);
    }
    CHECK(seen.size() == 5);
}
