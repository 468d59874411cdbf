// What the specification leaves to hardware and is seen from outside: walks ahead of requests, how
// blocked reads end, address bits that registers keep.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::CplStatus;

namespace {

constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kNext = kVa + kPageSize;

VtdParams with_walks_ahead(std::uint64_t pages) {
    VtdParams params = vtd_param_table().defaults();
    params.walk_ahead = pages;
    return params;
}

// Two pages in a row; the first was read.
struct AheadBench : FirstStageBench {
    explicit AheadBench(std::uint64_t pages) : FirstStageBench(with_walks_ahead(pages)) {
        tables.store(tables.first_slot(entry.first_stage, kNext, 4, 1),
                     fs::leaf(tables.page().value(), true, true));
        REQUIRE(dma_read(kVa) == CplStatus::Success);
    }
    bool cached(std::uint64_t address) {
        const std::size_t before = count("vtd.walk_read");
        dma_read(address);
        return count("vtd.walk_read") == before;
    }
    std::uint64_t flags(std::uint64_t address) {
        return tables.load(tables.first_slot(entry.first_stage, address, 4, 1)) &
               (fs::kAccessed | fs::kDirty);
    }
};

VtdParams with_blocked_reads(BlockedRead how) {
    VtdParams params = vtd_param_table().defaults();
    params.blocked_read = how;
    return params;
}

}  // namespace

TEST_CASE("vtd walk ahead: the page behind is accessed and cached, never dirty") {
    AheadBench none{0};
    CHECK(none.flags(kNext) == 0);
    CHECK_FALSE(none.cached(kNext));
    AheadBench one{1};
    CHECK(one.flags(kNext) == fs::kAccessed);
    CHECK(one.cached(kNext));
}

TEST_CASE("vtd walk ahead: what is not there is nobody's fault") {
    AheadBench two{2};  // the third page is not mapped
    CHECK(two.cached(kNext));
    CHECK(two.count("vtd.fault") == 0);
    CHECK(two.dma_read(kNext + kPageSize) == CplStatus::UnsupportedRequest);
}

TEST_CASE("vtd walk ahead: an invalidation takes it, a wait drains it") {
    AheadBench b{1};
    b.invalidate(b.page_invalidation());
    b.to_fabric.clear();
    b.send(b.request(pcie::TlpKind::MemRead, kVa));
    b.run_timers();
    while (b.to_fabric.empty()) {
        b.answer();
    }
    REQUIRE(b.to_memory.size() == 1);  // of the page behind
    const memory::MemRequest held = b.to_memory.front();
    b.to_memory.clear();
    b.invalidate(b.page_invalidation());
    CHECK_FALSE(b.wait_is_done());
    b.to_memory.push_back(held);
    b.settle();
    CHECK(b.wait_is_done());
    CHECK_FALSE(b.cached(kNext));
}

TEST_CASE("vtd blocked reads: Unsupported Request, Completer Abort or all bits 1, and a record") {
    const auto end_of = [](BlockedRead how) {
        FirstStageBench b{with_blocked_reads(how)};
        const CplStatus status = b.dma_read(kNext);
        CHECK(b.count("vtd.fault") == 1);
        return status;
    };
    CHECK(end_of(BlockedRead::Unsupported) == CplStatus::UnsupportedRequest);
    CHECK(end_of(BlockedRead::Abort) == CplStatus::Abort);
    CHECK(end_of(BlockedRead::Ones) == CplStatus::Success);
    FirstStageBench b{with_blocked_reads(BlockedRead::Ones)};
    b.dma_read(kNext);
    CHECK(b.read_data() == ~std::uint64_t{0});
}

TEST_CASE("vtd registers: address bits beyond the host's are kept unless they are hardwired") {
    constexpr std::uint64_t kBeyond = std::uint64_t{1} << 60U;
    VtdParams params = vtd_param_table().defaults();
    VtdBench kept{params};
    kept.write(reg::kRtaddr, kBeyond | kPageSize);
    CHECK(kept.read(reg::kRtaddr) == (kBeyond | kPageSize));
    params.hardwired_addresses = true;
    VtdBench hardwired{params};
    for (const std::uint32_t offset : {reg::kRtaddr, reg::kIqa}) {
        hardwired.write(offset, kBeyond | kPageSize);
        CHECK(hardwired.read(offset) == kPageSize);
    }
}

TEST_CASE("vtd registers: without page requests their registers read 0") {
    VtdParams params = vtd_param_table().defaults();
    VtdBench without{params};
    params.page_requests = params.device_tlb = true;
    VtdBench with{params};
    for (const std::uint32_t offset : {reg::kPqh, reg::kPqa}) {
        without.write(offset, kPageSize);
        with.write(offset, kPageSize);
        CHECK(without.read(offset) == 0);
    }
    CHECK(with.read(reg::kPqa) == kPageSize);
}
