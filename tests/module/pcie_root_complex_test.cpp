// Routing, ordering and credits of the root complex among real modules.
#include <doctest/doctest.h>

#include "models/pcie/pcie_probes.hpp"
#include "tests/support/vtd_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr TimePs kStart{1'000'000};
constexpr std::uint64_t kPage = 0x10'0000;

pcie::Tlp read_completion() {
    pcie::Tlp tlp;
    tlp.kind = TlpKind::Completion;
    tlp.data = {1, 2, 3, 4};
    return tlp;
}

// Untranslated: the unit is off, so device addresses are host ones.
pcie::Tlp plain(TlpKind kind, std::uint64_t address, std::uint32_t length = 8) {
    pcie::Tlp tlp = VtdMachine::dma(kind, address, length);
    tlp.pasid.reset();
    return tlp;
}

}  // namespace

TEST_CASE("root complex: MMIO reaches the device whose range holds it") {
    VtdMachine m;
    m.mmio_write(kStart, VtdMachine::kBar + 0x10, 0x55, 4);
    m.mmio_read(kStart + 1_ns, VtdMachine::kBar + 0x20, 8);
    m.sim.run();
    REQUIRE(m.device.got.size() == 2);
    CHECK(m.device.got[0].second.kind == TlpKind::MemWrite);
    CHECK(m.device.got[1].second.address == VtdMachine::kBar + 0x20);
    const MachineParams p;
    CHECK(m.device.got[0].first == kStart + p.agent_latency + p.pcie.device_latency);
}

TEST_CASE("root complex: an address that no one claims is refused, or dropped when posted") {
    VtdMachine m;
    m.mmio_read(kStart, VtdMachine::kBar + 0x1000, 4);
    m.mmio_write(kStart + 1_ns, VtdMachine::kBar + 0x1000, 0, 4);
    pcie::Tlp dmwr;
    dmwr.kind = TlpKind::DeferrableWrite;
    dmwr.address = VtdMachine::kBar + 0xFF0;  // reaches beyond the range
    dmwr.length = 64;
    dmwr.data.resize(64);
    m.cpus.at(kStart + 2_ns, dmwr);
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 2);
    CHECK(m.cpus.got[0].second.status == CplStatus::UnsupportedRequest);
    CHECK(m.cpus.got[1].second.status == CplStatus::UnsupportedRequest);
    CHECK(m.log.count("pcie.unsupported") == 3);
    CHECK(m.device.got.empty());
}

TEST_CASE("root complex: a device's read completion comes after its earlier DMA writes") {
    VtdMachine m;
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage));
    m.device.at(kStart, read_completion());
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 1);
    const auto access = m.log.of("memory.access");
    REQUIRE(access.size() == 1);
    CHECK(m.cpus.got[0].first > access[0].time);
    CHECK(m.cpus.got[0].second.completer == VtdMachine::kDevice);
}

TEST_CASE("root complex: the defect lets a read completion overtake the writes") {
    VtdMachine m;
    m.sim.probes().enable(pcie::kCompletionPassesWrites);
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage));
    m.device.at(kStart, read_completion());
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 1);
    CHECK(m.cpus.got[0].first < m.log.of("memory.access").at(0).time);
}

TEST_CASE("root complex: completions without data go straight to the CPUs") {
    VtdMachine m;
    pcie::Tlp answer = read_completion();
    answer.data.clear();
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage));
    m.device.at(kStart, answer);
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 1);
    const MachineParams p;
    CHECK(m.cpus.got[0].first == kStart + p.agent_latency + p.pcie.cpu_latency);
}

TEST_CASE("root complex: interrupts of a device reach the CPUs after its writes") {
    VtdMachine m;
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage));
    m.device.at(kStart, plain(TlpKind::Interrupt, 0xFEE0'1000, 4));
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 1);
    CHECK(m.cpus.got[0].second.kind == TlpKind::Interrupt);
    CHECK(m.cpus.got[0].first > m.log.of("memory.access").at(0).time);
}

TEST_CASE("root complex: completions of DMA reads go back to the device that asked") {
    VtdMachine m;
    const std::uint64_t data = 0xC0FFEE;
    m.memory.bytes().write(Hpa{kPage}, &data, sizeof data);
    pcie::Tlp tlp = plain(TlpKind::MemRead, kPage);
    tlp.tag = 17;
    m.device.at(kStart, tlp);
    m.sim.run();
    REQUIRE(m.device.got.size() == 1);
    CHECK(m.device.got[0].second.tag == 17);
    CHECK(VtdMachine::value_of(m.device.got[0].second) == data);
    CHECK(m.cpus.got.empty());
}

TEST_CASE("root complex: requests beyond the unit's credits wait and keep their order") {
    MachineParams params;
    params.pcie.iommu_credits = 2;
    params.vtd.requests = 4;
    VtdMachine m{params};
    for (std::uint32_t i = 0; i < 50; ++i) {
        pcie::Tlp tlp = plain(TlpKind::MemRead, kPage + 8 * i);
        tlp.tag = i;
        m.device.at(kStart, tlp);
    }
    CHECK(m.sim.run() == sim::StopReason::Idle);
    REQUIRE(m.device.got.size() == 50);
    bool in_order = true;
    for (std::uint32_t i = 0; i < 50; ++i) {
        in_order = in_order && m.device.got[i].second.tag == i;
    }
    CHECK(in_order);
    CHECK(m.sim.probes().hits(pcie::kCreditWait) > 0);
}

TEST_CASE("root complex: memory that is not there answers a DMA read with Unsupported Request") {
    VtdMachine m;
    m.device.at(kStart, plain(TlpKind::MemRead, 0xF000'0000));
    m.device.at(kStart, plain(TlpKind::MemWrite, 0xF000'0000));
    CHECK(m.sim.run() == sim::StopReason::Idle);
    REQUIRE(m.device.got.size() == 1);
    CHECK(m.device.got[0].second.status == CplStatus::UnsupportedRequest);
    CHECK(m.log.count("memory.access") == 0);
}
