#include <doctest/doctest.h>

#include "models/cpu/cpu_probes.hpp"
#include "models/cpu/vmx_layout.hpp"
#include "tests/support/dsa_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using cpu::EnqOutcome;

namespace {

// A guest whose PASID 101 can be given a translation.
struct Guest {
    explicit Guest(DsaMachine& machine) : m(machine) {
        vmcs.enable_pasid_translation = true;
        vmcs.low_pasid_directory = Hpa{0x100000};
        vmcs.high_pasid_directory = Hpa{0x101000};
        const std::uint64_t entry = encode(cpu::PasidDirectoryEntry{true, Hpa{0x102000}});
        m.memory.write(Hpa{0x100000}, &entry, 8);
        state.vmcs = &vmcs;
    }
    void translate_to(std::uint32_t host) {
        const std::uint32_t entry = encode(cpu::PasidTableEntry{true, Pasid{host}});
        m.memory.write(cpu::table_entry_address(Hpa{0x102000}, Pasid{101}), &entry, 4);
    }
    cpu::EnqResult enqcmd(ExecContext& ctx) {
        m.cpu.set_pasid_msr(ctx, cpu::kIa32PasidValid | 101);
        return m.cpu.enqcmd(ctx, state, Hpa{DsaMachine::portal()},
                            DsaMachine::memmove(0x10000, 0x20000, 64, 0x30000));
    }
    DsaMachine& m;
    cpu::Vmcs vmcs;
    cpu::CpuState state;
};

std::vector<TimePs> times_of(const DsaMachine& m, pcie::TlpKind kind) {
    std::vector<TimePs> times;
    for (const auto& [time, tlp] : m.fabric.seen) {
        if (tlp.kind == kind) {
            times.push_back(time);
        }
    }
    return times;
}

}  // namespace

TEST_CASE("cpu: an uncached read of nothing returns all ones") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        CHECK(ctx.mmio_read(0xF000'0000, 4) == 0xFFFF'FFFF);
        CHECK(ctx.mmio_read(0xF000'0000, 8) == ~std::uint64_t{0});
        CHECK(ctx.mmio_read(kBar0 + dsa::reg::kVersion, 4) == dsa::kVersion1);
    });
    CHECK(m.run() == sim::StopReason::Idle);
}

TEST_CASE("cpu: an uncached read takes the sum of its way, and the processor is not given away") {
    DsaMachine m(1);
    TimePs took;
    TimePs other_ran;
    m.task("reader", 0_ps, [&](ExecContext& ctx) {
        const TimePs start = ctx.now();
        ctx.mmio_read(kBar0 + dsa::reg::kVersion, 4);
        took = ctx.now() - start;
    });
    m.task("other", 1_ns, [&](ExecContext& ctx) { other_ran = ctx.now(); });
    CHECK(m.run() == sim::StopReason::Idle);
    // Serialisation: 16 bytes of header up at 64 GB/s, 20 bytes down at the device's 33 GB/s.
    const TimePs wire{250 + 607};
    const TimePs way =
        m.cpu_params.link_latency + TinyFabric::kLatency * 2 + m.dsa_params.link_latency + wire;
    const TimePs wake{1};
    CHECK(took == m.cpu_params.mmio_issue + way + m.dsa_params.register_access + wake +
                      m.cpu_params.completion);
    CHECK(other_ran > took);
}

TEST_CASE("cpu: ENQCMD to an address that is no portal is not accepted and stores nothing") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        const auto d = DsaMachine::memmove(1, 2, 3, 0x30000);
        CHECK(enqcmd_as(m, ctx, 1, Hpa{0x40000}, d).outcome == EnqOutcome::Retry);
        CHECK(ctx.load(0x40008, 8) == 0);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(m.simulation->probes().hits(cpu::kEnqcmdNoPortal) == 1);
}

TEST_CASE("cpu: ENQCMD without a valid PASID faults and sends nothing") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        CHECK(m.cpu.enqcmd(ctx, cpu::CpuState{}, Hpa{DsaMachine::portal()}, {}).outcome ==
              EnqOutcome::GeneralProtection);
    });
    m.run();
    CHECK(m.fabric.seen.empty());
    CHECK(m.log.count("cpu.enqcmd") == 1);
}

