// The defects of tables and commands: each makes a difference that a driver can see.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kIova = 0x5000;

// A function in legacy mode over four levels.
struct LegacyBench : VtdBench {
    explicit LegacyBench(const VtdParams& params = vtd_param_table().defaults())
        : VtdBench(params) {
        enable();
        entry.present = true;
        entry.second_stage = tables.page();
        entry.aw = kAddressWidth48;
        entry.did = DomainId{3};
        tables.map_second(entry.second_stage, kIova, tables.page());
        const Hpa table = tables.page();
        tables.store(root_entry_address(tables.root(), kDevice), table.value() | 1U);
        const LegacyContextQwords q = encode(entry);
        tables.bytes().write(legacy_context_entry_address(table, kDevice), q.data(), sizeof q);
        write(reg::kRtaddr, rtaddr::make(tables.root(), TableMode::Legacy));
        command(gcmd::kSrtp);
    }
    CplStatus read_at(std::uint64_t address) {
        to_fabric.clear();
        pcie::Tlp tlp = request(TlpKind::MemRead, address);
        tlp.pasid.reset();
        send(tlp);
        settle();
        return to_fabric.back().status;
    }
    Hpa slot(unsigned level) { return tables.second_slot(entry.second_stage, kIova, 4, level); }
    LegacyContextEntry entry;
};

}  // namespace

TEST_CASE("vtd defects: ignored reserved bits let a request pass that must be blocked") {
    for (const bool broken : {false, true}) {
        LegacyBench bench;
        if (broken) {
            bench.probes.enable(kReservedBitsIgnored);
        }
        bench.tables.store(bench.slot(1), bench.tables.load(bench.slot(1)) | ss::kIoWrite);
        CHECK(bench.read_at(kIova) ==
              (broken ? CplStatus::Success : CplStatus::UnsupportedRequest));
    }
}

TEST_CASE(
    "vtd defects: permissions of the leaf alone let a read pass that an upper entry forbids") {
    for (const bool broken : {false, true}) {
        LegacyBench bench;
        if (broken) {
            bench.probes.enable(kLeafPermissionsOnly);
        }
        bench.tables.store(bench.slot(3), bench.tables.load(bench.slot(3)) & ~ss::kRead);
        CHECK(bench.read_at(kIova) ==
              (broken ? CplStatus::Success : CplStatus::UnsupportedRequest));
    }
}

TEST_CASE("vtd defects: codes of the wrong table mode show in the record") {
    for (const bool broken : {false, true}) {
        LegacyBench bench;
        if (broken) {
            bench.probes.enable(kLegacyCodesOfScalable);
        }
        CHECK(bench.read_at(kIova + kPageSize) == CplStatus::UnsupportedRequest);
        CHECK(frcd::kReason.get(bench.read(reg::kFrcd + 8)) == (broken ? 0x79 : 0x6));
    }
}

TEST_CASE("vtd defects: a dirty flag that is not set is missing in memory") {
    for (const bool broken : {false, true}) {
        FirstStageBench bench;
        if (broken) {
            bench.probes.enable(kDirtyNotSet);
        }
        bench.tables.store(bench.leaf(), fs::leaf(bench.target.value(), true, true));
        bench.dma_write(kVa);
        CHECK(((bench.tables.load(bench.leaf()) & fs::kDirty) != 0) == !broken);
    }
}

TEST_CASE("vtd defects: without drain translation is off before a translated write is done") {
    for (const bool broken : {false, true}) {
        FirstStageBench bench;
        CHECK(bench.dma_read(kVa) == CplStatus::Success);
        if (broken) {
            bench.probes.enable(kOffWithoutDrain);
        }
        bench.send(bench.request(TlpKind::MemRead, kVa));
        const memory::MemRequest access = bench.to_memory.front();
        bench.to_memory.pop_front();
        bench.write32(reg::kGcmd, bench.read32(reg::kGsts) & gcmd::kStickyMask & ~gcmd::kTe);
        bench.settle();
        CHECK(((bench.read32(reg::kGsts) & gcmd::kTe) == 0) == broken);
        bench.to_memory.push_front(access);
        bench.settle();
        CHECK((bench.read32(reg::kGsts) & gcmd::kTe) == 0);
    }
}

TEST_CASE("vtd defects: a command register that takes the next command too early loses one") {
    for (const bool broken : {false, true}) {
        LegacyBench bench;
        if (broken) {
            bench.probes.enable(kCommandOverrun);
        }
        bench.write(reg::kRtaddr, rtaddr::make(bench.tables.page(), TableMode::Scalable));
        const std::uint32_t on = bench.read32(reg::kGsts) & gcmd::kStickyMask;
        bench.write32(reg::kGcmd, on | gcmd::kSrtp);
        bench.write32(reg::kGcmd, on & ~gcmd::kQie);
        bench.settle();
        // The second command did nothing, or displaced the first.
        CHECK(((bench.read32(reg::kGsts) & gcmd::kSrtp) != 0) == !broken);
        CHECK(((bench.read32(reg::kGsts) & gcmd::kQie) != 0) == !broken);
    }
}

TEST_CASE(
    "vtd defects: register-based invalidation that always succeeds hides a driver's mistake") {
    for (const bool broken : {false, true}) {
        LegacyBench bench;
        if (broken) {
            bench.probes.enable(kRegisterInvalidationAlways);
        }
        bench.write(reg::kIotlb, iotlb::kIvt.mask() | iotlb::kIirg.make(1));
        bench.settle();
        CHECK(iotlb::kIaig.get(bench.read(reg::kIotlb)) == (broken ? 1 : 0));
    }
}
