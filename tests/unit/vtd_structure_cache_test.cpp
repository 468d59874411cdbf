// Paging-structure caches: where a walk resumes, which invalidation takes what (VT-d 6.2.5, 6.5.2).
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using ioasim::test::VtdTables;
using pcie::CplStatus;

namespace {

constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kOther = FirstStageBench::kOther;
constexpr DomainId kDid = FirstStageBench::kDid;
constexpr std::uint64_t kGuestPage = 0x10'0000;
constexpr Pasid kNone{kInvalidIoasid};

VtdParams structure_params(std::uint64_t first = 16, std::uint64_t second = 16) {
    VtdParams params = vtd_param_table().defaults();
    params.first_stage_entries = first;
    params.second_stage_entries = second;
    return params;
}

// The reads of one more request.
std::size_t reads_of(VtdBench& bench, std::uint64_t address) {
    const std::size_t before = bench.count("vtd.walk_read");
    CHECK(bench.dma_read(address) == CplStatus::Success);
    return bench.count("vtd.walk_read") - before;
}

// Two neighbouring pages under nested translation.
struct NestedBench : VtdBench {
    explicit NestedBench(const VtdParams& params) : VtdBench(params) {
        entry = tables.nested(kDid.value());
        tables.map_nested(entry, kVa, kGuestPage);
        tables.map_nested(entry, kVa + kPageSize, kGuestPage + kPageSize);
        add_device(entry);
        enable();
    }
    PasidEntry entry;
};

// Entries of both stages in two domains; "A" and "B" are addresses far apart.
struct StructureBench {
    static constexpr Pasid kP1{10};
    static constexpr Pasid kP2{11};
    static constexpr DomainId kD1{1};
    static constexpr DomainId kD2{2};
    static constexpr std::uint64_t kA = 0x4000'0000;
    static constexpr std::uint64_t kB = 0x80'0000'0000;

    StructureBench() {
        caches.emplace(params, probes, nullptr);
        for (const std::uint64_t address : {kA, kB}) {
            for (unsigned level = 2; level <= 4; ++level) {
                first(kP1, kD1, address, level);
                first(kP2, kD1, address, level);
                first(kP1, kD2, address, level);
                second(kD1, address, level);
                second(kD2, address, level);
            }
        }
    }
    void first(Pasid pasid, DomainId did, std::uint64_t address, unsigned level) {
        caches->structures().fill_first(caches->generation(), pasid, did, address, level, {});
    }
    void second(DomainId did, std::uint64_t address, unsigned level) {
        caches->structures().fill_second(caches->generation(), did, address, level, {});
    }
    // The deepest level left for A and B: "22", "-2", ...
    std::string left(Pasid pasid, DomainId did) {
        std::string text;
        for (const std::uint64_t address : {kA, kB}) {
            const auto hit = pasid == kNone
                                 ? caches->structures().find_second(did, address, 4)
                                 : caches->structures().find_first(pasid, did, address, 4);
            text += hit ? std::to_string(hit->level) : "-";
        }
        return text;
    }
    std::string all() {
        return left(kP1, kD1) + " " + left(kP2, kD1) + " " + left(kP1, kD2) + " | " +
               left(kNone, kD1) + " " + left(kNone, kD2);
    }
    Probes probes;
    VtdParams params = structure_params(64, 64);
    std::optional<TranslationCaches> caches;
};

}  // namespace

TEST_CASE("vtd structure caches: a first-stage walk resumes below the deepest entry") {
    FirstStageBench bench{structure_params()};
    bench.tables.map_first(bench.entry.first_stage, kVa + (std::uint64_t{1} << 30U), 0x1234'5000);
    CHECK(reads_of(bench, kVa) == 8);
    CHECK(reads_of(bench, kOther) == 1);                           // same table of leaves
    CHECK(reads_of(bench, kVa + (std::uint64_t{1} << 30U)) == 3);  // same table of level 3
}

TEST_CASE(
    "vtd structure caches: under nested translation an entry is combined, one read and a "
    "second stage remain") {
    NestedBench bench{structure_params(16, 0)};
    CHECK(reads_of(bench, kVa) == 28);
    CHECK(reads_of(bench, kVa + kPageSize) == 1 + 4);
}

TEST_CASE("vtd structure caches: warm second-stage entries leave one read a second-stage walk") {
    NestedBench bench{structure_params(0, 16)};
    CHECK(reads_of(bench, kVa) < 28);  // the walk itself warms them
    CHECK(reads_of(bench, kVa + kPageSize) == 4 * (1 + 1) + 1);
}

TEST_CASE("vtd structure caches: both stages warm leave two reads of a nested walk") {
    NestedBench bench{structure_params()};
    CHECK(reads_of(bench, kVa) < 28);
    CHECK(reads_of(bench, kVa + kPageSize) == 2);
}

TEST_CASE("vtd structure caches: permissions of the entries above are kept") {
    FirstStageBench bench{structure_params()};
    const Hpa above = bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 3);
    bench.tables.store(above, bench.tables.load(above) & ~fs::kWrite);
    CHECK(reads_of(bench, kVa) == 8);
    bench.dma_write(kOther);
    CHECK(bench.last("vtd.fault", "reason") == static_cast<std::uint64_t>(FaultReason::NoWrite));
    CHECK(bench.count("vtd.walk_read") == 9);
}

