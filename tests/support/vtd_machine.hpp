// CPUs and one device as scripts around a real root complex, remapping unit and memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/sim/simulation.hpp"
#include "models/memory/memory_module.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/pcie/root_complex.hpp"
#include "models/vtd/iommu.hpp"
#include "tests/support/event_log.hpp"
#include "tests/support/vtd_tables.hpp"

namespace ioasim::test {

// Sends transactions at given times and keeps what arrives.
class Agent final : public sim::Module {
public:
    Agent(sim::Simulation& simulation, const std::string& name, TimePs latency)
        : Module(simulation, name), out(sim::LinkParams{latency, 0, 0}) {}

    void at(TimePs time, pcie::Tlp tlp) { plan_.schedule(time, 0, std::move(tlp)); }
    void advance(TimePs now) override {
        while (inbox.due(now)) {
            got.emplace_back(now, inbox.pop().message);
        }
        while (plan_.due(now)) {
            out.send(now, plan_.pop());
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return sim::earliest(inbox.next(), plan_.next());
    }

    sim::Inbox<pcie::Tlp> inbox{*this, 65536};
    sim::Link<pcie::Tlp> out;
    std::vector<std::pair<TimePs, pcie::Tlp>> got;

private:
    sim::Timeline<pcie::Tlp> plan_;
};

// Parameters with round latencies, so that sums in tests can be read.
struct MachineParams {
    memory::MemoryParams memory = memory::memory_param_table().defaults();
    pcie::PcieParams pcie = pcie::pcie_param_table().defaults();
    vtd::VtdParams vtd = vtd::vtd_param_table().defaults();
    TimePs agent_latency = 3_ns;
    MachineParams() {
        memory.bandwidth = 0;
        memory.latency = 100_ns;
        memory.llc_bytes = 0;
        memory.link_latency = 40_ns;
        vtd.memory_link_latency = 30_ns;
    }
};

class VtdMachine {
public:
    static constexpr std::uint64_t kRegisters = vtd::kDefaultRegisterBase;
    static constexpr std::uint64_t kBar = 0xE000'0000;
    static constexpr Rid kDevice{0x0108};
    static constexpr Pasid kPasid{5};
    // Bring-up by MMIO is over by then; tests start their own traffic here.
    static constexpr TimePs kReady{10'000'000};

    explicit VtdMachine(const MachineParams& params = {})
        : sim(sim::SimulationOptions{}),
          log(sim.recorder()),
          memory(sim, "memory", params.memory),
          rc(sim, "root_complex", params.pcie),
          iommu(sim, "iommu0", params.vtd),
          cpus(sim, "cpus", params.agent_latency),
          device(sim, "dev0", params.agent_latency) {
        const pcie::PortId cpu_port = rc.add_cpus();
        cpus.out.bind(rc.inbox(), cpu_port);
        rc.downstream(cpu_port).bind(cpus.inbox, 0);
        const pcie::PortId unit = rc.add_iommu({kRegisters, vtd::kRegisterBytes});
        iommu.fabric().bind(rc.inbox(), unit);
        rc.downstream(unit).bind(iommu.inbox(), vtd::Iommu::kRegisterPort);
        rc.upstream(unit).bind(iommu.inbox(), vtd::Iommu::kRequestPort);
        iommu.return_credits_to(rc.upstream(unit));
        const std::uint32_t client = memory.add_client();
        iommu.memory().bind(memory.inbox(), client);
        memory.responses(client).bind(iommu.memory_inbox(), 0);
        device_port = rc.add_device(unit, kDevice, {{kBar, 0x1000}});
        device.out.bind(rc.inbox(), device_port);
        rc.downstream(device_port).bind(device.inbox, 0);
    }

    // Tables are built outside of simulated time and copied in page by page.
    void install(VtdTables& tables, Hpa first, Hpa last) {
        std::vector<std::uint8_t> page(kPageSize);
        for (Hpa at = first; at < last; at = at + kPageSize) {
            tables.bytes().read(at, page.data(), page.size());
            memory.bytes().write(at, page.data(), page.size());
        }
    }

    // MMIO by the CPUs.
    void mmio_write(TimePs at, std::uint64_t address, std::uint64_t value, std::uint32_t size) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::MemWrite;
        tlp.address = address;
        tlp.length = size;
        tlp.data.resize(size);
        std::memcpy(tlp.data.data(), &value, size);
        cpus.at(at, std::move(tlp));
    }
    void mmio_read(TimePs at, std::uint64_t address, std::uint32_t size) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::MemRead;
        tlp.address = address;
        tlp.length = size;
        cpus.at(at, std::move(tlp));
    }
    // Root pointer and translation, early enough before kReady.
    void bring_up(Hpa root) {
        using namespace vtd;
        mmio_write(1_us, kRegisters + reg::kRtaddr, rtaddr::make(root, TableMode::Scalable), 8);
        mmio_write(2_us, kRegisters + reg::kGcmd, gcmd::kSrtp, 4);
        mmio_write(4_us, kRegisters + reg::kGcmd, gcmd::kTe, 4);
    }
    static pcie::Tlp dma(pcie::TlpKind kind, std::uint64_t address, std::uint32_t length = 64) {
        pcie::Tlp tlp;
        tlp.kind = kind;
        tlp.requester = kDevice;
        tlp.pasid = kPasid;
        tlp.address = address;
        tlp.length = length;
        if (kind == pcie::TlpKind::MemWrite) {
            tlp.data.assign(length, 0xAB);
        }
        return tlp;
    }
    static std::uint64_t value_of(const pcie::Tlp& tlp) {
        std::uint64_t value = 0;
        std::memcpy(&value, tlp.data.data(), std::min(sizeof value, tlp.data.size()));
        return value;
    }

    sim::Simulation sim;
    EventLog log;
    memory::MemoryModule memory;
    pcie::RootComplex rc;
    pcie::PortId device_port = 0;
    vtd::Iommu iommu;
    Agent cpus;
    Agent device;
};

}  // namespace ioasim::test
