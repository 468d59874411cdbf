// The whole unit, registers to memory requests, with every interleaving under the test's control.
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
constexpr std::uint64_t kOther = FirstStageBench::kOther;
constexpr std::uint64_t kGuestPage = 0x10'0000;
constexpr DomainId kDid = FirstStageBench::kDid;

std::uint32_t fault_reason(VtdBench& bench, std::size_t record = 0) {
    const std::uint64_t high = bench.read(reg::kFrcd + static_cast<std::uint32_t>(record) * 16 + 8);
    return frcd::kF.get(high) != 0 ? static_cast<std::uint32_t>(frcd::kReason.get(high)) : 0;
}

std::uint32_t reason(FaultReason r) {
    return static_cast<std::uint32_t>(r);
}

}  // namespace

TEST_CASE("vtd unit: commands show in the status register after their latency") {
    VtdBench bench;
    bench.write32(reg::kGcmd, gcmd::kQie);
    CHECK(bench.read32(reg::kGsts) == 0);
    bench.settle();
    CHECK(bench.read32(reg::kGsts) == gcmd::kQie);
    bench.command(gcmd::kSrtp);
    CHECK(bench.read32(reg::kGsts) == (gcmd::kQie | gcmd::kSrtp));
    bench.command(gcmd::kTe);
    CHECK(bench.read32(reg::kGsts) == (gcmd::kQie | gcmd::kSrtp | gcmd::kTe));
    CHECK(bench.read32(reg::kGcmd) == 0);
}

TEST_CASE("vtd unit: the root pointer counts from the command on, not from the register write") {
    FirstStageBench bench;
    bench.write(reg::kRtaddr, 0);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.command(gcmd::kSrtp);
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::PasidInLegacyMode));
}

TEST_CASE("vtd unit: with remapping off requests pass untranslated") {
    VtdBench bench;
    const Hpa page = bench.tables.page();
    bench.tables.store(page, 0x1122334455667788);
    CHECK(bench.dma_read(page.value()) == CplStatus::Success);
    CHECK(bench.read_data() == 0x1122334455667788);
}

TEST_CASE("vtd unit: a cold nested request makes 24 page-table reads and 4 of structures") {
    VtdBench bench;
    const PasidEntry e = bench.tables.nested(kDid.value());
    bench.tables.map_nested(e, kVa, kGuestPage);
    bench.tables.store(VtdTables::host(kGuestPage) + 8, 0xFEEDC0DE);
    bench.add_device(e);
    bench.enable();
    CHECK(bench.dma_read(kVa + 8) == CplStatus::Success);
    CHECK(bench.read_data() == 0xFEEDC0DE);
    CHECK(bench.count("vtd.walk_read") == 28);
    CHECK(bench.last("vtd.translated", "hit") == 0);
    CHECK(bench.last("vtd.translated", "hpa") == VtdTables::host(kGuestPage).value() + 8);
    // Warm: none at all.
    CHECK(bench.dma_read(kVa + 16) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 28);
    CHECK(bench.last("vtd.translated", "hit") == 1);
}

TEST_CASE("vtd unit: context and PASID caches save the structure reads of another page") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    const std::size_t cold = bench.count("vtd.walk_read");
    CHECK(cold == 8);
    CHECK(bench.dma_read(kOther) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == cold + 4);
}

TEST_CASE("vtd unit: without caches every request walks in full and still finds its page") {
    VtdParams params = ioasim::test::plain_unit();
    params.context_entries = params.pasid_entries = params.iotlb_entries = 0;
    FirstStageBench bench{params};
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 16);
}

TEST_CASE("vtd unit: a write reaches the page with its bytes, and sets dirty") {
    FirstStageBench bench;
    bench.tables.store(bench.leaf(), fs::leaf(bench.target.value(), true, true));
    bench.dma_write(kVa + 0x10);
    CHECK(bench.tables.load(bench.target + 0x10) == 0xABABABABABABABAB);
    CHECK((bench.tables.load(bench.leaf()) & fs::kDirty) != 0);
    CHECK(bench.count("vtd.walk_update") == 1);
}

TEST_CASE("vtd unit: a write after a read walks again to set dirty") {
    FirstStageBench bench;
    bench.tables.store(bench.leaf(), fs::leaf(bench.target.value(), true, true));
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK((bench.tables.load(bench.leaf()) & fs::kDirty) == 0);
    bench.dma_write(kVa);
    CHECK((bench.tables.load(bench.leaf()) & fs::kDirty) != 0);
}

