// The invalidation checker: page ranges and paging-structure caches.
#include <doctest/doctest.h>

#include "tests/support/checker_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

}  // namespace

TEST_CASE("invalidation: by pages it depends on the kind of translation what is covered") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.entry_set(201);
    SUBCASE("in a domain other pages of a nested translation") {
        h.fill("iotlb", 201, 0x1000);
        h.invalidate("iotlb", "page", kNone, 0x9000, 0x1000);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("in a domain the named pages of a second stage alone") {
        h.fill("iotlb", 201, 0x1000, 2, 2);
        h.invalidate("iotlb", "page", kNone, 0x9000, 0x1000);
        h.wait_done();
        CHECK(h.found() == "");
        h.invalidate("iotlb", "page", kNone, 0x1000, 0x1000);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("in a PASID no page of a second stage") {
        h.fill("iotlb", 201, 0x1000, 2, 2);
        h.invalidate("piotlb", "page", 201, 0x1000, 0x1000);
        h.wait_done();
        CHECK(h.found() == "");
    }
}

TEST_CASE("invalidation: paging-structure entries go with their address space") {
    CheckerHarness h;
    h.alloc("vm1", 201);
    h.fill("first_stage", 201, 0x200000);
    h.fill("second_stage", kNone, 0x200000);
    SUBCASE("PASID: the first stage") {
        h.invalidate("piotlb", "pasid", 201);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
    SUBCASE("PASID: the second stage stays") {
        h.invalidate("piotlb", "pasid", 201);
        h.drop("first_stage", 201, 0x200000);
        h.wait_done();
        CHECK(h.found() == "");
    }
    SUBCASE("domain: both") {
        h.invalidate("iotlb", "domain", kNone);
        h.drop("first_stage", 201, 0x200000);
        h.wait_done();
        CHECK(h.found() == "invalidation.survived_wait");
    }
}
