// A million random requests over random tables: what the unit does with its caches is what a plain
// translation without caches says, as long as software invalidates; where it does not, what differs
// is the old mapping.
#include <cstdlib>
#include <iostream>

#include <doctest/doctest.h>

#include "models/vtd/vtd_probes.hpp"
#include "tests/random/vtd_world.hpp"

using namespace ioasim;
using namespace ioasim::test;
using ioasim::vtd::Coarseness;
using ioasim::vtd::Replacement;
using ioasim::vtd::VtdParams;

namespace {

constexpr unsigned kHostBits = 46;
constexpr unsigned kGuestBits = 57;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}
// VTD_SEED repeats or varies a run.
std::uint64_t first_seed() {
    static const std::uint64_t seed = number_from("VTD_SEED", 20260101);
    return seed;
}

struct CacheChoice {
    const char* name;
    std::uint64_t structures;  // context and PASID entries
    std::uint64_t iotlb;
    std::uint64_t tables;  // paging-structure entries a level
    std::uint64_t ways;
    Replacement replacement = Replacement::LeastRecentlyUsed;
    Coarseness coarseness = Coarseness::Exact;
    std::uint64_t largest_level = 3;
    std::uint64_t self_eviction = 0;
};
constexpr CacheChoice kChoices[] = {
    {"no caches", 0, 0, 0, 1},
    {"one entry each", 1, 1, 1, 1},
    {"small, 2 ways", 4, 8, 4, 2},
    {"full, first out", 64, 512, 64, 512, Replacement::FirstInFirstOut},
    {"full, random, cut pages", 64, 512, 64, 512, Replacement::Random, Coarseness::Exact, 1},
    {"tables only", 16, 0, 64, 4},
    {"no tables, entries go", 16, 64, 0, 4, Replacement::LeastRecentlyUsed, Coarseness::Exact, 3,
     100'000},
    {"coarse", 16, 64, 16, 4, Replacement::Random, Coarseness::Tag, 2},
};

VtdParams params_of(const CacheChoice& choice) {
    VtdParams p = vtd::vtd_param_table().defaults();
    p.context_entries = p.pasid_entries = choice.structures;
    p.iotlb_entries = choice.iotlb;
    p.first_stage_entries = p.second_stage_entries = choice.tables;
    p.context_ways = p.pasid_ways = p.iotlb_ways = choice.ways;
    p.first_stage_ways = p.second_stage_ways = choice.ways;
    p.replacement = choice.replacement;
    p.coarseness = choice.coarseness;
    p.iotlb_largest_level = choice.largest_level;
    p.self_eviction = choice.self_eviction;
    return p;
}

std::string text_of(const OracleRequest& r) {
    return fmt::format("{} of {:#06x}, PASID {}, {:#x}{}", r.write ? "write" : "read", r.rid,
                       r.pasid ? std::to_string(*r.pasid) : "none", r.address,
                       r.privileged ? ", privileged" : "");
}
std::string text_of(const std::optional<std::uint64_t>& out) {
    return out ? fmt::format("{:#x}", *out) : "blocked";
}

struct Episode {
    Episode(const VtdParams& params, std::uint64_t seed)
        : rig(params, seed),
          world(rig, seed, seed % 4 == 3),  // every fourth in legacy mode
          oracle([this](std::uint64_t at) { return rig.load(at); }, kHostBits, kGuestBits),
          random(seed, "test", "episode") {
        rig.enable(world.root_register());
    }
    std::optional<std::uint64_t> expected(const OracleRequest& r) const {
        return oracle.translate(world.root_register(), r);
    }
    VtdRig rig;
    VtdWorld world;
    VtdOracle oracle;
    RandomStream random;
};

struct Totals {
    std::uint64_t requests = 0;
    std::uint64_t passed = 0;
    std::uint64_t changes = 0;
    std::string wrong;
};

// Requests and changes in turn; some requests are under way while tables change, which may answer
// either way but must not leave anything behind.
void run_episode(const VtdParams& params, std::uint64_t seed, unsigned steps, Totals& totals,
                 const Defect* defect = nullptr) {
    Episode e(params, seed);
    if (defect != nullptr) {
        e.rig.probes.enable(*defect);
    }
    for (unsigned step = 0; step < steps && totals.wrong.empty(); ++step) {
        const OracleRequest r = e.world.request();
        const auto expected = e.expected(r);
        const auto found = e.rig.run(r);
        ++totals.requests;
        totals.passed += found ? 1 : 0;
        if (found != expected) {
            totals.wrong = fmt::format("seed {}, step {}: {}: the unit says {}, the tables {}",
                                       seed, step, text_of(r), text_of(found), text_of(expected));
        }
        if (e.random.below(16) == 0 && e.rig.room(16)) {
            for (std::uint64_t more = e.random.below(8); more != 0; --more) {
                e.rig.send(e.world.request());
                ++totals.requests;
            }
            e.rig.answer(static_cast<unsigned>(e.random.below(40)));
            const VtdWorld::Change change = e.world.change();
            ++totals.changes;
            if (!change.invalidations.empty()) {
                e.rig.invalidate(change.invalidations);
            }
            e.rig.settle();
            e.rig.forget_outcomes();
        }
    }
}

// The first request that a change without its invalidation sends astray, explained.
struct Stale {
    bool found = false;
    bool explained = false;
    std::string text;
};
Stale look_for_stale(const VtdParams& params, std::uint64_t seed) {
    Stale stale;
    Episode e(params, seed);
    for (unsigned round = 0; round < 40 && !stale.found; ++round) {
        for (unsigned i = 0; i < 64; ++i) {
            e.rig.run(e.world.request());
        }
        const VtdWorld::Change change = e.world.change();
        if (change.invalidations.empty()) {
            continue;
        }
        const VtdOracle old(
            [&](std::uint64_t at) { return at == change.at ? change.before : e.rig.load(at); },
            kHostBits, kGuestBits);
        for (unsigned i = 0; i < 400 && !stale.found; ++i) {
            const OracleRequest r = e.world.request();
            const auto expected = e.expected(r);
            const auto before = old.translate(e.world.root_register(), r);
            const auto found = e.rig.run(r);
            stale.found = found != expected;
            stale.explained = stale.found && found == before;
            stale.text = fmt::format(
                "seed {}: {}, not invalidated; {}: the unit says {}, the "
                "tables {}, before the change {}",
                seed, change.what, text_of(r), text_of(found), text_of(expected), text_of(before));
        }
        e.rig.invalidate(change.invalidations);
    }
    return stale;
}

}  // namespace