TEST_CASE("vtd unit: requests without PASID use RID_PASID") {
    VtdBench bench;
    const PasidEntry e = bench.tables.second_stage(kDid.value());
    const Hpa target = bench.tables.page();
    bench.tables.map_second(e.second_stage, 0x5000, target);
    bench.context = bench.tables.make_context();
    bench.context.rid_pasid = 9;
    bench.tables.set_context(VtdBench::kDevice, bench.context);
    bench.tables.set_pasid(bench.context, Pasid{9}, e);
    bench.enable();
    pcie::Tlp tlp = bench.request(TlpKind::MemRead, 0x5000);
    tlp.pasid.reset();
    bench.send(tlp);
    bench.settle();
    CHECK(bench.to_fabric.back().status == CplStatus::Success);
    CHECK(bench.last("vtd.translated", "hpa") == target.value());
    // The same address with PASID 9 is not the same request.
    tlp.pasid = Pasid{9};
    bench.send(tlp);
    bench.settle();
    CHECK(fault_reason(bench) == reason(FaultReason::PasidIsRidPasid));
}

TEST_CASE("vtd unit: a blocked read is answered with Unsupported Request and recorded") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa + kPageSize) == CplStatus::UnsupportedRequest);
    const FaultRecord fault = decode_fault({bench.read(reg::kFrcd), bench.read(reg::kFrcd + 8)});
    CHECK(fault.address == kVa + kPageSize);
    CHECK(fault.source == VtdBench::kDevice);
    CHECK(fault.has_pasid);
    CHECK(fault.pasid == VtdBench::kPasid);
    CHECK(fault.reason == reason(FaultReason::FirstStageNotPresent));
    CHECK(fault.type == FaultType::Read);
    CHECK((bench.read32(reg::kFsts) & fsts::kPpf) != 0);
    CHECK(bench.last("vtd.fault", "recorded") == 1);
}

TEST_CASE("vtd unit: a record keeps the address bits that the widest tables translate") {
    FirstStageBench bench;
    const std::uint64_t wild = 0x8012'3456'789A'B000;
    CHECK(bench.dma_read(wild) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::NotCanonical));
    CHECK(bench.read(reg::kFrcd) == (wild & 0x01FF'FFFF'FFFF'F000));
    CHECK(bench.last("vtd.fault", "address") == wild);
}

TEST_CASE("vtd unit: a blocked write vanishes and is recorded as a write") {
    FirstStageBench bench;
    bench.to_fabric.clear();
    bench.dma_write(kVa + kPageSize);
    CHECK(bench.to_fabric.empty());
    CHECK(bench.count("memory.access") == 0);
    CHECK(decode_fault({0, bench.read(reg::kFrcd + 8)}).type == FaultType::Write);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd unit: FPD of the PASID entry blocks without a record") {
    FirstStageBench bench;
    bench.tables.store(bench.tables.pasid_slot(bench.context, VtdBench::kPasid),
                       pasid_entry::kFpd.mask());
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == 0);
    CHECK((bench.read32(reg::kFsts) & fsts::kPpf) == 0);
    CHECK(bench.last("vtd.fault", "suppressed") == 1);
    CHECK(bench.probes.hits(kFaultSuppressed) == 1);
}

TEST_CASE("vtd unit: FPD still counts when the entry comes from the PASID cache") {
    FirstStageBench bench;
    bench.entry.fpd = true;
    bench.tables.set_pasid(bench.context, VtdBench::kPasid, bench.entry);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(bench.dma_read(kVa + kPageSize) == CplStatus::UnsupportedRequest);
    CHECK(bench.last("vtd.fault", "suppressed") == 1);
}

TEST_CASE("vtd unit: the defect that ignores FPD records the fault") {
    FirstStageBench bench;
    bench.probes.enable(kFpdIgnored);
    bench.tables.store(bench.tables.pasid_slot(bench.context, VtdBench::kPasid),
                       pasid_entry::kFpd.mask());
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::PasidEntryNotPresent));
}

TEST_CASE("vtd unit: root faults are recorded whatever FPD says") {
    FirstStageBench bench;
    pcie::Tlp tlp = bench.request(TlpKind::MemRead, kVa);
    tlp.requester = Rid{0x0300};
    bench.send(tlp);
    bench.settle();
    CHECK(fault_reason(bench) == reason(FaultReason::RootNotPresent));
}

