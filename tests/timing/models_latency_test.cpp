// Do the models take the time that their parameters say, to the picosecond? Each sum is made of
// parameters and of bytes over rates, so a latency that is missing or counted twice shows.
#include <doctest/doctest.h>

#include "models/cpu/vmx_layout.hpp"
#include "models/vtd/vtd_layout.hpp"
#include "tests/support/dsa_machine.hpp"
#include "tests/support/vtd_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using sim::StopReason;

namespace {

TimePs on_wire(std::uint64_t bytes, std::uint64_t rate) {
    return TimePs{(bytes * 1'000'000 + rate - 1) / rate};
}

constexpr std::uint64_t kDmwrBytes = pcie::kHeaderBytes + 64;
constexpr TimePs kWake{1};  // a stalled processor goes on 1 ps after its answer

// One ENQCMD on a machine whose workqueue is enabled.
struct OneEnqcmd : DsaMachine {
    OneEnqcmd() {
        task("app", 0_ps, [this](ExecContext& ctx) {
            bring_up(ctx);
            start = ctx.now();
            dsa::Descriptor noop;
            noop.flags = dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
            noop.record = 0x30000;
            CHECK(enqcmd_as(*this, ctx, 7, Hpa{portal()}, dsa::encode(noop)).outcome ==
                  cpu::EnqOutcome::Accepted);
            took = ctx.now() - start;
        });
        CHECK(run() == StopReason::Idle);
    }
    TimePs to_portal() const {
        return cpu_params.mmio_issue + on_wire(kDmwrBytes, cpu_params.link_bandwidth) +
               cpu_params.link_latency + TinyFabric::kLatency;
    }
    TimePs round_trip() const {
        return to_portal() + dsa_params.portal_accept +
               on_wire(pcie::kHeaderBytes, dsa_params.link_bandwidth) + dsa_params.link_latency +
               TinyFabric::kLatency + kWake + cpu_params.completion;
    }
    TimePs start;
    TimePs took;
};

// A device with one mapped page, and an invalidation queue with nothing in it.
struct FirstStageMachine : VtdMachine {
    static constexpr std::uint64_t kVa = 0x7F00'0000'0000;
    static constexpr Hpa kQueue{0x4000'0000};

    FirstStageMachine() {
        VtdTables tables;
        const Hpa first = tables.page();
        const vtd::PasidEntry entry = tables.first_stage(3);
        tables.map_first(entry.first_stage, kVa, tables.page().value());
        const vtd::ContextEntry context = tables.make_context();
        tables.set_context(kDevice, context);
        tables.set_pasid(context, kPasid, entry);
        const Hpa root = tables.root();
        install(tables, first, tables.page());
        bring_up(root);
        mmio_write(5_us, kRegisters + vtd::reg::kIqa, vtd::iq::make_iqa(kQueue, true, 0), 8);
        mmio_write(6_us, kRegisters + vtd::reg::kGcmd, vtd::gcmd::kQie | vtd::gcmd::kTe, 4);
    }
    void ring(TimePs at, const std::vector<vtd::Descriptor>& descriptors) {
        memory.bytes().write(kQueue, descriptors.data(),
                             descriptors.size() * vtd::kDescriptorBytes);
        mmio_write(at, kRegisters + vtd::reg::kIqt, descriptors.size() * vtd::kDescriptorBytes, 8);
    }
    TimePs memory_trip() const {
        return params.vtd.memory_link_latency + params.memory.latency + params.memory.link_latency;
    }
    const MachineParams params;
};

}  // namespace

TEST_CASE("timing: ENQCMD takes its round trip to the portal") {
    const OneEnqcmd m;
    CHECK(m.took == m.round_trip());
}

TEST_CASE("timing: ENQCMD of a guest takes the PASID translation more") {
    cpu::Vmcs vmcs;
    vmcs.enable_pasid_translation = true;
    vmcs.low_pasid_directory = Hpa{0x10'0000};
    vmcs.high_pasid_directory = Hpa{0x10'1000};
    DsaMachine m;
    const std::uint64_t directory = encode(cpu::PasidDirectoryEntry{true, Hpa{0x10'2000}});
    const std::uint32_t table = encode(cpu::PasidTableEntry{true, Pasid{201}});
    m.memory.write(Hpa{0x10'0000}, &directory, 8);
    m.memory.write(cpu::table_entry_address(Hpa{0x10'2000}, Pasid{101}), &table, 4);
    TimePs host;
    TimePs guest;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        cpu::CpuState state;
        m.cpu.set_pasid_msr(ctx, cpu::kIa32PasidValid | 101);
        for (TimePs* took : {&host, &guest}) {
            const TimePs start = ctx.now();
            m.cpu.enqcmd(ctx, state, Hpa{DsaMachine::portal()}, {});
            *took = ctx.now() - start;
            state.vmcs = &vmcs;
        }
    });
    CHECK(m.run() == StopReason::Idle);
    CHECK(guest == host + m.cpu_params.pasid_translation);
}

TEST_CASE("timing: a no-op's record leaves after dispatch, set-up and completion") {
    OneEnqcmd m;
    const TimePs accepted = m.start + m.to_portal();
    const auto enqueued = m.log.of("dsa.enqueue");
    const auto dispatched = m.log.of("dsa.dispatch");
    const auto completed = m.log.of("dsa.complete");
    REQUIRE(enqueued.size() == 1);
    REQUIRE(dispatched.size() == 1);
    REQUIRE(completed.size() == 1);
    CHECK(enqueued[0].time == accepted);
    CHECK(dispatched[0].time == accepted + m.dsa_params.dispatch);
    CHECK(completed[0].time ==
          accepted + m.dsa_params.dispatch + m.dsa_params.engine_setup + m.dsa_params.completion);
}

TEST_CASE("timing: a translation that hits takes the look-up, a cold one its reads and steps") {
    FirstStageMachine m;
    m.device.at(VtdMachine::kReady, VtdMachine::dma(pcie::TlpKind::MemRead, m.kVa));
    m.device.at(VtdMachine::kReady + 10_us, VtdMachine::dma(pcie::TlpKind::MemRead, m.kVa));
    CHECK(m.sim.run() == StopReason::Idle);
    const auto translated = m.log.of("vtd.translated");
    REQUIRE(translated.size() == 2);
    const TimePs lookup = m.params.vtd.iotlb_lookup;
    // Root, context, directory, PASID entry, four levels.
    CHECK(EventLog::number(translated[0], "took") ==
          (lookup + m.memory_trip() * 8 + m.params.vtd.walk_step * 7).ps());
    CHECK(EventLog::number(translated[1], "took") == lookup.ps());
}

TEST_CASE("timing: an invalidation takes effect its latency after its descriptor came") {
    FirstStageMachine m;
    m.ring(VtdMachine::kReady,
           {vtd::iotlb_invalidate(vtd::IotlbGranularity::Global), vtd::wait_barrier()});
    CHECK(m.sim.run() == StopReason::Idle);
    const auto effect = m.log.of("vtd.invalidation");
    const auto waited = m.log.of("vtd.inv_wait_done");
    REQUIRE(effect.size() == 1);
    REQUIRE(waited.size() == 1);
    const TimePs tail = VtdMachine::kReady + m.params.agent_latency + m.params.pcie.iommu_latency;
    // Both descriptors are fetched at once.
    const TimePs fetched = tail + m.memory_trip();
    CHECK(effect[0].time == fetched + m.params.vtd.invalidation);
    CHECK(waited[0].time - fetched == m.params.vtd.invalidation * 2);
}

TEST_CASE("timing: a request that waits for an invalidated page's access holds the wait") {
    FirstStageMachine m;
    m.device.at(VtdMachine::kReady, VtdMachine::dma(pcie::TlpKind::MemWrite, m.kVa, 8));
    m.ring(VtdMachine::kReady,
           {vtd::iotlb_invalidate(vtd::IotlbGranularity::Global), vtd::wait_barrier()});
    CHECK(m.sim.run() == StopReason::Idle);
    const auto waited = m.log.of("vtd.inv_wait_done");
    const auto access = m.log.of("memory.access");
    REQUIRE(waited.size() == 1);
    REQUIRE(access.size() == 1);
    // At the instant at which memory's answer to the write is back.
    CHECK(waited[0].time ==
          access[0].time + m.params.memory.latency + m.params.memory.link_latency);
}
