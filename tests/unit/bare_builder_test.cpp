#include <cstring>
#include <map>

#include <doctest/doctest.h>

#include "models/platform/bare_builder.hpp"

namespace ioasim::platform {
namespace {

// Memory and nothing else.
class PlainMemory final : public MachinePort {
public:
    std::uint64_t load(ExecContext&, std::uint64_t pa, unsigned size) override {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < size; ++i) {
            value |= std::uint64_t{bytes_[pa + i]} << (8 * i);
        }
        return value;
    }
    void store(ExecContext&, std::uint64_t pa, std::uint64_t value, unsigned size) override {
        for (unsigned i = 0; i < size; ++i) {
            bytes_[pa + i] = static_cast<std::uint8_t>(value >> (8 * i));
        }
    }
    void read_bytes(ExecContext&, std::uint64_t, void*, std::size_t) override {}
    void write_bytes(ExecContext&, std::uint64_t pa, const void* in, std::size_t size) override {
        for (std::size_t i = 0; i < size; ++i) {
            bytes_[pa + i] = static_cast<const std::uint8_t*>(in)[i];
        }
    }
    std::uint64_t mmio_read(ExecContext&, std::uint64_t, unsigned) override { return 0; }
    void mmio_write(ExecContext&, std::uint64_t, std::uint64_t, unsigned) override {}

private:
    std::map<std::uint64_t, std::uint8_t> bytes_;
};

constexpr std::uint64_t kRegion = 0x10'0000;

struct Bench {
    PlainMemory memory;
    LockMonitor monitor;
    ImmediateContext ctx{monitor, "test", &memory};
    BareBuilder builder;

    explicit Bench(std::uint64_t pages = 64) { builder.use(kRegion, pages * kPageSize); }
    std::uint64_t word(std::uint64_t address) { return ctx.load(address, 8); }
    std::uint64_t entry(const char* table, std::uint64_t address, unsigned level) {
        const std::uint64_t at = builder.entry_address(ctx, table, address, level);
        return at == 0 ? 0 : word(at);
    }
    std::string page_table(const char* name, const char* stage, const char* inside = nullptr) {
        BareStep step{BareKind::PageTable, {}, {{"", name}, {"stage", stage}}, {}, {}};
        if (inside != nullptr) {
            step.names["inside"] = inside;
        }
        return builder.page_table(ctx, step);
    }
    std::string map(const char* table, std::uint64_t address, std::uint64_t to,
                    std::map<std::string, std::uint64_t> more = {}) {
        more.insert({{"address", address}, {"to", to}});
        return builder.map(ctx, {BareKind::Map, more, {{"", table}}, {}, {}});
    }
    std::string context(std::uint64_t rid, std::map<std::string, std::uint64_t> more = {}) {
        more[""] = rid;
        return builder.context(ctx, {BareKind::Context, more, {}, {}, {}}, "iommu0");
    }
    std::string pasid_entry(std::uint64_t pasid, std::uint64_t rid) {
        return builder.pasid_entry(
            ctx,
            {BareKind::PasidEntry, {{"", pasid}, {"by", rid}, {"pass_through", 1}}, {}, {}, {}});
    }
    void root_table(const char* mode) {
        builder.root_table(ctx, {BareKind::RootTable, {}, {{"", mode}}, {}, {}}, "iommu0");
    }
};

}  // namespace

TEST_CASE("table builder: what is taken is aligned to its size and full of zeros") {
    Bench bench;
    bench.ctx.store(kRegion + 2 * kPageSize, 0xFF, 8);
    CHECK(bench.builder.take(bench.ctx) == kRegion);
    const std::uint64_t two = bench.builder.take(bench.ctx, 2);
    CHECK(two == kRegion + 2 * kPageSize);
    CHECK(bench.word(two) == 0);
}

