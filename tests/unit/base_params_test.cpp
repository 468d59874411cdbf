#include <doctest/doctest.h>

#include "core/base/params.hpp"

using namespace ioasim;

namespace {

enum class Policy : std::uint8_t { Lru, Random };

struct CacheParams {
    std::uint64_t entries = 0;
    std::uint64_t latency = 0;
    bool enabled = false;
    Policy policy = Policy::Lru;
};

ParamTable<CacheParams> cache_table() {
    ParamTable<CacheParams> table{"cache"};
    table.count("entries", &CacheParams::entries, 1, 64, 8, "how many", "modelling choice")
        .count("latency", &CacheParams::latency, 1, 1'000'000, 5'000, "how long",
               "modelling choice", Unit::Time)
        .flag("enabled", &CacheParams::enabled, true, "whether", "modelling choice")
        .choice("policy", &CacheParams::policy, {"lru", "random"}, Policy::Random, "who goes",
                "modelling choice");
    return table;
}

}  // namespace

TEST_CASE("params: defaults fill every member") {
    const CacheParams params = cache_table().defaults();
    CHECK(params.entries == 8);
    CHECK(params.latency == 5'000);
    CHECK(params.enabled);
    CHECK(params.policy == Policy::Random);
}

TEST_CASE("params: a value is set by path and read back by index") {
    const auto table = cache_table();
    CacheParams params = table.defaults();
    CHECK(table.set(params, "latency", 7'000));
    CHECK(params.latency == 7'000);
    CHECK(table.set(params, "policy", 0));
    CHECK(params.policy == Policy::Lru);
    CHECK(table.set(params, "enabled", 0));
    CHECK_FALSE(params.enabled);
    for (std::size_t i = 0; i < table.params().size(); ++i) {
        const std::uint64_t expected = i == 0 ? 8 : i == 1 ? 7'000 : 0;
        CHECK(table.get(params, i) == expected);
    }
}

TEST_CASE("params: what hardware would round is refused") {
    struct Sizes {
        std::uint64_t payload = 0;
        std::uint64_t memory = 0;
    };
    ParamTable<Sizes> table{"sizes"};
    table.count("payload", &Sizes::payload, 64, 4096, 256, "a", "b").in_powers_of_two();
    table.count("memory", &Sizes::memory, 0, 1 << 20, 4096, "a", "b").in_multiples_of(4096);
    Sizes sizes = table.defaults();
    CHECK_FALSE(table.set(sizes, "payload", 65));
    CHECK(table.set(sizes, "payload", 64));
    CHECK_FALSE(table.set(sizes, "memory", 4097));
    CHECK(table.set(sizes, "memory", 0));
    CHECK(table.set(sizes, "memory", 1 << 20));
    CHECK_THROWS(table.count("odd", &Sizes::memory, 0, 9, 3, "a", "b").in_powers_of_two());
}

TEST_CASE("params: a value outside of its range is refused and changes nothing") {
    const auto table = cache_table();
    CacheParams params = table.defaults();
    CHECK_FALSE(table.set(params, "entries", 0));
    CHECK_FALSE(table.set(params, "entries", 65));
    CHECK_FALSE(table.set(params, "policy", 2));
    CHECK_FALSE(table.set(params, "latency", 0));
    CHECK(params.entries == 8);
    CHECK(table.set(params, "entries", 64));
    CHECK(table.set(params, "entries", 1));
}

TEST_CASE("params: an unknown path is refused") {
    const auto table = cache_table();
    CacheParams params = table.defaults();
    CHECK_FALSE(table.set(params, "entrie", 8));
    CHECK(table.find("entrie") == nullptr);
    REQUIRE(table.find("entries") != nullptr);
    CHECK(table.find("entries")->high == 64);
}

TEST_CASE("params: a path declared twice is a bug of the table") {
    ParamTable<CacheParams> table{"cache"};
    table.flag("enabled", &CacheParams::enabled, true, "", "");
    CHECK_THROWS_AS(table.flag("enabled", &CacheParams::enabled, true, "", ""), ModelBug);
}

TEST_CASE("params: a default outside of its own range is a bug of the table") {
    ParamTable<CacheParams> table{"cache"};
    CHECK_THROWS_AS(table.count("entries", &CacheParams::entries, 1, 4, 5, "", ""), ModelBug);
}
