#include "core/base/number_map.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

using namespace ioasim;

TEST_CASE("number map: behaves as an ordered map under random changes") {
    NumberMap<std::uint32_t, std::uint64_t> map;
    std::map<std::uint32_t, std::uint64_t> model;
    std::uint64_t state = 1;
    for (int i = 0; i < 20'000; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        // Full leaves, leaves with gaps, and the highest number there is.
        const std::uint64_t drawn = (state >> 33U) % 300;
        const auto key = static_cast<std::uint32_t>(drawn < 200   ? drawn
                                                    : drawn < 299 ? drawn << 20U
                                                                  : 0xFFFF'FFFFU);
        if ((state & 0x100U) != 0) {
            map[key] = state;
            model[key] = state;
        } else {
            CHECK(map.erase(key) == model.erase(key));
        }
        REQUIRE(map.size() == model.size());
        REQUIRE(map.count(key) == model.count(key));
    }
    std::vector<std::uint32_t> walked;
    for (const auto& [key, value] : map) {
        REQUIRE(model.count(key) == 1);
        CHECK(model.at(key) == value);
        CHECK(map.find(key)->second == value);
        walked.push_back(key);
    }
    std::vector<std::uint32_t> wanted;
    for (const auto& [key, value] : model) {
        wanted.push_back(key);
    }
    CHECK(walked == wanted);
}

TEST_CASE("number map: a walk goes on when numbers come and go") {
    NumberMap<std::uint32_t, int> map;
    for (const std::uint32_t key : {1U, 2U, 64U, 200U}) {
        map[key] = 1;
    }
    std::vector<std::uint32_t> walked;
    for (const auto& [key, value] : map) {
        walked.push_back(key);
        map.erase(key);
        if (key == 2) {
            map.erase(64);
            map[70] = 1;
        }
    }
    CHECK(walked == std::vector<std::uint32_t>{1, 2, 70, 200});
    CHECK(map.empty());
    CHECK(map.begin() == map.end());
}

TEST_CASE("number map: what is erased ends, and a new value starts anew") {
    NumberMap<std::uint64_t, std::shared_ptr<int>> map;
    const auto held = std::make_shared<int>(7);
    const std::uint64_t key = (std::uint64_t{3} << 32U) | 5;
    map[key] = held;
    map[key + 1] = held;
    CHECK(held.use_count() == 3);
    const auto* place = &map.at(key + 1);
    map.erase(map.find(key));
    CHECK(held.use_count() == 2);
    CHECK(map[key].use_count() == 0);
    CHECK(&map.at(key + 1) == place);
    CHECK_THROWS_AS(map.at(key + 2), std::out_of_range);
    CHECK(map.find(key + 2) == map.end());
    map.clear();
    CHECK(held.use_count() == 1);
    CHECK(map.erase(key) == 0);
}
