// The device on a fabric, driven by software on CPUs.
#include <doctest/doctest.h>

#include "tests/support/dsa_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using cpu::EnqOutcome;

namespace {

std::vector<std::uint8_t> bytes_at(const DsaMachine& m, std::uint64_t address, std::size_t size) {
    std::vector<std::uint8_t> out(size);
    m.memory.read(Hpa{address}, out.data(), size);
    return out;
}

}  // namespace

TEST_CASE("dsa device: a memmove by ENQCMD moves the bytes, end to end") {
    DsaMachine m;
    std::vector<std::uint8_t> source(6000);
    for (std::size_t i = 0; i < source.size(); ++i) {
        source[i] = static_cast<std::uint8_t>(i * 7 + 1);
    }
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        ctx.write_bytes(0x10100, source.data(), source.size());
        const auto result = enqcmd_as(m, ctx, 5, Hpa{DsaMachine::portal()},
                                      DsaMachine::memmove(0x10100, 0x20080, 6000, 0x30000));
        CHECK(result.outcome == EnqOutcome::Accepted);
        CHECK(result.host_pasid == Pasid{5});
        CHECK(DsaMachine::await_record(ctx, 0x30000) == 1);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(bytes_at(m, 0x20080, source.size()) == source);
    CHECK(m.log.count("dsa.complete") == 1);
    CHECK(m.log.count("run.pool") == 1);
}

TEST_CASE("dsa device: a read that the fabric refuses ends as a hardware error") {
    DsaMachine m;
    m.fabric.blocked_pasids = {6};
    std::uint64_t number = 99;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        enqcmd_as(m, ctx, 6, Hpa{DsaMachine::portal()},
                  DsaMachine::memmove(0x10000, 0x20000, 64, 0x30000));
        number = DsaMachine::await_record(ctx, 0x30000);
    });
    CHECK(m.run() == sim::StopReason::Idle);
    CHECK(number == 0);  // the record write was refused too, and vanished
    const auto ends = m.log.of("dsa.complete");
    REQUIRE(ends.size() == 1);
    CHECK(EventLog::number(ends[0], "status") == 0x20);
    CHECK(m.log.count("dsa.fault") == 1);
}

TEST_CASE("dsa device: drain PASID returns after the records of everything accepted before") {
    DsaMachine m;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        for (std::uint64_t i = 0; i < 8; ++i) {
            enqcmd_as(m, ctx, 5, Hpa{DsaMachine::portal()},
                      DsaMachine::memmove(0x10000, 0x200000, 1U << 20U, 0x30000 + 32 * i));
        }
        CHECK(DsaMachine::command(ctx, dsa::Command::DrainPasid, 5) == 0);
        for (std::uint64_t i = 0; i < 8; ++i) {
            CHECK(ctx.load(0x30000 + 32 * i, 1) == 1);
        }
    });
    CHECK(m.run() == sim::StopReason::Idle);
}

TEST_CASE("dsa device: a command is active until its latency has passed, to the picosecond") {
    sim::Simulation simulation{DsaMachine::options()};
    const dsa::DsaParams params = dsa::dsa_param_table().defaults();
    dsa::DsaDevice device(simulation, DsaMachine::config(), params);
    memory::SparseMemory memory({{Hpa{0}, 1U << 20U}});
    TinyFabric fabric(simulation, memory);
    device.upstream().bind(fabric.inbox, TinyFabric::kFromDevice);
    sim::Link<pcie::Tlp> back{sim::LinkParams{1_ps, 0, 0}};
    struct Answers final : sim::Module {
        explicit Answers(sim::Simulation& s) : Module(s, "answers") {}
        void advance(TimePs now) override {
            while (inbox.due(now)) {
                active.push_back((inbox.pop().message.data.at(3) & 0x80U) != 0);
            }
        }
        std::optional<TimePs> next_wakeup() const override { return inbox.next(); }
        sim::Inbox<pcie::Tlp> inbox{*this, 16};
        std::vector<bool> active;
    } answers(simulation);
    fabric.to_cpu.bind(answers.inbox, 0);
    fabric.to_device.bind(device.inbox(), 0);

    const auto arrive = [&](TimePs at, pcie::TlpKind kind, std::uint64_t offset,
                            std::vector<std::uint8_t> data) {
        pcie::Tlp tlp;
        tlp.kind = kind;
        tlp.address = kBar0 + offset;
        tlp.length = 4;
        tlp.data = std::move(data);
        device.inbox().deliver(0_ps, at, 0, std::move(tlp));
    };
    const TimePs start = 1_us;
    arrive(start, pcie::TlpKind::MemWrite, dsa::reg::kCmd, {0, 0, 0x30, 0});  // drain all
    // A write counts from its arrival, a read is answered after the register access.
    const TimePs looks = start + params.command - params.register_access;
    arrive(looks - 1_ps, pcie::TlpKind::MemRead, dsa::reg::kCmdsts, {});
    arrive(looks, pcie::TlpKind::MemRead, dsa::reg::kCmdsts, {});
    arrive(looks + 1_ps, pcie::TlpKind::MemRead, dsa::reg::kCmdsts, {});
    simulation.run();
    // Registers are read before the end of the same instant is looked at.
    CHECK(answers.active == std::vector<bool>{true, true, false});
}

TEST_CASE("dsa device: a 64-byte memmove costs the device few activations") {
    DsaMachine m(1);
    std::uint64_t before = 0;
    std::uint64_t transactions = 0;
    constexpr std::uint64_t kCount = 100;
    m.task("app", 0_ps, [&](ExecContext& ctx) {
        DsaMachine::bring_up(ctx);
        before = m.fabric.advances;
        transactions = m.fabric.seen.size();
        for (std::uint64_t i = 0; i < kCount; ++i) {
            enqcmd_as(m, ctx, 5, Hpa{DsaMachine::portal()},
                      DsaMachine::memmove(0x10000, 0x20000, 64, 0x30000 + 32 * i));
            DsaMachine::await_record(ctx, 0x30000 + 32 * i);
        }
    });
    CHECK(m.run() == sim::StopReason::Idle);
    // DMWr, its completion, read, data, record: one routing step each.
    CHECK(m.fabric.seen.size() - transactions == 5 * kCount);
    CHECK(m.fabric.advances - before <= 5 * kCount);
}