TEST_CASE("vtd structure caches: leaves are never kept") {
    FirstStageBench bench{structure_params()};
    CHECK(reads_of(bench, kVa) == 8);
    const std::uint64_t large = 0x40'0000'0000;
    bench.tables.map_first(bench.entry.first_stage, large, 0x4000'0000, false, 4, 2);
    CHECK(reads_of(bench, large) == 3);
    bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid, VtdBench::kPasid,
                                             large, 9, true)});
    CHECK(reads_of(bench, large) == 1);  // below the entry of level 3: the leaf is read again
}

TEST_CASE("vtd structure caches: the hint keeps the tables above, without it they are read again") {
    for (const bool hint : {true, false}) {
        FirstStageBench bench{structure_params()};
        CHECK(reads_of(bench, kVa) == 8);
        bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid,
                                                 VtdBench::kPasid, kVa, 0, hint)});
        CHECK(reads_of(bench, kVa) == (hint ? 1 : 4));
    }
}

TEST_CASE("vtd structure caches: a table replaced and flushed without the hint is not walked") {
    FirstStageBench bench{structure_params()};
    CHECK(reads_of(bench, kVa) == 8);
    const Hpa slot = bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 2);
    const Hpa table = bench.tables.page();
    const Hpa target = bench.tables.page();
    bench.tables.store(table + page_table_offset(kVa, 1),
                       fs::leaf(target.value(), true, true) | fs::kAccessed | fs::kDirty);
    bench.tables.store(slot, fs::table(table.value()) | fs::kAccessed);
    SUBCASE("with the invalidation") {
        bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid,
                                                 VtdBench::kPasid, kVa, 0, false)});
        CHECK(bench.dma_read(kVa) == CplStatus::Success);
        CHECK(bench.last("vtd.translated", "hpa") == target.value());
    }
    SUBCASE("the defect that keeps the entries is seen") {
        bench.probes.enable(kStructureCacheSurvives);
        bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid,
                                                 VtdBench::kPasid, kVa, 0, false)});
        CHECK(bench.dma_read(kVa) == CplStatus::Success);
        CHECK(bench.last("vtd.translated", "hpa") != target.value());
    }
    SUBCASE("the defect that inverts the hint is seen") {
        bench.probes.enable(kHintInverted);
        bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Page, kDid,
                                                 VtdBench::kPasid, kVa, 0, false)});
        CHECK(bench.dma_read(kVa) == CplStatus::Success);
        CHECK(bench.last("vtd.translated", "hpa") != target.value());
    }
}

TEST_CASE("vtd structure caches: each granularity takes exactly what the table says") {
    using B = StructureBench;
    StructureBench b;
    CHECK(b.all() == "22 22 22 | 22 22");
    SUBCASE("global") {
        b.caches->invalidate_iotlb();
        CHECK(b.all() == "-- -- -- | -- --");
    }
    SUBCASE("domain") {
        b.caches->invalidate_iotlb_domain(B::kD1);
        CHECK(b.all() == "-- -- 22 | -- 22");
    }
    SUBCASE("page in domain takes the first stage of the domain, the pages of the second") {
        b.caches->invalidate_iotlb_pages(B::kD1, B::kA, 0);
        CHECK(b.all() == "-- -- 22 | -2 22");
    }
    SUBCASE("page in domain with the hint keeps the second stage") {
        b.caches->invalidate_iotlb_pages(B::kD1, B::kA, 0, true);
        CHECK(b.all() == "-- -- 22 | 22 22");
    }
    SUBCASE("PASID in domain") {
        b.caches->invalidate_iotlb_pasid(B::kD1, B::kP1);
        CHECK(b.all() == "-- 22 22 | 22 22");
    }
    SUBCASE("page in PASID") {
        b.caches->invalidate_iotlb_pasid_pages(B::kD1, B::kP1, B::kA, 0);
        CHECK(b.all() == "-2 22 22 | 22 22");
    }
    SUBCASE("page in PASID with the hint") {
        b.caches->invalidate_iotlb_pasid_pages(B::kD1, B::kP1, B::kA, 0, true);
        CHECK(b.all() == "22 22 22 | 22 22");
    }
    SUBCASE("context and PASID caches are others") {
        b.caches->invalidate_contexts();
        b.caches->invalidate_pasids();
        CHECK(b.all() == "22 22 22 | 22 22");
    }
}

