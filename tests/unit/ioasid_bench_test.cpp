// What `bench ioasid` times is what its rows say.
#include <doctest/doctest.h>

#include "tools/cli/bench/bench.hpp"
#include "tools/cli/bench/ioasid_load.hpp"

using namespace ioasim;
using namespace ioasim::tools;

namespace {

constexpr std::size_t kSets = 10;
constexpr std::size_t kIds = 200;

// Every set has its IDs, all of them IDLE.
void check_full(const IoasidLoad& load) {
    CHECK(load.core().ids().size() == kIds);
    for (const IoasidView& view : load.core().ids()) {
        CHECK(view.state == IoasidState::Idle);
    }
    for (const IoasidSet* set : load.core().sets()) {
        CHECK(set->live() == kIds / kSets);
    }
}

}  // namespace

TEST_CASE("bench ioasid: IDs are handed out in turn, or set by set") {
    for (const bool round_robin : {true, false}) {
        IoasidLoad load({kSets, kIds, round_robin});
        CHECK(load.fill() == kIds);
        check_full(load);
        const bool neighbours =
            load.core().view(Ioasid{1})->set == load.core().view(Ioasid{2})->set;
        CHECK(neighbours == !round_robin);
    }
}

TEST_CASE("bench ioasid: each loop leaves as many IDs as it found") {
    IoasidLoad load({kSets, kIds});
    load.fill();
    for (const auto loop :
         {&IoasidLoad::empty, &IoasidLoad::alloc_free_same, &IoasidLoad::alloc_free_random,
          &IoasidLoad::get_put, &IoasidLoad::find, &IoasidLoad::find_set, &IoasidLoad::life}) {
        CHECK((load.*loop)(1000) == 1000);
        check_full(load);
    }
}

TEST_CASE("bench ioasid: FREE reaches three handlers, ALLOC two") {
    IoasidLoad load({kSets, kIds, true, true});
    load.fill();
    CHECK(load.heard() == 2 * kIds);
    load.life(1000);
    CHECK(load.heard() == 2 * kIds + 5 * 1000);
}

TEST_CASE("bench ioasid: SPIDs are attached to the sets that are searched") {
    IoasidLoad load({kSets, kIds});
    load.fill();
    load.attach_spids(3, 20);
    load.find_by_spid(1000, 3, 20);
    load.detach_attach(1000, 3, 20);
    std::size_t named = 0;
    for (const IoasidView& view : load.core().ids()) {
        named += view.spid != kNoSpid ? 1U : 0U;
    }
    CHECK(named == 3 * 20);
    load.detach_spids(3, 20);
    for (const IoasidView& view : load.core().ids()) {
        CHECK(view.spid == kNoSpid);
    }
}

TEST_CASE("bench: an unknown name is a usage error") {
    CHECK(run_bench({"nothing"}) == 2);
    CHECK(run_bench({}) == 2);
    CHECK(run_bench({"ioasid", "hop"}) == 2);
}