TEST_CASE("vtd unit: translated requests and translation requests without ATS are blocked") {
    FirstStageBench bench;
    pcie::Tlp tlp = bench.request(TlpKind::MemRead, kVa);
    tlp.at = pcie::AddressType::Translated;
    tlp.pasid.reset();
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.send(tlp);
    bench.settle();
    CHECK(bench.to_fabric.back().status == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench, 0) == reason(FaultReason::DeviceTlbDisabled));
    bench.send(bench.request(TlpKind::AtsRequest, kVa));
    bench.settle();
    CHECK(bench.to_fabric.back().status == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench, 1) == reason(FaultReason::DeviceTlbDisabled));
}

TEST_CASE("vtd unit: more faults than records set the overflow") {
    VtdParams params = vtd_param_table().defaults();
    params.fault_records = 1;
    FirstStageBench bench{params};
    bench.dma_read(kVa + kPageSize);
    bench.dma_read(kVa + 2 * kPageSize);
    CHECK((bench.read32(reg::kFsts) & fsts::kPfo) != 0);
    CHECK(bench.last("vtd.fault", "recorded") == 0);
    CHECK(bench.probes.hits(kFaultOverflow) == 1);
    bench.write32(reg::kFrcd + 12, 1U << 31U);
    bench.write32(reg::kFsts, fsts::kPfo);
    CHECK((bench.read32(reg::kFsts) & (fsts::kPfo | fsts::kPpf)) == 0);
    bench.dma_read(kVa + kPageSize);
    CHECK(bench.last("vtd.fault", "recorded") == 1);
}