TEST_CASE("vtd structure caches: entries of all levels over the pages go, others stay") {
    using B = StructureBench;
    StructureBench b;
    b.caches->invalidate_iotlb_pasid_pages(B::kD1, B::kP1, B::kA, 0);
    // The neighbour 2 MiB on: its own entry of level 2 is not there, those above are gone.
    CHECK_FALSE(b.caches->structures().find_first(B::kP1, B::kD1, B::kA + 0x20'0000, 4));
    b.first(B::kP1, B::kD1, B::kA + 0x20'0000, 2);
    b.caches->invalidate_iotlb_pasid_pages(B::kD1, B::kP1, B::kA, 0);
    CHECK(b.caches->structures().find_first(B::kP1, B::kD1, B::kA + 0x20'0000, 4));
    b.caches->invalidate_iotlb_pasid_pages(B::kD1, B::kP1, B::kA, 10);  // 4 MiB
    CHECK_FALSE(b.caches->structures().find_first(B::kP1, B::kD1, B::kA + 0x20'0000, 4));
}

TEST_CASE("vtd fills: only an invalidation that covers it drops the fill of a walk") {
    Probes probes;
    VtdParams params = structure_params();
    TranslationCaches caches{params, probes, nullptr};
    Translation t;
    t.type = TranslationType::FirstStage;
    t.did = DomainId{1};
    t.pasid = Pasid{5};
    const IotlbQuery query{Rid{1}, Pasid{5}, false, kVa};
    const auto fills_after = [&](auto&& invalidate) {
        const std::uint64_t began = caches.generation();
        invalidate();
        const bool filled = caches.fill(began, query, t);
        const bool there = caches.find(query) != nullptr;
        CHECK(filled == there);
        caches.invalidate_all();
        return filled;
    };
    CHECK(fills_after([] {}));
    CHECK(fills_after([&] { caches.invalidate_iotlb_domain(DomainId{2}); }));
    CHECK_FALSE(fills_after([&] { caches.invalidate_iotlb_domain(DomainId{1}); }));
    CHECK(fills_after(
        [&] { caches.invalidate_iotlb_pasid_pages(DomainId{1}, Pasid{5}, kVa + kPageSize, 0); }));
    CHECK_FALSE(
        fills_after([&] { caches.invalidate_iotlb_pasid_pages(DomainId{1}, Pasid{5}, kVa, 0); }));
    // What the walk was drawn from counts too.
    CHECK(fills_after([&] { caches.invalidate_context(Rid{2}, 0); }));
    CHECK_FALSE(fills_after([&] { caches.invalidate_context(Rid{1}, 0); }));
    CHECK(fills_after([&] { caches.invalidate_pasid(DomainId{1}, Pasid{6}); }));
    CHECK_FALSE(fills_after([&] { caches.invalidate_pasid(DomainId{1}, Pasid{5}); }));
}

TEST_CASE("vtd fills: a walk older than the remembered invalidations fills nothing") {
    Probes probes;
    TranslationCaches caches{structure_params(), probes, nullptr};
    const std::uint64_t began = caches.generation();
    for (int i = 0; i < 100; ++i) {
        caches.invalidate_iotlb_domain(DomainId{7});
    }
    Translation t;
    t.did = DomainId{1};
    CHECK_FALSE(caches.fill(began, {Rid{1}, Pasid{5}, false, kVa}, t));
    CHECK(caches.iotlb_size() == 0);
}

TEST_CASE("vtd fills: the defect that keeps stale fills is seen") {
    Probes probes;
    probes.enable(kStaleFillKept);
    TranslationCaches caches{structure_params(), probes, nullptr};
    const std::uint64_t began = caches.generation();
    caches.invalidate_iotlb();
    caches.fill(began, {Rid{1}, Pasid{5}, false, kVa}, Translation{});
    CHECK(caches.iotlb_size() == 1);
}
