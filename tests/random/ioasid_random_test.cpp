// Random operations against reference models.
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "core/ioasid/id_table.hpp"
#include "tests/random/ioasid_pair.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

void check_agreement(Profile profile, const char* runs, std::uint64_t least) {
    const RandomRun run(runs);
    std::uint64_t operations = 0;
    CHECK(rc::check("results, calls and state", [&] {
        const std::vector<Word> ops = *words();
        // With a listener the core takes its steps one by one, without one it may take them at
        // once: the answers are the same.
        Pair pair(profile, ops.size() % 2 != 0);
        for (const Word word : ops) {
            pair.step(word);
            ++operations;
        }
    }));
    run.tell("core and model agree, profile " + std::string(profile_name(profile)), operations);
    CHECK((!run.as_declared() || operations >= least));
}

}  // namespace

TEST_CASE("random ioasid: the number table agrees with a sorted set") {
    const RandomRun run("max_success=400");
    CHECK(rc::check("lowest free number, insertion, removal", [] {
        IdTable table;
        std::set<std::uint32_t> model;
        for (const Word word : *words()) {
            // Dense, around a chunk boundary, around the end of 20 bits, and beyond.
            const std::uint32_t base[] = {0, 250, 0xFFFF0, 0xFFFFFFF0};
            const std::uint32_t min = base[bits(word, 0, 2)] + bits(word, 2, 4);
            const std::uint32_t max = bits(word, 6, 1) != 0 ? min + bits(word, 7, 3) : min + 700;
            std::optional<std::uint32_t> expected;
            for (std::uint64_t id = min; id <= std::max(max, min) && !expected; ++id) {
                if (model.count(static_cast<std::uint32_t>(id)) == 0 && max >= min) {
                    expected = static_cast<std::uint32_t>(id);
                }
            }
            if (bits(word, 12, 1) != 0) {
                RC_ASSERT(table.lowest_free(min, max) == expected);
            }
            if (expected && bits(word, 10, 2) == 1) {
                table.insert(*expected);
                model.insert(*expected);
            } else if (bits(word, 10, 2) != 0) {
                const IoasidEntry* made = table.insert_lowest_free(min, max);
                RC_ASSERT((made != nullptr) == expected.has_value());
                if (made != nullptr) {
                    RC_ASSERT(made->id == *expected);
                    RC_ASSERT(table.find(*expected) == made);
                    model.insert(*expected);
                }
            } else if (!model.empty()) {
                auto at = model.lower_bound(min);
                at = at == model.end() ? model.begin() : at;
                table.erase(*table.find(*at));
                RC_ASSERT(table.find(*at) == nullptr);
                model.erase(at);
            }
            RC_ASSERT(table.size() == model.size());
        }
        std::vector<std::uint32_t> walked;
        table.for_each([&](const IoasidEntry& entry) { walked.push_back(entry.id); });
        RC_ASSERT(walked == std::vector<std::uint32_t>(model.begin(), model.end()));
    }));
}

TEST_CASE("random ioasid: spec agrees with a reference model after every operation") {
    check_agreement(Profile::Spec, "max_success=4400", 1'000'000);
}
TEST_CASE("random ioasid: v4 agrees with a reference model after every operation") {
    check_agreement(Profile::V4, "max_success=2400", 500'000);
}
TEST_CASE("random ioasid: dcp agrees with a reference model after every operation") {
    check_agreement(Profile::Dcp, "max_success=2400", 500'000);
}
