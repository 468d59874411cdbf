// Features of single bits: extended accessed flag, RID_PRIV, SSIRWE, snoop forcing, zero-length
// reads, three levels, walk lengths with structures.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using ioasim::test::VtdTables;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kIova = 0x5000;

VtdParams with_three_levels() {
    VtdParams params = vtd_param_table().defaults();
    params.second_stage_3_levels = params.second_stage_io_rw = true;
    return params;
}

// A second-stage PASID of a number of levels with one page.
struct SecondStageBench : VtdBench {
    explicit SecondStageBench(const VtdParams& params = with_three_levels(), unsigned levels = 4)
        : VtdBench(params), levels_(levels) {
        entry = tables.second_stage(3, 4);
        entry.aw = static_cast<std::uint8_t>(levels - 2);
        tables.map_second(entry.second_stage, kIova, tables.page(), levels);
        add_device(entry);
        enable();
    }
    Hpa slot(unsigned level = 1) {
        return tables.second_slot(entry.second_stage, kIova, levels_, level);
    }
    void set_modes(std::uint64_t bits) {
        write(reg::kRtaddr, tables.root().value() | bits);
        command(gcmd::kSrtp);
    }
    unsigned reason() const {
        return static_cast<unsigned>(frcd::kReason.get(read(reg::kFrcd + 8)));
    }
    CplStatus read_of(std::uint32_t length) {
        to_fabric.clear();
        send(request(TlpKind::MemRead, kIova, length));
        settle();
        return to_fabric.back().status;
    }
    PasidEntry entry;

private:
    unsigned levels_;
};

std::size_t cold_reads(const VtdParams& params, unsigned fs_levels, unsigned ss_levels) {
    VtdBench bench{params};
    const PasidEntry e = bench.tables.nested(3, fs_levels, ss_levels);
    bench.tables.map_nested(e, kVa, 0x10'0000);
    bench.add_device(e);
    bench.enable();
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    return bench.count("vtd.walk_read");
}

}  // namespace

TEST_CASE("vtd features: a cold nested walk makes 24 or 35 reads beside the four of structures") {
    const VtdParams params = vtd_param_table().defaults();
    CHECK(cold_reads(params, 4, 4) == 24 + 4);
    CHECK(cold_reads(params, 5, 5) == 35 + 4);
    CHECK(cold_reads(params, 4, 5) == 29 + 4);
    CHECK(cold_reads(params, 5, 4) == 29 + 4);
}

TEST_CASE("vtd features: a second stage of three levels makes three reads and takes 39 bits") {
    SecondStageBench bench{with_three_levels(), 3};
    CHECK(bench.dma_read(kIova) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 4 + 3);
    CHECK(bench.dma_read(std::uint64_t{1} << 39U) == CplStatus::UnsupportedRequest);
    CHECK(bench.reason() == 0x84);
    SecondStageBench without{vtd_param_table().defaults(), 3};
    CHECK(without.dma_read(kIova) == CplStatus::UnsupportedRequest);
    CHECK(without.reason() == 0x5B);
}

TEST_CASE("vtd features: with EAFE every first-stage entry gets its extended accessed flag") {
    FirstStageBench bench;
    const auto flags = [&](unsigned level) {
        return bench.tables.load(bench.tables.first_slot(bench.entry.first_stage, kVa, 4, level)) &
               fs::kExtendedAccessed;
    };
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(flags(1) == 0);
    bench.entry.eafe = true;
    bench.tables.set_pasid(bench.context, VtdBench::kPasid, bench.entry);
    bench.invalidate({pasid_cache_invalidate(PasidCacheGranularity::Global),
                      iotlb_invalidate(IotlbGranularity::Global)});
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    for (const unsigned level : {1U, 2U, 3U, 4U}) {
        CHECK(flags(level) != 0);
    }
}

TEST_CASE("vtd features: RID_PRIV makes requests without PASID privileged") {
    FirstStageBench bench;
    bench.entry.sre = true;
    bench.tables.set_pasid(bench.context, Pasid{0}, bench.entry);
    bench.tables.store(bench.leaf(), fs::leaf(bench.target.value(), true, false) | fs::kAccessed);
    const auto status = [&] {
        bench.to_fabric.clear();
        pcie::Tlp tlp = bench.request(TlpKind::MemRead, kVa);
        tlp.pasid.reset();
        bench.send(tlp);
        bench.settle();
        return bench.to_fabric.back().status;
    };
    CHECK(status() == CplStatus::UnsupportedRequest);
    bench.context.rid_priv = true;
    bench.tables.set_context(VtdBench::kDevice, bench.context);
    bench.invalidate({context_cache_invalidate(ContextGranularity::Global)});
    CHECK(status() == CplStatus::Success);
}

