// The number table, capacity and sets.
#include <doctest/doctest.h>

#include "core/ioasid/id_table.hpp"
#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

// --- number table -----------------------------------------------------------------------------

TEST_CASE("id table: the lowest free number is found beside full chunks") {
    IdTable table;
    for (std::uint32_t id = 0; id < 1000; ++id) {
        table.insert(id);
    }
    CHECK(table.lowest_free(0, 0xFFFFF) == 1000U);
    table.erase(*table.find(700));
    CHECK(table.lowest_free(0, 0xFFFFF) == 700U);
    CHECK(table.lowest_free(701, 0xFFFFF) == 1000U);
    CHECK_FALSE(table.lowest_free(701, 999).has_value());
    CHECK_FALSE(table.lowest_free(5, 4).has_value());
}

TEST_CASE("id table: the 20-bit space can be filled to the last number, and not beyond") {
    IdTable table;
    for (std::uint32_t id = 0; id < kDefaultIoasidCapacity; ++id) {
        REQUIRE(table.lowest_free(0, kDefaultIoasidCapacity - 1) == id);
        table.insert(id);
    }
    CHECK_FALSE(table.lowest_free(0, kDefaultIoasidCapacity - 1).has_value());
    CHECK(table.lowest_free(0, 0xFFFFFFFE) == kDefaultIoasidCapacity);
}

TEST_CASE("id table: numbers beyond 20 bits are kept and walked in order") {
    IdTable table;
    table.insert(0xFFFFFFFE);
    table.insert(0x80000000);
    table.insert(3);
    std::vector<std::uint32_t> seen;
    table.for_each([&](const IoasidEntry& entry) { seen.push_back(entry.id); });
    CHECK(seen == std::vector<std::uint32_t>{3, 0x80000000, 0xFFFFFFFE});
    CHECK(table.lowest_free(0x80000000, 0x80000005) == 0x80000001U);
}

// --- capacity ---------------------------------------------------------------------------------

TEST_CASE("ioasid capacity: 20 bits by default, installed once") {
    IoasidHarness h;
    CHECK(h.core.capacity() == 0x100000);
    CHECK(h.core.install_capacity(h.ctx, 500));
    CHECK_FALSE(h.core.install_capacity(h.ctx, 600));
    CHECK(h.core.capacity() == 500);
}

TEST_CASE("ioasid capacity: a late install is refused in spec and over-commits in posted code") {
    IoasidHarness spec;
    spec.mm_set(1, 100);
    CHECK_FALSE(spec.core.install_capacity(spec.ctx, 50));
    IoasidHarness v4(Profile::V4);
    v4.mm_set(1, 100);
    CHECK(v4.core.install_capacity(v4.ctx, 50));
    CHECK(v4.core.available() == 50);
}

TEST_CASE("ioasid capacity: reserve takes, cancel gives back, both within bounds") {
    IoasidHarness h;
    h.core.install_capacity(h.ctx, 100);
    CHECK(*h.core.reserve_capacity(h.ctx, 30) == 30);
    CHECK(h.core.reserve_capacity(h.ctx, 71).error() == Errno::Enospc);
    CHECK(*h.core.cancel_capacity(h.ctx, 10) == 80);
    CHECK(h.core.cancel_capacity(h.ctx, 21).error() == Errno::Einval);
    CHECK(*h.core.reserve_capacity(h.ctx, 0) == 80);
    CHECK(h.core.available() == 0);
}

TEST_CASE("ioasid capacity: cancelling nearly 2^32 wraps in posted code only") {
    IoasidHarness spec;
    CHECK(spec.core.cancel_capacity(spec.ctx, 0xFFFFFFFF).error() == Errno::Einval);
    IoasidHarness v4(Profile::V4);
    CHECK(v4.core.cancel_capacity(v4.ctx, 0xFFFFFFFF).ok());
    CHECK(v4.core.available() == 0xFFFFF);
}

// --- sets -------------------------------------------------------------------------------------

TEST_CASE("ioasid set: refusals come in the documented order") {
    IoasidHarness h;
    h.core.install_capacity(h.ctx, 10);
    const auto make = [&](SetToken token, std::uint32_t quota, std::uint32_t type) {
        return h.core.set_alloc(h.ctx, token, quota, static_cast<SetType>(type), "x").error();
    };
    CHECK(make(0, 11, 3) == Errno::Einval);  // type out of range, before the quota
    CHECK(make(0, 11, 2) == Errno::Enospc);  // quota, before the token
    CHECK(make(0, 1, 2) == Errno::Einval);   // MM without token
    CHECK(make(0, 1, 0) == Errno::Einval);
    CHECK(make(7, 1, 2) == Errno::Ok);
    CHECK(make(7, 1, 2) == Errno::Eexist);
}