TEST_CASE("random vtd: a million requests agree with a plain translation of the same tables") {
    constexpr unsigned kSteps = 2000;
    const std::uint64_t wanted = number_from("VTD_REQUESTS", 1'000'000);
    Totals totals;
    std::uint64_t seed = first_seed();
    for (; totals.requests < wanted && totals.wrong.empty(); ++seed) {
        const CacheChoice& choice = kChoices[seed / 2 % std::size(kChoices)];
        INFO("caches: " << choice.name);
        run_episode(params_of(choice), seed, kSteps, totals);
        CHECK_MESSAGE(totals.wrong.empty(), totals.wrong);
    }
    // Neither nearly all nor nearly none may pass, or the tables test nothing.
    CHECK(totals.passed * 10 > totals.requests * 2);
    CHECK(totals.passed * 10 < totals.requests * 9);
    std::cout << "note: vtd agrees with the plain translation: seed " << first_seed() << ", "
              << totals.requests << " requests, " << totals.passed << " passed, " << totals.changes
              << " changes" << std::endl;
}

TEST_CASE("random vtd: what a missing invalidation leaves is the old mapping") {
    unsigned found = 0;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + 64; ++seed) {
        const Stale stale = look_for_stale(params_of(kChoices[3]), seed);
        found += stale.found ? 1 : 0;
        CHECK_MESSAGE((!stale.found || stale.explained), stale.text);
        if (stale.found && found == 1) {
            std::cout << "note: stale: " << stale.text << std::endl;
        }
    }
    CHECK(found > 48);
}

TEST_CASE("random vtd: without caches nothing is stale, whatever is not invalidated") {
    for (std::uint64_t seed = first_seed(); seed < first_seed() + 8; ++seed) {
        const Stale stale = look_for_stale(params_of(kChoices[0]), seed);
        CHECK_MESSAGE(!stale.found, stale.text);
    }
}

TEST_CASE("random vtd: the comparison sees defects of the caches") {
    for (const Defect* const defect :
         {&vtd::kStructureCacheSurvives, &vtd::kHintInverted, &vtd::kStaleFillKept,
          &vtd::kSkipIotlbInvalidation, &vtd::kIotlbTagWithoutPasid}) {
        Totals totals;
        for (std::uint64_t seed = first_seed(); seed < first_seed() + 400; ++seed) {
            run_episode(params_of(kChoices[3]), seed, 2000, totals, defect);
            if (!totals.wrong.empty()) {
                break;
            }
        }
        CHECK_MESSAGE(!totals.wrong.empty(), defect->name());
    }
}
