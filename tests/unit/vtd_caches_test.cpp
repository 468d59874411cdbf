// Tags and invalidation effects of the caches (VT-d 6.2, 6.5.2).
#include <doctest/doctest.h>

#include "models/vtd/vtd_caches.hpp"
#include "models/vtd/vtd_probes.hpp"

using namespace ioasim;
using namespace ioasim::vtd;

namespace {

constexpr Rid kRid{0x0100};
constexpr Rid kOtherRid{0x0200};
constexpr std::uint64_t kVa = 0x7000;

struct CacheBench {
    explicit CacheBench(std::uint64_t entries = 64, std::uint64_t ways = 4) {
        params.context_entries = params.pasid_entries = params.iotlb_entries = entries;
        params.context_ways = params.pasid_ways = params.iotlb_ways = ways;
        caches.emplace(params, probes, nullptr);
    }
    Probes probes;
    VtdParams params = vtd_param_table().defaults();
    std::optional<TranslationCaches> caches;

    static IotlbQuery query(Pasid pasid, std::uint64_t address = kVa, Rid rid = kRid) {
        return {rid, pasid, false, address};
    }
    void fill(Pasid pasid, DomainId did, TranslationType type, std::uint64_t address = kVa,
              Hpa page = Hpa{0x9000}, unsigned level = 1) {
        Translation t;
        t.page = page;
        t.level = level;
        t.read = t.write = t.dirty = true;
        t.type = type;
        t.did = did;
        t.pasid = pasid;
        caches->fill(caches->generation(), query(pasid, address), t);
    }
    bool has(Pasid pasid, std::uint64_t address = kVa) {
        return caches->find(query(pasid, address)) != nullptr;
    }
};

// One entry of each kind that the table of 6.5.2 tells apart. Domain 1 holds a first-stage and a
// nested PASID and pass-through, domain 2 second stage: each with two pages.
struct TableBench : CacheBench {
    static constexpr DomainId kD1{1};
    static constexpr DomainId kD2{2};
    static constexpr Pasid kFirst{10};
    static constexpr Pasid kFirstToo{11};
    static constexpr Pasid kNested{12};
    static constexpr Pasid kSecond{20};
    static constexpr Pasid kSecondToo{21};
    static constexpr std::uint64_t kA = 0x10000;
    static constexpr std::uint64_t kB = 0x20000;

    TableBench() {
        for (const std::uint64_t address : {kA, kB}) {
            fill(kFirst, kD1, TranslationType::FirstStage, address);
            fill(kFirstToo, kD1, TranslationType::FirstStage, address);
            fill(kNested, kD2, TranslationType::Nested, address);
            fill(kSecond, kD2, TranslationType::SecondStage, address);
            fill(kSecondToo, kD2, TranslationType::SecondStage, address);
        }
    }
    // "AB" both pages cached, "A-", "-B", "--".
    std::string pages(Pasid pasid) {
        return std::string(has(pasid, kA) ? "A" : "-") + (has(pasid, kB) ? "B" : "-");
    }
};

}  // namespace

TEST_CASE("vtd iotlb: a hit needs the same function, PASID, privilege and page") {
    CacheBench bench;
    bench.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage);
    CHECK(bench.has(Pasid{5}));
    CHECK_FALSE(bench.has(Pasid{6}));
    CHECK_FALSE(bench.has(Pasid{5}, kVa + kPageSize));
    CHECK(bench.caches->find(CacheBench::query(Pasid{5}, kVa, kOtherRid)) == nullptr);
    CHECK(bench.caches->find({kRid, Pasid{5}, true, kVa}) == nullptr);
    CHECK(bench.caches->find({kRid, std::nullopt, false, kVa}) == nullptr);
}