TEST_CASE("vtd unit: a fault sends one message until software cleared its causes") {
    FirstStageBench bench;
    bench.write32(reg::kFeaddr, 0xFEE0'1000);
    bench.write32(reg::kFedata, 0x31);
    bench.write32(reg::kFectl, 0);
    bench.to_fabric.clear();
    const auto messages = [&] {
        std::size_t found = 0;
        for (const pcie::Tlp& tlp : bench.to_fabric) {
            found += tlp.kind == TlpKind::Interrupt ? 1 : 0;
        }
        return found;
    };
    bench.dma_write(kVa + kPageSize);
    CHECK(messages() == 1);
    CHECK(bench.to_fabric.front().address == 0xFEE0'1000);
    CHECK(bench.to_fabric.front().data.at(0) == 0x31);
    bench.dma_write(kVa + kPageSize);
    CHECK(messages() == 1);
    bench.write32(reg::kFrcd + 12, 1U << 31U);
    bench.write32(reg::kFrcd + 16 + 12, 1U << 31U);
    bench.dma_write(kVa + kPageSize);
    CHECK(messages() == 2);
}

TEST_CASE("vtd unit: requests without PASID to FEEx are interrupts or faults") {
    FirstStageBench bench;
    pcie::Tlp message = bench.request(TlpKind::MemWrite, 0xFEE0'2000, 4);
    message.pasid.reset();
    bench.to_fabric.clear();
    bench.send(message);
    bench.settle();
    REQUIRE(bench.to_fabric.size() == 1);
    CHECK(bench.to_fabric.back().kind == TlpKind::Interrupt);
    pcie::Tlp read = bench.request(TlpKind::MemRead, 0xFEE0'2000);
    read.pasid.reset();
    bench.send(read);
    bench.settle();
    CHECK(bench.to_fabric.back().status == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::BadInterruptRequest));
}

TEST_CASE("vtd unit: a translation into FEEx is blocked") {
    FirstStageBench bench;
    bench.tables.map_first(bench.entry.first_stage, kOther, 0xFEE0'0000);
    CHECK(bench.dma_read(kOther) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::OutputIsInterrupt));
}

TEST_CASE("vtd unit: FPD keeps a translation into FEEx out of the records too") {
    FirstStageBench bench;
    bench.entry.fpd = true;
    bench.tables.set_pasid(bench.context, VtdBench::kPasid, bench.entry);
    bench.tables.map_first(bench.entry.first_stage, kOther, 0xFEE0'0000);
    CHECK(bench.dma_read(kOther) == CplStatus::UnsupportedRequest);
    CHECK(bench.last("vtd.fault", "reason") == reason(FaultReason::OutputIsInterrupt));
    CHECK(bench.last("vtd.fault", "suppressed") == 1);
    CHECK(fault_reason(bench) == 0);
}

TEST_CASE("vtd unit: a cached large page does not let a request into FEEx") {
    FirstStageBench bench;
    bench.tables.map_first(bench.entry.first_stage, 0xC000'0000, 0xC000'0000, false, 4, 3);
    CHECK(bench.dma_read(0xC000'0000) == CplStatus::Success);
    CHECK(bench.dma_read(0xFEE0'0000) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::OutputIsInterrupt));
}

TEST_CASE("vtd unit: with remapping off a write to FEEx is an interrupt whatever its PASID") {
    VtdBench bench;
    bench.send(bench.request(TlpKind::MemWrite, 0xFEE0'2000, 4));
    bench.settle();
    REQUIRE(bench.to_fabric.size() == 1);
    CHECK(bench.to_fabric.back().kind == TlpKind::Interrupt);
}

TEST_CASE("vtd unit: with remapping off an invalidation completion is nobody's") {
    VtdBench bench;
    bench.send(bench.request(TlpKind::InvalidateCompletion, 0));
    bench.settle();
    CHECK(bench.read32(reg::kFsts) == 0);
}

TEST_CASE("vtd unit: switching the queue off resets its head") {
    FirstStageBench bench;
    bench.invalidate({});
    CHECK(bench.read(reg::kIqh) == kDescriptorBytes);
    bench.write32(reg::kGcmd, bench.read32(reg::kGsts) & gcmd::kStickyMask & ~gcmd::kQie);
    bench.settle();
    CHECK(bench.read(reg::kIqh) == 0);
}

TEST_CASE("vtd unit: switching remapping off drops every cached translation") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.write32(reg::kGcmd, bench.read32(reg::kGsts) & gcmd::kStickyMask & ~gcmd::kTe);
    bench.settle();
    bench.tables.store(bench.leaf(), 0);
    bench.command(gcmd::kTe);
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
}

TEST_CASE("vtd unit: remapping is on only when requests that went untranslated are done") {
    VtdBench bench;
    const Hpa page = bench.tables.page();
    bench.send(bench.request(TlpKind::MemRead, page.value()));
    memory::MemRequest access = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.command(gcmd::kTe);
    CHECK((bench.read32(reg::kGsts) & gcmd::kTe) == 0);
    bench.to_memory.push_front(access);
    bench.settle();
    CHECK((bench.read32(reg::kGsts) & gcmd::kTe) != 0);
}

TEST_CASE("vtd unit: page-request queue registers hold what software writes and tell of it") {
    VtdParams params = vtd_param_table().defaults();
    params.device_tlb = params.page_requests = true;
    VtdBench bench{params};
    bench.write(reg::kPqa, 0x40004);
    bench.write(reg::kPqt, 0x40);
    bench.write(reg::kPqh, 0x60);
    CHECK(bench.read(reg::kPqa) == 0x40004);
    CHECK(bench.count("vtd.prq") == 2);
    CHECK(bench.last("vtd.prq", "head") == 0x60);
    CHECK(bench.last("vtd.prq", "tail") == 0x40);
}

TEST_CASE("vtd unit: an unexpected invalidation completion is told in the status register") {
    FirstStageBench bench;
    bench.send(bench.request(TlpKind::InvalidateCompletion, 0));
    CHECK((bench.read32(reg::kFsts) & fsts::kIce) != 0);
    CHECK(get_bits(bench.read(reg::kIqercd), 63, 48) == VtdBench::kDevice.value());
    bench.write32(reg::kFsts, fsts::kIce);
    CHECK(bench.read32(reg::kFsts) == 0);
}

TEST_CASE("vtd registers: illegal sizes read zero and change nothing") {
    VtdBench bench;
    pcie::Tlp tlp;
    tlp.kind = TlpKind::MemRead;
    tlp.address = reg::kCap + 1;
    tlp.length = 8;
    bench.unit().on_register_access(bench.now(), tlp);
    bench.settle();
    CHECK(bench.to_fabric.back().data == std::vector<std::uint8_t>(8, 0));
    tlp.kind = TlpKind::MemWrite;
    tlp.address = reg::kFeaddr;
    tlp.data.assign(8, 0xFF);
    bench.unit().on_register_access(bench.now(), tlp);
    CHECK(bench.read32(reg::kFeaddr) == 0);
    CHECK(bench.probes.hits(kBadRegisterAccess) == 2);
}

TEST_CASE("vtd registers: reserved bits stay as they are") {
    VtdBench bench;
    bench.write(reg::kRtaddr, ~std::uint64_t{0});
    CHECK(bench.read(reg::kRtaddr) == 0xFFFFFFFFFFFFFC00);
    bench.write(reg::kIqa, ~std::uint64_t{0});
    CHECK(bench.read(reg::kIqa) == 0xFFFFFFFFFFFFF807);
    bench.write(reg::kCap, 0);
    CHECK(bench.read(reg::kCap) == make_capabilities(vtd_param_table().defaults()).cap());
    bench.write32(reg::kFeaddr, 0xFFFF'FFFF);
    CHECK(bench.read32(reg::kFeaddr) == 0xFFFF'FFFC);
}