TEST_CASE("vtd features: with SSIRWE bits 61 and 62 decide, without it bit 62 is reserved") {
    SecondStageBench bench;
    const std::uint64_t leaf = bench.tables.load(bench.slot());
    bench.tables.store(bench.slot(), leaf | ss::kIoWrite);
    CHECK(bench.dma_read(kIova) == CplStatus::UnsupportedRequest);
    CHECK(bench.reason() == 0x7A);
    for (const unsigned level : {4U, 3U, 2U}) {
        bench.tables.store(bench.slot(level), bench.tables.load(bench.slot(level)) | ss::kIoRead);
    }
    bench.tables.store(bench.slot(), (leaf & ~(ss::kRead | ss::kWrite)) | ss::kIoRead);
    bench.set_modes(rtaddr::make(Hpa{0}, TableMode::Scalable) | rtaddr::kSsirwe.mask());
    CHECK(bench.dma_read(kIova) == CplStatus::Success);
    bench.dma_write(kIova);
    CHECK(bench.last("vtd.fault", "reason") == 0x85);
}

TEST_CASE("vtd features: SSIRWE is refused in legacy mode") {
    SecondStageBench bench;
    bench.set_modes(rtaddr::kSsirwe.mask());
    pcie::Tlp tlp = bench.request(TlpKind::MemRead, kIova);
    tlp.pasid.reset();
    bench.send(tlp);
    bench.settle();
    CHECK(bench.reason() == 0x30);
}

TEST_CASE("vtd features: a zero-length read of a page that is only writable needs ZLR") {
    for (const bool offered : {true, false}) {
        VtdParams params = with_three_levels();
        params.zero_length_reads = offered;
        SecondStageBench bench{params};
        bench.tables.store(bench.slot(), bench.tables.load(bench.slot()) & ~ss::kRead);
        // Twice: from the tables, and with the page in the IOTLB after a write.
        CHECK(bench.read_of(0) == (offered ? CplStatus::Success : CplStatus::UnsupportedRequest));
        bench.dma_write(kIova);
        CHECK(bench.read_of(0) == (offered ? CplStatus::Success : CplStatus::UnsupportedRequest));
        CHECK(bench.read_of(8) == CplStatus::UnsupportedRequest);
    }
}

TEST_CASE("vtd features: PGSNP and SNP force the snooping of a page") {
    SecondStageBench bench;
    const auto forced = [&](bool pgsnp, bool snp) {
        PasidEntry entry = bench.entry;
        entry.pgsnp = pgsnp;
        const Capabilities caps = make_capabilities(with_three_levels());
        PageWalk walk(caps, entry, Pasid{5}, {kIova, false, false, false});
        WalkAction action = walk.start();
        while (action.kind != WalkAction::Kind::Done) {
            const std::uint64_t value = bench.tables.load(action.address);
            const bool leaf = action.table == WalkTable::Ss1 && snp;
            action = walk.on_read(leaf ? value | ss::kSnoop : value, true);
        }
        REQUIRE(walk.reason() == FaultReason::None);
        return walk.translation().snoop;
    };
    CHECK_FALSE(forced(false, false));
    CHECK(forced(true, false));
    CHECK(forced(false, true));
}

TEST_CASE("vtd features: a page with SNP is accessed snooped though the device asks for none") {
    SecondStageBench bench;
    const auto snooped = [&](bool no_snoop) {
        pcie::Tlp tlp = bench.request(TlpKind::MemRead, kIova);
        tlp.no_snoop = no_snoop;
        bench.send(tlp);
        bench.settle();
        return bench.last("vtd.translated", "snooped") != 0;
    };
    CHECK(snooped(false));
    CHECK_FALSE(snooped(true));
    bench.tables.store(bench.slot(), bench.tables.load(bench.slot()) | ss::kSnoop);
    bench.invalidate({iotlb_invalidate(IotlbGranularity::Global)});
    CHECK(snooped(true));
    // From the IOTLB too.
    CHECK(snooped(true));
}

TEST_CASE("vtd features: SNP and PGSNP are reserved in a unit without snoop control") {
    VtdParams params = with_three_levels();
    params.snoop_control = false;
    SecondStageBench bench{params};
    bench.tables.store(bench.slot(), bench.tables.load(bench.slot()) | ss::kSnoop);
    CHECK(bench.dma_read(kIova) == CplStatus::UnsupportedRequest);
    CHECK(bench.reason() == 0x7A);
}

TEST_CASE("vtd features: a request for execution fails earlier from version 8 on") {
    for (const unsigned version : {0x70U, 0x80U}) {
        VtdParams params = vtd_param_table().defaults();
        params.version = version;
        FirstStageBench bench{params};
        pcie::Tlp tlp = bench.request(TlpKind::MemRead, kVa);
        tlp.execute = true;
        bench.send(tlp);
        bench.settle();
        CHECK(frcd::kReason.get(bench.read(reg::kFrcd + 8)) == (version == 0x80 ? 0x34 : 0x5C));
        CHECK(bench.count("vtd.walk_read") == (version == 0x80 ? 0 : 4));
    }
}