TEST_CASE("ioasid set: a token is unique within its type") {
    IoasidHarness h;
    CHECK(h.core.set_alloc(h.ctx, 7, 1, SetType::Mm, "a").ok());
    CHECK(h.core.set_alloc(h.ctx, 7, 1, SetType::None, "b").ok());
    CHECK(h.core.set_alloc(h.ctx, 7, 1, SetType::None, "c").error() == Errno::Eexist);
    CHECK(h.core.set_alloc(h.ctx, 0, 1, SetType::None, "d").ok());
    CHECK(h.core.set_alloc(h.ctx, 0, 1, SetType::None, "e").ok());
    IoasidHarness v4(Profile::V4);
    CHECK(v4.core.set_alloc(v4.ctx, 7, 1, SetType::None, "b").error() == Errno::Einval);
}

TEST_CASE("ioasid set: the quota limits live IDs, pending ones included, and goes back") {
    IoasidHarness h;
    h.core.install_capacity(h.ctx, 10);
    IoasidSet* set = h.mm_set(1, 2);
    CHECK(h.core.available() == 8);
    const Ioasid first = h.alloc(set);
    CHECK(is_valid(h.alloc(set)));
    CHECK_FALSE(is_valid(h.alloc(set)));
    h.get(set, first);
    h.core.free(h.ctx, set, first);
    CHECK_FALSE(is_valid(h.alloc(set)));  // the pending one still counts
    h.put(set, first);
    CHECK(is_valid(h.alloc(set)));
    h.core.free_all_in_set(h.ctx, set);
    CHECK(h.core.set_free(h.ctx, set) == Errno::Ok);
    CHECK(h.core.available() == 10);
}

TEST_CASE("ioasid set: V4 and the production kernel leak the quota of a dead set") {
    for (const Profile profile : {Profile::V4, Profile::Dcp}) {
        IoasidHarness h(profile);
        h.core.set_free(h.ctx, h.mm_set(1, 100));
        CHECK(h.core.available() == 0x100000 - 100);
    }
}

TEST_CASE("ioasid set: the quota of a living set moves within pool and live count") {
    IoasidHarness h;
    h.core.install_capacity(h.ctx, 15);
    IoasidSet* set = h.mm_set(1, 10);
    h.alloc(set);
    h.alloc(set);
    CHECK(h.core.adjust_set(h.ctx, set, 11) == Errno::Ok);  // one more, with five left
    CHECK(h.core.available() == 4);
    CHECK(h.core.adjust_set(h.ctx, set, 16) == Errno::Enospc);
    CHECK(h.core.adjust_set(h.ctx, set, 1) == Errno::Einval);
    CHECK(h.core.adjust_set(h.ctx, set, 2) == Errno::Ok);
    CHECK(h.core.available() == 13);
    IoasidHarness v4(Profile::V4);
    CHECK(v4.core.adjust_set(v4.ctx, v4.mm_set(1), 5) == Errno::Eopnotsupp);
}

TEST_CASE("ioasid set: live IDs keep it; the last reclaim after a refused free destroys it") {
    for (const Profile profile : {Profile::Spec, Profile::Dcp}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        const Ioasid id = h.alloc(set);
        CHECK(h.core.set_free(h.ctx, set) == Errno::Ebusy);
        CHECK(set->registered());
        h.core.free(h.ctx, set, id);
        CHECK_FALSE(set->registered());
    }
}

TEST_CASE("ioasid set: alloc after a refused set_free postpones the end in posted code only") {
    IoasidHarness spec;
    IoasidSet* set = spec.mm_set(1);
    spec.alloc(set);
    spec.core.set_free(spec.ctx, set);
    CHECK_FALSE(is_valid(spec.alloc(set)));
    IoasidHarness dcp(Profile::Dcp);
    set = dcp.mm_set(1);
    dcp.alloc(set);
    dcp.core.set_free(dcp.ctx, set);
    CHECK(is_valid(dcp.alloc(set)));
}

