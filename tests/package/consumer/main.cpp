// A machine with that device: memory, processors, a root complex, a remapping unit; and a driver
// that maps a page for the device, lets it add up, takes the page away and tries again. Exit code 0
// when the sum is right and the second try is refused by the remapping unit.
#include <cstdio>

#include <summing_device.hpp>
#include "core/sim/dispatcher.hpp"
#include "models/cpu/cpu_complex.hpp"
#include "models/memory/memory_module.hpp"
#include "models/pcie/root_complex.hpp"
#include "models/platform/address_map.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/platform/harness_space.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/vtd/iommu.hpp"
#include "traces/byte_sink.hpp"
#include "traces/jsonl_sink.hpp"

using namespace ioasim;
using platform::BareKind;
using platform::step_of;

namespace {

constexpr Rid kRid{0x0108};
const pcie::BarRange kBar{platform::device_registers(0), 4096};
constexpr std::uint64_t kUnit = platform::iommu_registers(0);
constexpr std::uint64_t kPage = 0x300'0000;
constexpr std::uint64_t kIova = 0x7000'0000;

struct Machine {
    sim::Simulation sim{sim::SimulationOptions{}};
    sim::Dispatcher tasks{sim, platform::scheduler_param_table().defaults(), sim.chooser()};
    memory::MemoryModule memory{sim, "memory", memory::memory_param_table().defaults()};
    pcie::RootComplex root{sim, "root_complex", pcie::pcie_param_table().defaults()};
    cpu::CpuComplex cpus{sim, "cpus", cpu::cpu_param_table().defaults(), memory.cached(), tasks, 1};
    vtd::Iommu unit{sim, "iommu0", vtd::vtd_param_table().defaults()};
    SummingDevice device{sim, kRid, kBar};

    Machine() {
        const pcie::PortId processors = root.add_cpus();
        cpus.upstream().bind(root.inbox(), processors);
        root.downstream(processors).bind(cpus.inbox(), 0);
        const pcie::PortId remapping = root.add_iommu({kUnit, vtd::kRegisterBytes});
        unit.fabric().bind(root.inbox(), remapping);
        root.downstream(remapping).bind(unit.inbox(), vtd::Iommu::kRegisterPort);
        root.upstream(remapping).bind(unit.inbox(), vtd::Iommu::kRequestPort);
        unit.return_credits_to(root.upstream(remapping));
        const std::uint32_t client = memory.add_client();
        unit.memory().bind(memory.inbox(), client);
        memory.responses(client).bind(unit.memory_inbox(), 0);
        const pcie::PortId slot = root.add_device(remapping, kRid, {kBar}, "summing0");
        root.attach(slot, device.upstream);
        root.downstream(slot).bind(device.inbox, 0);
    }
};

// Page tables of the second stage, root, context and PASID entry, then the unit is switched on.
bool bring_up(ExecContext& cpu, platform::BareBuilder& tables, platform::BareDriver& unit) {
    const std::uint64_t rid = kRid.value();
    return tables
               .page_table(cpu, step_of(BareKind::PageTable, {{"levels", 4}},
                                        {{"", "io"}, {"stage", "second"}}))
               .ok() &&
           tables
               .map(cpu,
                    step_of(BareKind::Map,
                            {{"address", kIova}, {"to", kPage}, {"size", 4096}, {"page", 4096}},
                            {{"", "io"}}))
               .ok() &&
           tables.root_table(cpu, step_of(BareKind::RootTable, {}, {{"", "scalable"}}), "iommu0")
               .ok() &&
           tables.context(cpu, step_of(BareKind::Context, {{"", rid}}), "iommu0").ok() &&
           tables
               .pasid_entry(cpu, step_of(BareKind::PasidEntry,
                                         {{"", 0}, {"by", rid}, {"did", 1}, {"snooped_walks", 1}},
                                         {{"second", "io"}}))
               .ok() &&
           unit.enable(cpu, step_of(BareKind::Enable, {})).ok();
}

// The driver of the device: STATUS in the end.
std::uint64_t add_up(ExecContext& cpu) {
    cpu.mmio_write(kBar.base + SummingDevice::kAddress, kIova, 8);
    cpu.mmio_write(kBar.base + SummingDevice::kLength, 4096, 8);
    cpu.mmio_write(kBar.base + SummingDevice::kGo, 1, 8);
    std::uint64_t status = 0;
    while ((status = cpu.mmio_read(kBar.base + SummingDevice::kStatus, 8)) == 1) {
        cpu.spend(TimePs{1'000'000});
    }
    return status;
}

}  // namespace

extern "C" int sc_main(int, char**) {  // the kernel's library asks for one
    return 1;
}

int main(int argc, char** argv) {
    Machine machine;
    traces::OutputFile file(argc > 1 ? argv[1] : "/dev/null");
    traces::JsonlSink trace(machine.sim.recorder(), file, {});
    machine.sim.recorder().add_listener(trace, ~std::uint32_t{0});
    std::uint64_t sum = 0;
    std::uint64_t refused = 0;
    machine.tasks.spawn({"driver", &machine.cpus}, TimePs{}, [&](ExecContext& cpu) {
        platform::BareBuilder tables;
        tables.use(0x100'0000, 0x100'0000);
        platform::BareDriver unit(kUnit, tables, "iommu0");
        for (std::uint64_t at = 0; at < 4096; at += 8) {
            cpu.store(kPage + at, 0x0101'0101'0101'0101, 8);
        }
        if (bring_up(cpu, tables, unit) && add_up(cpu) == 2) {
            sum = cpu.mmio_read(kBar.base + SummingDevice::kSum, 8);
        }
        tables.unmap(cpu,
                     step_of(BareKind::Unmap, {{"address", kIova}, {"size", 4096}, {"page", 4096}},
                             {{"", "io"}}));
        unit.submit_sync(cpu, {vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)});
        refused = add_up(cpu);
    });
    const sim::StopReason end = machine.sim.run();
    std::printf("sum %llu, then status %llu, ended %s after %llu ps\n",
                static_cast<unsigned long long>(sum), static_cast<unsigned long long>(refused),
                std::string(sim::stop_reason_name(end)).c_str(),
                static_cast<unsigned long long>(sim::Simulation::now().ps()));
    return sum == 4096 && refused == 3 && end == sim::StopReason::Idle ? 0 : 1;
}
