// Routing, ordering and credits of the root complex among real modules.
#include <doctest/doctest.h>

#include "models/pcie/config_layout.hpp"
#include "models/pcie/pcie_layout.hpp"
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

namespace {

constexpr std::uint64_t kWindow = 0xC000'0000;
std::uint64_t register_of(Rid function, std::uint32_t offset) {
    return kWindow + pcie::ecam_offset(function, offset);
}

}  // namespace

TEST_CASE("root complex: an access to the configuration window asks the function of that page") {
    VtdMachine m;
    m.rc.set_configuration_window(kWindow);
    m.rc.has_configuration(m.device_port);
    m.mmio_read(kStart, register_of(VtdMachine::kDevice, 0x44), 4);
    m.mmio_write(kStart + 1_ns, register_of(VtdMachine::kDevice, 0x106), 0x8000, 2);
    m.sim.run();
    REQUIRE(m.device.got.size() == 2);
    CHECK(m.device.got[0].second.kind == TlpKind::ConfigRead);
    CHECK(m.device.got[0].second.address == 0x44);
    CHECK(m.device.got[0].second.completer == VtdMachine::kDevice);
    CHECK(m.device.got[1].second.kind == TlpKind::ConfigWrite);
    CHECK(m.device.got[1].second.length == 2);
}

TEST_CASE(
    "root complex: the completion of a configuration write is nobody's, of a read the CPU's") {
    VtdMachine m;
    m.rc.set_configuration_window(kWindow);
    m.rc.has_configuration(m.device_port);
    m.mmio_write(kStart, register_of(VtdMachine::kDevice, 0x4), 6, 2);
    m.mmio_read(kStart + 1_ns, register_of(VtdMachine::kDevice, 0x4), 2);
    m.sim.run();
    REQUIRE(m.device.got.size() == 2);
    m.device.at(kStart + 1_us, pcie::make_completion(m.device.got[0].second, CplStatus::Success));
    pcie::Tlp value = pcie::make_completion(m.device.got[1].second, CplStatus::Success);
    value.data = {6, 0};
    m.device.at(kStart + 1_us, value);
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 1);
    CHECK(m.cpus.got[0].second.data.size() == 2);
}

TEST_CASE("root complex: where no function is, configuration reads fail and writes are dropped") {
    VtdMachine m;
    m.rc.set_configuration_window(kWindow);
    m.mmio_read(kStart, register_of(VtdMachine::kDevice, 0), 4);       // it has none
    m.mmio_read(kStart + 1_ns, register_of(Rid{0x1FF8}, 0), 4);        // there is none
    m.mmio_write(kStart + 2_ns, register_of(Rid{0x1FF8}, 0x4), 6, 2);  // nor here
    m.sim.run();
    REQUIRE(m.cpus.got.size() == 2);
    CHECK(m.cpus.got[0].second.status == CplStatus::UnsupportedRequest);
    CHECK(m.cpus.got[1].second.status == CplStatus::UnsupportedRequest);
    CHECK(m.device.got.empty());
}

TEST_CASE("root complex: a memory request over a border of pages is dropped unanswered") {
    VtdMachine m;
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage + 0xFFC, 8));
    m.device.at(kStart, plain(TlpKind::MemRead, kPage + 0xFFC, 8));
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage + 0xFF8, 8));
    m.sim.run();
    CHECK(m.log.count("pcie.malformed") == 2);
    CHECK(m.log.count("memory.access") == 1);
    CHECK(m.device.got.empty());
}

TEST_CASE("root complex: a request with more address bits than the bus has ends at the port") {
    VtdMachine m;
    m.rc.limit_addresses(m.device_port, kPage + 0xFFF);
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage + 0xFF8));
    m.device.at(kStart, plain(TlpKind::MemRead, kPage + 0x1000));
    m.device.at(kStart, plain(TlpKind::MemWrite, kPage + 0x1000));
    m.device.at(kStart, plain(TlpKind::MemWrite, ~std::uint64_t{0} - 7));
    CHECK(m.sim.run() == sim::StopReason::Idle);
    CHECK(m.log.count("pcie.address_limit") == 3);
    CHECK(m.log.count("vtd.request") == 1);
    CHECK(m.log.count("memory.access") == 1);
    REQUIRE(m.device.got.size() == 1);
    CHECK(m.device.got[0].second.status == CplStatus::UnsupportedRequest);
}