TEST_CASE("cpu: a guest's ENQCMD exits until its PASID has a translation, then sends the host's") {
    DsaMachine m;
    Guest guest(m);
    m.task("vcpu", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        const auto miss = guest.enqcmd(ctx);
        CHECK(miss.outcome == EnqOutcome::ExitEnqcmd);
        CHECK(miss.host_pasid == Pasid{kInvalidIoasid});
        guest.translate_to(201);
        const auto hit = guest.enqcmd(ctx);
        CHECK(hit.outcome == EnqOutcome::Accepted);
        CHECK(hit.host_pasid == Pasid{201});
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(EventLog::number(m.log.of("dsa.enqueue").at(0), "pasid") == 201);
    const auto events = m.log.of("cpu.enqcmd");
    CHECK(EventLog::number(events.at(1), "guest_pasid") == 101);
    CHECK(EventLog::number(events.at(1), "descriptor") == 1);
}

TEST_CASE("cpu: with translation off, or by the defect, the guest's PASID goes out as it is") {
    DsaMachine m;
    Guest guest(m);
    guest.translate_to(201);
    m.task("vcpu", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        guest.vmcs.enable_pasid_translation = false;
        CHECK(guest.enqcmd(ctx).host_pasid == Pasid{101});
        guest.vmcs.enable_pasid_translation = true;
        CHECK(guest.enqcmd(ctx).host_pasid == Pasid{201});
        m.simulation->probes().enable(cpu::kPasidNotTranslated);
        CHECK(guest.enqcmd(ctx).host_pasid == Pasid{101});
    });
    CHECK(m.run() == sim::StopReason::Idle);
}

TEST_CASE("cpu: defect stale_pasid_translation outlives the table's change") {
    DsaMachine m;
    m.simulation->probes().enable(cpu::kStalePasidTranslation);
    Guest guest(m);
    guest.translate_to(201);
    m.task("vcpu", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        guest.enqcmd(ctx);
        guest.translate_to(202);
        CHECK(guest.enqcmd(ctx).host_pasid == Pasid{201});
    });
    CHECK(m.run() == sim::StopReason::Idle);
}

// Two programs that each execute one ENQCMD; true when both are under way at once.
bool enqcmds_overlap(std::uint64_t cpus) {
    DsaMachine m(cpus);
    for (int i = 0; i < 2; ++i) {
        m.task("app" + std::to_string(i), 0_ps,
               [&](ExecContext& ctx) { enqcmd_as(m, ctx, 1, Hpa{DsaMachine::portal()}, {}); });
    }
    m.run();
    const auto sent = times_of(m, pcie::TlpKind::DeferrableWrite);
    const auto answered = times_of(m, pcie::TlpKind::Completion);
    REQUIRE(sent.size() == 2);
    return sent[1] < answered[0];
}

TEST_CASE("cpu: one processor has at most one DMWr outstanding") {
    CHECK_FALSE(enqcmds_overlap(1));
}

TEST_CASE("cpu: two processors have two DMWr outstanding") {
    CHECK(enqcmds_overlap(2));
}