TEST_CASE("table builder: a region that is used up is told, whoever needs a page of it") {
    Bench bench(3);
    REQUIRE(bench.page_table("S", "second").empty());
    CHECK(bench.map("S", 0, 0x4000'0000, {{"page", kPageSize}}) != "");
    CHECK(bench.page_table("T", "first") != "");
}

TEST_CASE("table builder: pages of one table share the tables above them") {
    Bench bench;
    bench.page_table("F", "first");
    REQUIRE(bench.map("F", 0x1000, 0x40'0000, {{"size", 0x2000}}).empty());
    CHECK(bench.entry("F", 0x1000, 1) == vtd::fs::leaf(0x40'0000, true, true));
    CHECK(bench.entry("F", 0x2000, 1) == vtd::fs::leaf(0x40'1000, true, true));
    CHECK(bench.builder.entry_address(bench.ctx, "F", 0x2000, 1) ==
          bench.builder.entry_address(bench.ctx, "F", 0x1000, 1) + 8);
    CHECK(bench.builder.entry_address(bench.ctx, "F", 0x4000'0000, 1) == 0);
}

TEST_CASE("table builder: a large page is a leaf of the level that has its size") {
    Bench bench;
    bench.page_table("S", "second");
    REQUIRE(bench.map("S", 0x4000'0000, 0x20'0000, {{"page", 0x20'0000}}).empty());
    CHECK(bench.entry("S", 0x4000'0000, 2) == vtd::ss::leaf(Hpa{0x20'0000}, true, true, 2));
    CHECK(bench.map("S", 0x1000, 0x20'0000, {{"page", 0x20'0000}}) != "");
}

TEST_CASE("table builder: tables inside a guest are mapped by its host") {
    Bench bench;
    bench.page_table("host", "second");
    REQUIRE(bench.page_table("guest", "first", "host").empty());
    REQUIRE(bench.map("guest", 0x7000, 0x8000).empty());
    for (unsigned level = 1; level <= 4; ++level) {
        const std::uint64_t table =
            bench.builder.entry_address(bench.ctx, "guest", 0x7000, level) & ~(kPageSize - 1);
        CHECK(bench.entry("host", table, 1) == vtd::ss::leaf(Hpa{table}, true, true));
    }
    CHECK(bench.page_table("nested", "first", "guest") != "");
}

TEST_CASE("table builder: functions of a bus share context tables, by halves in scalable mode") {
    Bench bench;
    CHECK(bench.context(0x0108) != "");  // no root table yet
    bench.root_table("scalable");
    REQUIRE(bench.context(0x0108).empty());
    REQUIRE(bench.context(0x0110).empty());
    REQUIRE(bench.context(0x0180).empty());
    const std::uint64_t root = bench.builder.root_register("iommu0") & vtd::kTableAddress;
    const std::uint64_t lower = bench.word(root + 16) & vtd::kTableAddress;
    const std::uint64_t upper = bench.word(root + 24) & vtd::kTableAddress;
    CHECK(lower != upper);
    CHECK((bench.word(lower + 0x08 * 32) & 1U) == 1);
    CHECK((bench.word(lower + 0x10 * 32) & 1U) == 1);
    CHECK((bench.word(upper) & 1U) == 1);
}

TEST_CASE("table builder: a context entry written again keeps its PASID directory") {
    Bench bench;
    bench.root_table("scalable");
    REQUIRE(bench.context(8, {{"directory_size", 3}}).empty());
    REQUIRE(bench.pasid_entry(70, 8).empty());
    const std::uint64_t root = bench.builder.root_register("iommu0") & vtd::kTableAddress;
    const std::uint64_t at = (bench.word(root) & vtd::kTableAddress) + 8 * 32;
    const std::uint64_t before = bench.word(at);
    REQUIRE(bench.context(8, {{"device_tlb", 1}}).empty());
    CHECK(bench.word(at) == (before | 4U));
    const std::uint64_t directory = before & vtd::kTableAddress;
    const std::uint64_t table = bench.word(directory + 8) & vtd::kTableAddress;
    CHECK((bench.word(table + 6 * 64) & 1U) == 1);
    CHECK(bench.pasid_entry(70, 9) != "");
}

}  // namespace ioasim::platform