TEST_CASE("vtd iotlb: large pages serve every address in them") {
    CacheBench bench;
    bench.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage, 0x4000'0000, Hpa{0x8000'0000},
               3);
    const Translation* const t = bench.caches->find(CacheBench::query(Pasid{5}, 0x7FFF'FFFF));
    REQUIRE(t != nullptr);
    CHECK(t->at(0x7FFF'FFFF) == Hpa{0xBFFF'FFFF});
    CHECK_FALSE(bench.has(Pasid{5}, 0x8000'0000));
}

TEST_CASE("vtd iotlb: the defect of missing tags finds another space's page") {
    CacheBench bench;
    bench.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage);
    CHECK_FALSE(bench.has(Pasid{6}));
    bench.probes.enable(kIotlbTagWithoutPasid);
    CHECK(bench.has(Pasid{6}));
}

TEST_CASE("vtd iotlb: with no entries nothing is kept, with one the last") {
    CacheBench none{0};
    none.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage);
    CHECK_FALSE(none.has(Pasid{5}));
    CacheBench one{1};
    one.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage);
    CHECK(one.has(Pasid{5}));
    one.fill(Pasid{6}, DomainId{1}, TranslationType::FirstStage);
    CHECK(one.has(Pasid{6}));
    CHECK_FALSE(one.has(Pasid{5}));
}

TEST_CASE("vtd iotlb: the least recently used way goes first") {
    CacheBench bench{2, 2};
    bench.fill(Pasid{1}, DomainId{1}, TranslationType::FirstStage);
    bench.fill(Pasid{2}, DomainId{1}, TranslationType::FirstStage);
    CHECK(bench.has(Pasid{1}));
    bench.fill(Pasid{3}, DomainId{1}, TranslationType::FirstStage);
    CHECK(bench.has(Pasid{1}));
    CHECK_FALSE(bench.has(Pasid{2}));
}

TEST_CASE("vtd iotlb: a fill older than the invalidation is dropped") {
    CacheBench bench;
    const std::uint64_t before = bench.caches->generation();
    bench.caches->invalidate_all();
    Translation t;
    CHECK_FALSE(bench.caches->fill(before, CacheBench::query(Pasid{5}), t));
    CHECK_FALSE(bench.caches->fill_context(before, kRid, {}));
    CHECK_FALSE(bench.caches->fill_pasid(before, kRid, Pasid{5}, {}));
    CHECK_FALSE(bench.has(Pasid{5}));
    CHECK(bench.caches->fill(bench.caches->generation(), CacheBench::query(Pasid{5}), t));
}

TEST_CASE("vtd invalidation: iotlb global removes everything") {
    TableBench bench;
    CHECK(bench.caches->invalidate_iotlb() == 10);
    CHECK(bench.caches->iotlb_size() == 0);
}

TEST_CASE("vtd invalidation: iotlb by domain removes the domain whatever the type") {
    TableBench bench;
    CHECK(bench.caches->invalidate_iotlb_domain(TableBench::kD2) == 6);
    CHECK(bench.pages(TableBench::kFirst) == "AB");
    CHECK(bench.pages(TableBench::kNested) == "--");
    CHECK(bench.pages(TableBench::kSecond) == "--");
}

TEST_CASE("vtd invalidation: iotlb by page removes second-stage pages, and all first-stage ones") {
    TableBench bench;
    bench.caches->invalidate_iotlb_pages(TableBench::kD2, TableBench::kA, 0);
    CHECK(bench.pages(TableBench::kSecond) == "-B");
    CHECK(bench.pages(TableBench::kSecondToo) == "-B");
    CHECK(bench.pages(TableBench::kNested) == "--");
    CHECK(bench.pages(TableBench::kFirst) == "AB");
}

TEST_CASE("vtd invalidation: piotlb by PASID removes that PASID of that domain") {
    TableBench bench;
    bench.caches->invalidate_iotlb_pasid(TableBench::kD1, TableBench::kFirst);
    CHECK(bench.pages(TableBench::kFirst) == "--");
    CHECK(bench.pages(TableBench::kFirstToo) == "AB");
    bench.caches->invalidate_iotlb_pasid(TableBench::kD1, TableBench::kSecond);
    CHECK(bench.pages(TableBench::kSecond) == "AB");
    bench.caches->invalidate_iotlb_pasid(TableBench::kD2, TableBench::kSecond);
    CHECK(bench.pages(TableBench::kSecond) == "--");
}

