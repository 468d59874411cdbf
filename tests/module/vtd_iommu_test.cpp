// The unit among real links and memory: when things happen.
#include <doctest/doctest.h>

#include "models/vtd/vtd_probes.hpp"
#include "tests/support/vtd_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using namespace ioasim::vtd;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = 0x7F00'0000'0000;
constexpr std::uint64_t kGuestPage = 0x10'0000;

// A machine whose device has a nested PASID with one page.
struct NestedMachine : VtdMachine {
    explicit NestedMachine(bool fpd = false, const MachineParams& params = {})
        : VtdMachine(params) {
        VtdTables tables;
        const Hpa first = tables.page();
        PasidEntry entry = tables.nested(3);
        entry.fpd = fpd;
        tables.map_nested(entry, kVa, kGuestPage);
        const ContextEntry context = tables.make_context();
        tables.set_context(kDevice, context);
        tables.set_pasid(context, kPasid, entry);
        const Hpa root = tables.root();
        install(tables, first, tables.page());
        const std::uint64_t data = 0x1122334455667788;
        memory.bytes().write(target, &data, sizeof data);
        bring_up(root);
    }
    const Hpa target = VtdTables::host(kGuestPage);
};

}  // namespace

TEST_CASE("iommu: a global command shows in the status after its latency") {
    MachineParams params;
    params.vtd.command = 200_ns;
    VtdMachine m{params};
    const std::uint64_t gsts = VtdMachine::kRegisters + reg::kGsts;
    m.mmio_write(1_us, VtdMachine::kRegisters + reg::kGcmd, gcmd::kQie, 4);
    m.mmio_read(1_us + 199999_ps, gsts, 4);
    m.mmio_read(1_us + 200_ns, gsts, 4);
    CHECK(m.sim.run() == sim::StopReason::Idle);
    REQUIRE(m.cpus.got.size() == 2);
    CHECK(VtdMachine::value_of(m.cpus.got[0].second) == 0);
    CHECK(VtdMachine::value_of(m.cpus.got[1].second) == gcmd::kQie);
}

TEST_CASE("iommu: a register read takes the links and the access latency") {
    VtdMachine m;
    m.mmio_read(1_us, VtdMachine::kRegisters + reg::kVer, 4);
    m.sim.run();
    const MachineParams p;
    const TimePs expected = 1_us + p.agent_latency + p.pcie.iommu_latency + p.vtd.register_access +
                            p.vtd.fabric_link_latency + p.pcie.cpu_latency;
    REQUIRE(m.cpus.got.size() == 1);
    CHECK(m.cpus.got[0].first == expected);
    CHECK(VtdMachine::value_of(m.cpus.got[0].second) == 0x60);
}

TEST_CASE("iommu: a cold nested read takes 28 walk reads and the access itself") {
    NestedMachine m;
    m.device.at(VtdMachine::kReady, VtdMachine::dma(TlpKind::MemRead, kVa));
    m.device.at(VtdMachine::kReady + 100_us, VtdMachine::dma(TlpKind::MemRead, kVa));
    CHECK(m.sim.run() == sim::StopReason::Idle);
    const MachineParams p;
    const TimePs memory_trip = p.vtd.memory_link_latency + p.memory.latency + p.memory.link_latency;
    const TimePs way = p.agent_latency + p.pcie.iommu_latency + p.vtd.iotlb_lookup + memory_trip +
                       p.vtd.fabric_link_latency + p.pcie.device_latency;
    REQUIRE(m.device.got.size() == 2);
    CHECK(m.device.got[0].first ==
          VtdMachine::kReady + way + memory_trip * 28 + p.vtd.walk_step * 27);
    CHECK(m.device.got[1].first == VtdMachine::kReady + 100_us + way);
    CHECK(VtdMachine::value_of(m.device.got[1].second) == 0x1122334455667788);
    CHECK(m.log.count("vtd.walk_read") == 28);
}

