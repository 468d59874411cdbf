// A small machine: CPUs, one DSA device, memory, and a fabric that routes between them without an
// IOMMU (device addresses are physical; chosen PASIDs are blocked).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/sim/dispatcher.hpp"
#include "core/sim/simulation.hpp"
#include "models/cpu/cpu_complex.hpp"
#include "models/dsa/dsa_device.hpp"
#include "models/memory/sparse_memory.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "tests/support/event_log.hpp"

namespace ioasim::test {

constexpr std::uint64_t kBar0 = 0xE000'0000;
constexpr std::uint64_t kBar2 = 0xD000'0000;
// The function's page, to write; completions of that are the bridge's.
constexpr std::uint64_t kConfiguration = 0xC000'0000;
constexpr std::uint32_t kConfigurationWriteTag = 0xFFFF;

class TinyFabric final : public sim::Module {
public:
    TinyFabric(sim::Simulation& sim, memory::PhysicalMemory& memory)
        : Module(sim, "fabric"), memory_(memory) {}

    void advance(TimePs now) override {
        ++advances;
        while (inbox.due(now)) {
            auto arrival = inbox.pop();
            pcie::Tlp& tlp = arrival.message;
            if (tlp.kind == pcie::TlpKind::MemWrite && pcie::is_interrupt_address(tlp.address)) {
                tlp.kind = pcie::TlpKind::Interrupt;  // as a remapping unit does
            }
            seen.emplace_back(now, tlp);
            if (arrival.port == kFromCpu) {
                from_cpu(now, std::move(tlp));
            } else {
                from_device(now, std::move(tlp));
            }
        }
    }
    std::optional<TimePs> next_wakeup() const override { return inbox.next(); }

    static constexpr std::uint32_t kFromCpu = 0;
    static constexpr std::uint32_t kFromDevice = 1;
    static constexpr TimePs kLatency{20'000};
    sim::Inbox<pcie::Tlp> inbox{*this, 4096};
    sim::Link<pcie::Tlp> to_cpu{sim::LinkParams{kLatency, 0, 0}};
    sim::Link<pcie::Tlp> to_device{sim::LinkParams{kLatency, 0, 0}};
    std::set<std::uint32_t> blocked_pasids;
    std::vector<std::pair<TimePs, pcie::Tlp>> seen;
    std::uint64_t advances = 0;

private:
    void from_cpu(TimePs now, pcie::Tlp tlp) {
        if (tlp.address >= kConfiguration && tlp.address < kConfiguration + kPageSize) {
            tlp.address -= kConfiguration;
            tlp.tag = kConfigurationWriteTag;
            tlp.kind = pcie::TlpKind::ConfigWrite;
            to_device.send(now, std::move(tlp));
        } else if (tlp.address >= kBar2 && tlp.address < kBar0 + dsa::kBar0Bytes) {
            to_device.send(now, std::move(tlp));
        } else if (!pcie::is_posted(tlp.kind)) {
            to_cpu.send(now, pcie::make_completion(tlp, pcie::CplStatus::UnsupportedRequest));
        }
    }
    void from_device(TimePs now, pcie::Tlp tlp) {
        const bool blocked = tlp.pasid && blocked_pasids.count(tlp.pasid->value()) != 0;
        switch (tlp.kind) {
            case pcie::TlpKind::MemRead: {
                pcie::Tlp answer = pcie::make_completion(
                    tlp, blocked ? pcie::CplStatus::UnsupportedRequest : pcie::CplStatus::Success);
                if (!blocked) {
                    answer.data.resize(tlp.length);
                    memory_.read(Hpa{tlp.address}, answer.data.data(), tlp.length);
                }
                to_device.send(now, std::move(answer));
                return;
            }
            case pcie::TlpKind::MemWrite:
                if (!blocked) {
                    memory_.write(Hpa{tlp.address}, tlp.data.data(), tlp.data.size());
                }
                return;
            default:
                if (tlp.tag == kConfigurationWriteTag) {
                    return;  // to the processor it was posted
                }
                to_cpu.send(now, std::move(tlp));
        }
    }
    memory::PhysicalMemory& memory_;
};

class DsaMachine {
public:
    explicit DsaMachine(std::uint64_t cpus = 2)
        : simulation(std::make_unique<sim::Simulation>(options())),
          log(simulation->recorder()),
          dispatcher(std::make_unique<sim::Dispatcher>(*simulation, dispatcher_params(cpus),
                                                       simulation->chooser())),
          memory(std::vector<memory::MemoryRange>{{Hpa{0}, std::uint64_t{1} << 30U}}),
          fabric(*simulation, memory),
          cpu(*simulation, "cpus", cpu_params, memory, *dispatcher, cpus),
          dsa(*simulation, config(), dsa_params) {
        cpu.upstream().bind(fabric.inbox, TinyFabric::kFromCpu);
        dsa.upstream().bind(fabric.inbox, TinyFabric::kFromDevice);
        fabric.to_cpu.bind(cpu.inbox(), 0);
        fabric.to_device.bind(dsa.inbox(), 0);
    }