TEST_CASE("vtd invalidation: piotlb by page removes first-stage pages only") {
    TableBench bench;
    bench.caches->invalidate_iotlb_pasid_pages(TableBench::kD1, TableBench::kFirst, TableBench::kA,
                                               0);
    CHECK(bench.pages(TableBench::kFirst) == "-B");
    CHECK(bench.pages(TableBench::kFirstToo) == "AB");
    bench.caches->invalidate_iotlb_pasid_pages(TableBench::kD2, TableBench::kNested, TableBench::kA,
                                               0);
    CHECK(bench.pages(TableBench::kNested) == "-B");
    bench.caches->invalidate_iotlb_pasid_pages(TableBench::kD2, TableBench::kSecond, TableBench::kA,
                                               0);
    CHECK(bench.pages(TableBench::kSecond) == "AB");
}

TEST_CASE("vtd invalidation: an address mask covers its aligned range") {
    TableBench bench;
    bench.caches->invalidate_iotlb_pasid_pages(TableBench::kD1, TableBench::kFirst, 0x2F000, 5);
    CHECK(bench.pages(TableBench::kFirst) == "A-");
    bench.caches->invalidate_iotlb_pasid_pages(TableBench::kD1, TableBench::kFirst, 0, 63);
    CHECK(bench.pages(TableBench::kFirst) == "--");
}

TEST_CASE("vtd invalidation: a small page inside a large entry removes the large entry") {
    CacheBench bench;
    bench.fill(Pasid{5}, DomainId{1}, TranslationType::FirstStage, 0x20'0000, Hpa{0x40'0000}, 2);
    bench.caches->invalidate_iotlb_pasid_pages(DomainId{1}, Pasid{5}, 0x3F'F000, 0);
    CHECK_FALSE(bench.has(Pasid{5}, 0x20'0000));
}

TEST_CASE("vtd invalidation: PASID cache by domain, by PASID in a domain, and all") {
    CacheBench bench;
    CachedPasidEntry d1;
    d1.entry.did = DomainId{1};
    CachedPasidEntry d2;
    d2.entry.did = DomainId{2};
    const auto fill = [&] {
        const std::uint64_t now = bench.caches->generation();
        bench.caches->fill_pasid(now, kRid, Pasid{5}, d1);
        bench.caches->fill_pasid(now, kOtherRid, Pasid{5}, d1);
        bench.caches->fill_pasid(now, kRid, Pasid{6}, d1);
        bench.caches->fill_pasid(now, kRid, Pasid{7}, d2);
    };
    fill();
    CHECK(bench.caches->invalidate_pasid(DomainId{1}, Pasid{5}) == 2);
    CHECK(bench.caches->find_pasid(kRid, Pasid{6}) != nullptr);
    CHECK(bench.caches->invalidate_pasid(DomainId{2}, Pasid{6}) == 0);
    CHECK(bench.caches->invalidate_pasids_of(DomainId{2}) == 1);
    CHECK(bench.caches->invalidate_pasids() == 1);
}

TEST_CASE("vtd invalidation: context cache by function honours the function mask") {
    CacheBench bench;
    const std::uint64_t now = bench.caches->generation();
    for (const Rid rid : {Rid{0x100}, Rid{0x103}, Rid{0x104}, Rid{0x108}}) {
        bench.caches->fill_context(now, rid, {});
    }
    CHECK(bench.caches->invalidate_context(Rid{0x100}, 0) == 1);
    CHECK(bench.caches->invalidate_context(Rid{0x100}, 3) == 2);
    CHECK(bench.caches->find_context(Rid{0x108}) != nullptr);
    CHECK(bench.caches->invalidate_contexts() == 1);
}