TEST_CASE("iommu: the memory access is told when it happens, with who asked") {
    NestedMachine m;
    pcie::Tlp tlp = VtdMachine::dma(TlpKind::MemWrite, kVa + 64, 8);
    tlp.descriptor = 77;
    m.device.at(VtdMachine::kReady, tlp);
    m.sim.run();
    const auto accesses = m.log.of("memory.access");
    REQUIRE(accesses.size() == 1);
    CHECK(EventLog::number(accesses[0], "rid") == VtdMachine::kDevice.value());
    CHECK(EventLog::number(accesses[0], "pasid") == VtdMachine::kPasid.value());
    CHECK(EventLog::number(accesses[0], "address") == m.target.value() + 64);
    CHECK(EventLog::number(accesses[0], "length") == 8);
    CHECK(EventLog::number(accesses[0], "write") == 1);
    CHECK(EventLog::number(accesses[0], "descriptor") == 77);
    const auto translated = m.log.of("vtd.translated");
    REQUIRE(translated.size() == 1);
    CHECK(accesses[0].time == translated[0].time + MachineParams{}.vtd.memory_link_latency);
}

TEST_CASE("iommu: a blocked read under FPD is refused without a record") {
    NestedMachine m{true};
    m.device.at(VtdMachine::kReady, VtdMachine::dma(TlpKind::MemRead, kVa + kPageSize));
    m.mmio_read(VtdMachine::kReady + 100_us, VtdMachine::kRegisters + reg::kFsts, 4);
    m.sim.run();
    REQUIRE(m.device.got.size() == 1);
    CHECK(m.device.got[0].second.status == CplStatus::UnsupportedRequest);
    REQUIRE(m.cpus.got.size() == 1);
    CHECK(VtdMachine::value_of(m.cpus.got[0].second) == 0);
    const auto faults = m.log.of("vtd.fault");
    REQUIRE(faults.size() == 1);
    CHECK(EventLog::number(faults[0], "suppressed") == 1);
    CHECK(EventLog::number(faults[0], "recorded") == 0);
    CHECK(m.log.count("memory.access") == 0);
}

TEST_CASE("iommu: a blocked read without FPD is recorded and read back by MMIO") {
    NestedMachine m;
    m.device.at(VtdMachine::kReady, VtdMachine::dma(TlpKind::MemRead, kVa + kPageSize));
    m.mmio_read(VtdMachine::kReady + 100_us, VtdMachine::kRegisters + reg::kFrcd, 8);
    m.mmio_read(VtdMachine::kReady + 101_us, VtdMachine::kRegisters + reg::kFrcd + 8, 8);
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 2);
    const FaultRecord fault = decode_fault(
        {VtdMachine::value_of(m.cpus.got[0].second), VtdMachine::value_of(m.cpus.got[1].second)});
    CHECK(fault.valid);
    CHECK(fault.address == kVa + kPageSize);
    CHECK(fault.pasid == VtdMachine::kPasid);
}

TEST_CASE("iommu: a wait's status is in memory only after the old access arrived there") {
    NestedMachine m;
    const Hpa queue{0x4000'0000};
    const Hpa status{0x4100'0000};
    const std::vector<Descriptor> ring{
        pasid_iotlb_invalidate(PasidIotlbGranularity::Pasid, DomainId{3}, VtdMachine::kPasid),
        wait_with_status(status, 2)};
    m.memory.bytes().write(queue, ring.data(), ring.size() * kDescriptorBytes);
    m.mmio_write(5_us, VtdMachine::kRegisters + reg::kIqa, iq::make_iqa(queue, true, 0), 8);
    m.mmio_write(6_us, VtdMachine::kRegisters + reg::kGcmd, gcmd::kQie | gcmd::kTe, 4);
    // The cold read is still walking when the tail moves.
    m.device.at(VtdMachine::kReady, VtdMachine::dma(TlpKind::MemRead, kVa));
    m.mmio_write(VtdMachine::kReady + 100_ns, VtdMachine::kRegisters + reg::kIqt,
                 ring.size() * kDescriptorBytes, 8);
    CHECK(m.sim.run() == sim::StopReason::Idle);
    std::uint32_t data = 0;
    m.memory.bytes().read(status, &data, sizeof data);
    CHECK(data == 2);
    CHECK(m.sim.probes().hits(kStaleFillDropped) == 1);
    CHECK(m.sim.probes().hits(kWaitDrained) == 1);
    const auto access = m.log.of("memory.access");
    const auto done = m.log.of("vtd.inv_wait_done");
    REQUIRE(access.size() == 1);
    REQUIRE(done.size() == 1);
    CHECK(access[0].time < done[0].time);
}