TEST_CASE("cpu: an interruption during ENQCMD waits for its end") {
    DsaMachine m(2);
    struct Kick final : Interruptible {
        void on_interrupt(ExecContext& ctx) override { at = ctx.now(); }
        TimePs at;
    } kick;
    TimePs finished;
    ExecContext& victim = m.task("vcpu", 0_ps, [&](ExecContext& ctx) {
        Persona guest;
        guest.name = "guest";
        guest.source = ctx.source();
        guest.port = &m.cpu;
        guest.interruptible = &kick;
        const PersonaChange enter(ctx, guest);
        enqcmd_as(m, ctx, 1, Hpa{DsaMachine::portal()}, {});
        finished = ctx.now();
        ctx.spend(1_us);
    });
    m.task("kicker", 0_ps, [&](ExecContext& ctx) {
        ctx.spend(m.cpu_params.mmio_issue + 30_ns);  // the DMWr is under way
        m.dispatcher->interrupt(victim);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(finished > m.cpu_params.mmio_issue + 100_ns);
    CHECK(kick.at == finished);
}

TEST_CASE("cpu: an interrupt message reaches the kernel after the interrupt latency") {
    DsaMachine m;
    struct Sink final : cpu::InterruptSink {
        void on_interrupt_message(std::uint8_t v, std::uint64_t a, std::uint32_t d) override {
            vector = v;
            address = a;
            data = d;
            at = sim::Simulation::now();
        }
        std::uint8_t vector = 0;
        std::uint64_t address = 0;
        std::uint32_t data = 0;
        TimePs at;
    } sink;
    m.cpu.set_interrupt_sink(sink);
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        ctx.mmio_write(kBar0 + dsa::reg::kMsixTable + dsa::kMsixAddressLow, 0xFEE0'2000, 4);
        ctx.mmio_write(kBar0 + dsa::reg::kMsixTable + dsa::kMsixData, 0x141, 4);
        ctx.mmio_write(kBar0 + dsa::reg::kMsixTable + dsa::kMsixControl, 0, 4);
        ctx.mmio_write(kBar0 + dsa::reg::kCmd, dsa::encode_command(dsa::Command::DrainAll, 0, true),
                       4);
        ctx.spend(100_us);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(sink.vector == 0x41);
    CHECK(sink.address == 0xFEE0'2000);
    CHECK(sink.data == 0x141);
    const auto sent = times_of(m, pcie::TlpKind::Interrupt);
    REQUIRE(sent.size() == 1);
    CHECK(sink.at == sent[0] + TinyFabric::kLatency + m.cpu_params.interrupt);
}

TEST_CASE("cpu: MOVDIR64B to memory stores 64 bytes") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        cpu::Descriptor64 data{};
        data[63] = 9;
        m.cpu.movdir64b(ctx, Hpa{0x5000}, data);
        CHECK(ctx.load(0x503F, 1) == 9);
    });
    CHECK(m.run() == sim::StopReason::Idle);
}

TEST_CASE("cpu: MOVDIR64B to memory is seen by a processor that polls the line") {
    DsaMachine m(2);
    SimLock lock{SimLock::Kind::Spin, "queue"};
    PollResult polled;
    m.task("poller", 0_ps, [&](ExecContext& ctx) {
        PollLoop loop{0x9000, 4, 2, 20_ns, 1000, TimePs::max()};
        const LockGuard guard{ctx, lock};
        polled = m.cpu.poll(ctx, loop);
    });
    m.task("writer", 100_ns, [&](ExecContext& ctx) {
        cpu::Descriptor64 data{};
        data[0] = 2;
        m.cpu.movdir64b(ctx, Hpa{0x9000}, data);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(polled.found);
    CHECK(polled.loads < 20);
}

TEST_CASE("cpu: WRMSR of IA32_PASID refuses reserved bits, and the register keeps what it had") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        CHECK(m.cpu.set_pasid_msr(ctx, cpu::kIa32PasidValid | 0xFFFFF));
        CHECK_FALSE(m.cpu.set_pasid_msr(ctx, cpu::kIa32PasidValid | 0x100000));
        CHECK_FALSE(m.cpu.set_pasid_msr(ctx, std::uint64_t{1} << 32U));
        CHECK(m.cpu.pasid_msr(ctx) == (cpu::kIa32PasidValid | 0xFFFFF));
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(m.simulation->probes().hits(cpu::kMsrFaulted) == 2);
}

namespace {

struct Polled {
    PollResult result;
    TimePs end;
};

// A processor polls under a spinlock, another one stores at `written`.
Polled poll_once(TimePs written, bool each_load, const PollLoop& loop) {
    DsaMachine m(2);
    SimLock lock{SimLock::Kind::Spin, "queue"};
    Polled polled;
    m.task("poller", 0_ps, [&](ExecContext& ctx) {
        PollLoop mine = loop;
        mine.deadline = loop.deadline == TimePs::max() ? loop.deadline : ctx.now() + loop.deadline;
        const LockGuard guard{ctx, lock};
        polled.result = each_load ? m.cpu.MachinePort::poll(ctx, mine) : m.cpu.poll(ctx, mine);
        polled.end = ctx.now();
    });
    m.task("writer", written, [&](ExecContext& ctx) {
        ctx.store(0x9004, 7, 4);  // another word of the line
        ctx.spend(13_ns);
        ctx.store(0x9000, 2, 4);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    return polled;
}

}  // namespace

TEST_CASE("cpu: a poll that stands still ends when the loop of loads would have ended") {
    const PollLoop loop{0x9000, 4, 2, 20_ns, 16, TimePs::max()};
    const PollLoop short_of_time{0x9000, 4, 2, 20_ns, 1000, 100_ns};
    bool some_found = false;
    bool some_not = false;
    for (const PollLoop& each : {loop, short_of_time}) {
        for (std::uint64_t at = 1; at < 500'000; at += 7'919) {
            const Polled loads = poll_once(TimePs{at}, true, each);
            const Polled stands = poll_once(TimePs{at}, false, each);
            CHECK(stands.end == loads.end);
            CHECK(stands.result.loads == loads.result.loads);
            CHECK(stands.result.found == loads.result.found);
            some_found = some_found || loads.result.found;
            some_not = some_not || !loads.result.found;
        }
    }
    CHECK(some_found);
    CHECK(some_not);
}
