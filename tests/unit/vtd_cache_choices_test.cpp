// What the specification leaves to hardware: associativity, replacement, sizes of entries, sharing,
// coarser invalidation, entries that go by themselves.
#include <doctest/doctest.h>

#include "models/vtd/vtd_caches.hpp"

using namespace ioasim;
using namespace ioasim::vtd;

namespace {

struct IdentityHash {
    std::uint64_t operator()(std::uint64_t key) const { return key; }
};
using Array = SetAssociative<std::uint64_t, int, IdentityHash>;

// Fills keys 1, 2, 3 into a full array of two, with a use of 1 before the last.
std::string kept(Replacement replacement, std::uint64_t seed = 1) {
    Array array{2, 2, replacement, RandomStream{seed, "iommu0", "caches"}};
    array.insert(1, 0);
    array.insert(2, 0);
    array.find(1);
    array.insert(3, 0);
    std::string text;
    for (const std::uint64_t key : {1, 2, 3}) {
        text += array.find(key) != nullptr ? std::to_string(key) : "";
    }
    return text;
}

struct ChoiceBench {
    VtdParams params = vtd_param_table().defaults();
    Probes probes;
    std::optional<TranslationCaches> caches;

    TranslationCaches& make() { return caches.emplace(params, probes, nullptr); }
    static Translation page(unsigned level, std::uint16_t did = 1) {
        Translation t;
        t.level = level;
        t.page = Hpa{0x1'4000'0000};
        t.type = TranslationType::SecondStage;
        t.did = DomainId{did};
        t.pasid = Pasid{5};
        return t;
    }
    void fill(std::optional<Pasid> pasid, std::uint64_t address, const Translation& t) {
        caches->fill(caches->generation(), {Rid{1}, pasid, false, address}, t);
    }
    const Translation* find(std::optional<Pasid> pasid, std::uint64_t address) {
        return caches->find({Rid{1}, pasid, false, address});
    }
};

}  // namespace

TEST_CASE("vtd replacement: least recently used, first in first out, random") {
    CHECK(kept(Replacement::LeastRecentlyUsed) == "13");
    CHECK(kept(Replacement::FirstInFirstOut) == "23");
    bool took_first = false;
    bool took_second = false;
    for (std::uint64_t seed = 0; seed < 64; ++seed) {
        const std::string left = kept(Replacement::Random, seed);
        CHECK(left == kept(Replacement::Random, seed));
        took_first = took_first || left == "23";
        took_second = took_second || left == "13";
    }
    CHECK(took_first);
    CHECK(took_second);
}

TEST_CASE("vtd associativity: none keeps nothing, one maps directly, full uses every entry") {
    Array none{64, 0};
    none.insert(1, 0);
    CHECK(none.find(1) == nullptr);
    CHECK(none.capacity() == 0);
    Array direct{64, 1};
    Array full{64, 64};
    for (std::uint64_t key = 1; key <= 64; ++key) {
        direct.insert(key, 0);
        full.insert(key, 0);
    }
    CHECK(full.size() == 64);
    CHECK(direct.size() < 64);  // some keys share a set
    CHECK(direct.size() > 16);
}

TEST_CASE("vtd iotlb: an entry of one replaces the other in a cache of one") {
    ChoiceBench b;
    b.params.iotlb_entries = 1;
    b.make();
    b.fill(Pasid{5}, 0x1000, ChoiceBench::page(1));
    b.fill(Pasid{5}, 0x2000, ChoiceBench::page(1));
    CHECK(b.find(Pasid{5}, 0x1000) == nullptr);
    CHECK(b.find(Pasid{5}, 0x2000) != nullptr);
}

TEST_CASE("vtd iotlb: large pages are cut to the largest entry") {
    ChoiceBench b;
    b.params.iotlb_largest_level = 1;
    b.make();
    b.fill(Pasid{5}, 0x4000'3123, ChoiceBench::page(3));
    const Translation* const part = b.find(Pasid{5}, 0x4000'3FFF);
    REQUIRE(part != nullptr);
    CHECK(part->at(0x4000'3FFF) == Hpa{0x1'4000'3FFF});
    CHECK(b.find(Pasid{5}, 0x4000'4000) == nullptr);
    b.params.iotlb_largest_level = 3;
    b.make();
    b.fill(Pasid{5}, 0x4000'3123, ChoiceBench::page(3));
    CHECK(b.find(Pasid{5}, 0x7FFF'F000) != nullptr);
}

TEST_CASE("vtd iotlb: entries of RID_PASID serve its PASID only when sharing is chosen") {
    for (const bool share : {false, true}) {
        ChoiceBench b;
        b.params.share_rid_pasid = share;
        b.make();
        b.fill(std::nullopt, 0x1000, ChoiceBench::page(1));
        CHECK((b.find(Pasid{5}, 0x1000) != nullptr) == share);
        CHECK(b.find(Pasid{6}, 0x1000) == nullptr);
        // Never the other way round.
        b.fill(Pasid{5}, 0x2000, ChoiceBench::page(1));
        CHECK(b.find(std::nullopt, 0x2000) == nullptr);
    }
}

TEST_CASE("vtd coarseness: pages only, their domain, or everything") {
    const auto left = [](Coarseness coarseness) {
        ChoiceBench b;
        b.params.coarseness = coarseness;
        b.make();
        b.fill(Pasid{5}, 0x1000, ChoiceBench::page(1));
        b.fill(Pasid{5}, 0x2000, ChoiceBench::page(1));
        b.fill(Pasid{5}, 0x3000, ChoiceBench::page(1, 2));
        b.caches->invalidate_iotlb_pages(DomainId{1}, 0x1000, 0);
        return b.caches->iotlb_size();
    };
    CHECK(left(Coarseness::Exact) == 2);
    CHECK(left(Coarseness::Tag) == 1);
    CHECK(left(Coarseness::Everything) == 0);
}

TEST_CASE("vtd self-eviction: entries go by themselves as often as asked") {
    ChoiceBench b;
    b.params.self_eviction = 1'000'000;
    b.params.iotlb_entries = 1;
    b.make();
    b.fill(Pasid{5}, 0x1000, ChoiceBench::page(1));
    CHECK(b.find(Pasid{5}, 0x1000) == nullptr);
    CHECK(b.caches->iotlb_size() == 0);
    b.params.self_eviction = 0;
    b.make();
    b.fill(Pasid{5}, 0x1000, ChoiceBench::page(1));
    CHECK(b.find(Pasid{5}, 0x1000) != nullptr);
}