    static sim::SimulationOptions options() {
        sim::SimulationOptions o;
        o.limit = 10_ms;
        return o;
    }
    static sim::DispatcherParams dispatcher_params(std::uint64_t cpus) {
        sim::DispatcherParams p;
        p.cpus = cpus;
        return p;
    }
    static dsa::DsaConfig config() {
        dsa::DsaConfig c;
        c.name = "dsa0";
        c.rid = Rid{0x0800};
        c.bar0 = {kBar0, dsa::kBar0Bytes};
        c.bar2 = {kBar2, dsa::bar2_bytes(1)};
        c.workqueues = {{"wq0", 8}};
        return c;
    }

    // --- a driver: the same accesses as a real one makes ---
    static std::uint32_t command(ExecContext& ctx, dsa::Command code, std::uint32_t operand = 0) {
        ctx.mmio_write(kBar0 + dsa::reg::kCmd, dsa::encode_command(code, operand), 4);
        while (true) {
            const auto status =
                static_cast<std::uint32_t>(ctx.mmio_read(kBar0 + dsa::reg::kCmdsts, 4));
            if (!dsa::decode_cmdsts(status).active) {
                return static_cast<std::uint32_t>(dsa::decode_cmdsts(status).error);
            }
            ctx.spend(1_us);
        }
    }
    static void bring_up(ExecContext& ctx) {
        dsa::WqConfig c;
        c.size = 8;
        c.threshold = 8;
        c.priority = 1;
        c.pasid_enable = true;
        c.max_transfer_shift = 31;
        c.max_batch_shift = 1;
        const auto offsets = dsa::decode_offsets(ctx.mmio_read(kBar0 + dsa::reg::kOffsets, 8));
        const dsa::WqcfgDwords dwords = dsa::encode(c);
        for (std::uint64_t i = 0; i < 4; ++i) {
            ctx.mmio_write(kBar0 + dsa::wqcfg_address(offsets.wqcfg, 0, dsa::kWqcfgSizeCode, i),
                           dwords.at(i), 4);
        }
        const std::uint64_t group = kBar0 + dsa::grpcfg_address(offsets.grpcfg, 0);
        ctx.mmio_write(group, 1, 8);
        ctx.mmio_write(group + dsa::kGrpcfgEngineBitmap, 1, 8);
        ctx.mmio_write(kConfiguration + pcie::config::kPasidCtl, pcie::config::kPasidEnable, 2);
        CHECK(command(ctx, dsa::Command::EnableDevice) == 0);
        CHECK(command(ctx, dsa::Command::EnableWq, 0) == 0);
    }
    static std::uint64_t portal() {
        return kBar2 + dsa::portal_offset(0, dsa::Portal::LimitedMsix);
    }
    static cpu::Descriptor64 memmove(std::uint64_t from, std::uint64_t to, std::uint32_t size,
                                     std::uint64_t record) {
        dsa::Descriptor d;
        d.opcode = static_cast<std::uint8_t>(dsa::Opcode::Memmove);
        d.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
        d.source = from;
        d.destination = to;
        d.size = size;
        d.record = record;
        return dsa::encode(d);
    }
    // The status byte of a record; 0 when it did not come within 100 us.
    static std::uint64_t await_record(ExecContext& ctx, std::uint64_t record) {
        const TimePs deadline = ctx.now() + 100_us;
        std::uint64_t status = 0;
        while (status == 0 && ctx.now() < deadline) {
            status = ctx.load(record, 1);
            ctx.spend(50_ns);
        }
        return status;
    }
    ExecContext& task(const std::string& name, TimePs at, sim::TaskBody body, int on_cpu = -1) {
        sim::TaskOptions o;
        o.name = name;
        o.port = &cpu;
        o.cpu = on_cpu;
        return dispatcher->spawn(std::move(o), at, std::move(body));
    }
    sim::StopReason run() { return simulation->run(); }

    cpu::CpuParams cpu_params = cpu::cpu_param_table().defaults();
    dsa::DsaParams dsa_params = dsa::dsa_param_table().defaults();
    std::unique_ptr<sim::Simulation> simulation;
    EventLog log;
    std::unique_ptr<sim::Dispatcher> dispatcher;
    memory::SparseMemory memory;
    TinyFabric fabric;
    cpu::CpuComplex cpu;
    dsa::DsaDevice dsa;
};

// ENQCMD of a user program whose thread has this PASID.
inline cpu::EnqResult enqcmd_as(DsaMachine& m, ExecContext& ctx, std::uint32_t pasid, Hpa portal,
                                const cpu::Descriptor64& descriptor) {
    m.cpu.set_pasid_msr(ctx, cpu::kIa32PasidValid | pasid);
    return m.cpu.enqcmd(ctx, cpu::CpuState{}, portal, descriptor);
}

}  // namespace ioasim::test