TEST_CASE("ioasid set: V4 destroys a set with its last ID, and its next use is a hazard") {
    IoasidHarness h(Profile::V4);
    IoasidSet* set = h.mm_set(1);
    h.core.free(h.ctx, set, h.alloc(set));
    CHECK_FALSE(set->registered());
    h.told({});
    CHECK_FALSE(is_valid(h.alloc(set)));
    const Lines told = h.told({"ioasid.hazard"});
    REQUIRE(told.size() == 1);
    CHECK(told[0] == "ioasid.hazard kind=destroyed_set actor=test lock=mm1 chain=ioasid_alloc");
    CHECK(h.core.set_free(h.ctx, set) == Errno::Einval);
}

TEST_CASE("ioasid set: walked ascending, found by mm") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(5);
    IoasidSet* other = h.mm_set(6);
    h.alloc(set, 300);
    h.alloc(other, 20);
    h.alloc(set, 10);
    std::vector<std::uint32_t> seen;
    CHECK(h.core.set_for_each(h.ctx, set, [&](Ioasid id) { seen.push_back(id.value()); }) == 2);
    CHECK(seen == std::vector<std::uint32_t>{10, 300});
    CHECK(h.core.find_mm_set(h.ctx, 6) == other);
    CHECK(h.core.find_mm_set(h.ctx, 7) == nullptr);
    CHECK(*h.core.find_set(h.ctx, Ioasid{20}) == other);
    CHECK(h.core.find_set(h.ctx, Ioasid{21}).error() == Errno::Enoent);
    CHECK(*h.core.find_sid(h.ctx, Ioasid{20}) == other->number());
}

TEST_CASE("ioasid set: free_all sends FREE for ACTIVE IDs only, ascending") {
    IoasidHarness h;
    LoggingBlock block(h.calls, "iommu", kPriorityIommu);
    h.core.register_notifier(h.ctx, nullptr, block);
    IoasidSet* set = h.mm_set(1);
    for (const std::uint32_t id : {30, 10, 20}) {
        h.alloc(set, id, id);
    }
    h.get(set, Ioasid{30});
    h.get(set, Ioasid{10});
    h.core.free_all_in_set(h.ctx, set);
    CHECK(h.calls == Lines{"iommu:FREE 10", "iommu:FREE 30"});
    CHECK(set->live() == 2);
    CHECK_FALSE(h.core.view(Ioasid{20}).has_value());
}

TEST_CASE("ioasid set: after free_all a pending ID is still found by SPID in spec, not in V4") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidSet* set = h.mm_set(1);
        const Ioasid id = h.alloc(set);
        h.get(set, id);
        h.core.attach_spid(h.ctx, set, id, Spid{101});
        h.core.free_all_in_set(h.ctx, set);
        const bool found = is_valid(h.core.find_by_spid(h.ctx, set, Spid{101}, false));
        CHECK(found == (profile == Profile::Spec));
    }
}

TEST_CASE("ioasid set: the first version's free_set frees the IDs and destroys if told to") {
    IoasidHarness h;
    IoasidSet* set = h.mm_set(1);
    h.alloc(set);
    CHECK(h.core.set_free_v1(h.ctx, set, false) == Errno::Ok);
    CHECK(set->live() == 0);
    CHECK(set->registered());
    CHECK(h.core.set_free_v1(h.ctx, set, true) == Errno::Ok);
    CHECK_FALSE(set->registered());
}

TEST_CASE("ioasid private set: own namespace, no quota, unseen by the global search") {
    IoasidHarness h;
    h.core.install_capacity(h.ctx, 1);
    IoasidSet* shared = h.mm_set(1, 1);
    IoasidSet* own = *h.core.set_alloc_private(h.ctx, 9, SetType::None, "aux");
    CHECK(h.core.available() == 0);
    CHECK(h.alloc(shared, 5).value() == 5);
    for (std::uint32_t id = 5; id < 15; ++id) {
        CHECK(h.alloc(own, 5).value() == id);
    }
    int data = 0;
    h.core.attach_data(h.ctx, own, Ioasid{6}, &data);
    CHECK(*h.core.find(h.ctx, own, Ioasid{6}) == &data);
    CHECK(h.core.find(h.ctx, nullptr, Ioasid{6}).error() == Errno::Enoent);
    CHECK(*h.core.find_set(h.ctx, Ioasid{5}) == shared);
    CHECK(h.core.find_set(h.ctx, Ioasid{6}).error() == Errno::Enoent);
    h.core.free_all_in_set(h.ctx, own);
    CHECK(own->live() == 0);
    CHECK(h.core.find_set(h.ctx, Ioasid{5}).ok());
    IoasidHarness v4(Profile::V4);
    CHECK(v4.core.set_alloc_private(v4.ctx, 0, SetType::None, "aux").error() == Errno::Einval);
}
