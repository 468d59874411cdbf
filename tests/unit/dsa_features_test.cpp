// What workqueues, groups and the device offer beside commands: operation maps, occupancy
// interrupts, read-buffer limits, interrupt handles, the event log, halts.
#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

std::uint64_t vector_entry(std::uint32_t vector) {
    return reg::kMsixTable + vector * kMsixEntryBytes;
}
void unmask(DsaHarness& h, std::uint32_t vector) {
    h.write(vector_entry(vector) + kMsixAddressLow, 0xFEE0'0000);
    h.write(vector_entry(vector) + kMsixData, 0x40 + vector);
    h.write(vector_entry(vector) + kMsixControl, 0);
}
std::uint64_t group_flags(std::uint32_t group) {
    return grpcfg_address(reg::kGrpcfgTable, group) + kGrpcfgFlags;
}
std::uint64_t wq_dword(std::uint32_t wq, std::uint64_t dword) {
    return wqcfg_address(reg::kWqcfgTable, wq, kWqcfgSizeCode, dword);
}
SoftwareError swerr(DsaHarness& h) {
    return decode_swerr({h.read(reg::kSwerr, 8), h.read(reg::kSwerr + 8, 8),
                         h.read(reg::kSwerr + 16, 8), h.read(reg::kSwerr + 24, 8)});
}

// A device with an event log of 64 entries at 80000h, in use.
struct Logging : DsaHarness {
    Logging() {
        params.event_log = true;
        const auto where = encode(EventLogConfig{true, false, 0x80000, 64, 0x33});
        write(reg::kEvlcfg, where[0], 8);
        write(reg::kEvlcfg + 8, where[1], 8);
        write(reg::kGencfg, 1U << kGencfgEventLog);
        bring_up();
    }
    // Each an entry.
    void fail(unsigned times) {
        for (unsigned i = 0; i < times; ++i) {
            submit(memmove_of(0x1000, 0x5000, 0).no_record());
            settle();
        }
    }
    std::uint64_t head() { return read(reg::kEvlstatus) & 0xFFFFU; }
    std::uint64_t tail() { return read(reg::kEvlstatus + 4) & 0xFFFFU; }
    std::uint64_t entry_word(unsigned entry, unsigned word) {
        std::uint64_t v = 0;
        for (unsigned i = 0; i < 8; ++i) {
            v |= std::uint64_t{memory[0x80000 + 64 * entry + 8 * word + i]} << (8 * i);
        }
        return v;
    }
};

}  // namespace

TEST_CASE("dsa workqueue operations: what the queue forbids is an unsupported operation") {
    DsaHarness h(2);
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.operations = {std::uint64_t{1} << static_cast<unsigned>(Opcode::Noop), 0, 0, 0};
    h.configure(0, c);
    h.configure(1, DsaHarness::shared_wq(8, 8));
    h.enable();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.submit(noop().record(0x9020));
    h.submit(memmove_of(0x1000, 0x5000, 64).record(0x9040), 1);
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::UnsupportedOpcode);
    CHECK(h.record_at(0x9020).status == Status::Success);
    CHECK(h.record_at(0x9040).status == Status::Success);
}

TEST_CASE("dsa workqueue operations: entries of a batch are bound by them too") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.operations = {1U << static_cast<unsigned>(Opcode::Batch), 0, 0, 0};
    h.configure(0, c);
    h.enable();
    h.put_list(0x20000, {noop().record(0x9100), noop().record(0x9120)});
    h.submit(DescriptorBuilder(Opcode::Batch).from(0x20000).size(2));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::BatchMemberFailed);
    CHECK(h.record_at(0x9120).status == Status::UnsupportedOpcode);
}

TEST_CASE("dsa workqueue: after reset it has all operations of the device, and nothing else") {
    DsaHarness h;
    CHECK(h.read(wq_dword(0, kWqcfgOperationsDword)) == h.read(reg::kOpcap));
    for (std::uint64_t dword = 0; dword < kWqcfgOperationsDword; ++dword) {
        CHECK(h.read(wq_dword(0, dword)) == 0);
    }
}

TEST_CASE("dsa occupancy interrupt: once, when the queue has fallen to its limit") {
    DsaHarness h(1);
    h.params.engine_depth = 1;
    h.bring_up();
    unmask(h, 3);
    h.hold_reads();
    for (unsigned i = 0; i < 5; ++i) {
        h.submit(memmove_of(0x1000, 0x5000, 64).record(0x9000 + 32 * i));
    }
    h.settle();  // one in the engine, four in the queue
    REQUIRE(h.command(Command::DrainPasid, 99) == CommandError::None);
    h.write(wq_dword(0, 5), 0x1'0001);
    CHECK(h.sent_of(TlpKind::Interrupt).empty());
    h.release_reads();
    h.settle();
    CHECK(h.sent_of(TlpKind::Interrupt).empty());  // handle 0 is masked: dword 4 is locked
    CHECK((h.read(reg::kIntcause) & kIntcauseOccupancy) != 0);
    CHECK((h.read(wq_dword(0, 5)) & 0x1'0000U) != 0);
    CHECK((h.read(wq_dword(0, 6)) & 0x1'0000U) != 0);
}

TEST_CASE("dsa occupancy interrupt: one until it is acknowledged, and none of a disabled queue") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.occupancy_handle = 3;
    c.occupancy_interrupt = true;
    h.configure(0, c);
    unmask(h, 3);
    const auto fired = [&h] { return h.sent_of(TlpKind::Interrupt).size(); };
    CHECK(fired() == 0);  // armed, and the queue is disabled
    h.enable();
    CHECK(fired() == 1);
    h.write(wq_dword(0, 5), 0x1'0005);  // the limit is locked while it is armed
    CHECK(h.read(wq_dword(0, 5)) == 0x1'0000);
    h.write(wq_dword(0, 6), 0x1'0000);  // acknowledged, and still empty
    CHECK(fired() == 2);
    h.write(wq_dword(0, 5), 0);
    h.write(wq_dword(0, 6), 0x1'0000);
    CHECK(fired() == 2);
    CHECK((h.read(wq_dword(0, 6)) & 0x1'0000U) == 0);
    h.write(wq_dword(0, 5), 0x1'0005);
    CHECK(fired() == 3);
}

TEST_CASE("dsa occupancy interrupt: fires the handle of the queue") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.occupancy_handle = 3;
    h.configure(0, c);
    unmask(h, 3);
    h.enable();
    h.write(wq_dword(0, 5), 0x1'0000);  // the queue is empty already
    REQUIRE(h.sent_of(TlpKind::Interrupt).size() == 1);
    CHECK(h.sent_of(TlpKind::Interrupt)[0].data.at(0) == 0x43);
    h.submit(noop());
    h.settle();
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
}

TEST_CASE("dsa read buffers: a group uses no more than it is allowed") {
    DsaHarness h(1);
    h.write(group_flags(0), encode(GroupBuffers{0, 8}), 8);  // 512 bytes
    h.bring_up();
    h.hold_reads();
    h.submit(memmove_of(0x10000, 0x20000, 8192));
    h.settle();
    CHECK(h.sent_of(TlpKind::MemRead).size() == 1);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa read buffers: what one group has reserved the others do not get") {
    DsaHarness h(2, 2);
    for (std::uint32_t g = 0; g < 2; ++g) {
        h.configure(g, DsaHarness::shared_wq(8, 8));
        h.write(grpcfg_address(reg::kGrpcfgTable, g), 1U << g, 8);
        h.write(grpcfg_address(reg::kGrpcfgTable, g) + kGrpcfgEngineBitmap, 1U << g, 8);
    }
    h.write(group_flags(0), encode(GroupBuffers{80, 96}), 8);
    h.write(group_flags(1), encode(GroupBuffers{0, 16}), 8);
    h.config_write(pcie::config::kPasidCtl, DsaHarness::kPasids);
    REQUIRE(h.command(Command::EnableDevice) == CommandError::None);
    REQUIRE(h.command(Command::EnableWq, 0) == CommandError::None);
    REQUIRE(h.command(Command::EnableWq, 1) == CommandError::None);
    h.hold_reads();
    h.submit(memmove_of(0x10000, 0x20000, 16384), 1);
    h.settle();
    CHECK(h.sent_of(TlpKind::MemRead).size() == 2);
    h.submit(memmove_of(0x10000, 0x30000, 16384).record(0x9020), 0);
    h.settle();
    CHECK(h.sent_of(TlpKind::MemRead).size() == 2 + 10);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9020).status == Status::Success);
}

TEST_CASE("dsa read buffers: limits that cannot be kept are a configuration error") {
    const auto enable_with = [](const GroupBuffers& buffers) {
        DsaHarness h(2, 2);
        for (std::uint32_t g = 0; g < 2; ++g) {
            h.configure(g, DsaHarness::shared_wq(8, 8));
            h.write(grpcfg_address(reg::kGrpcfgTable, g), 1U << g, 8);
            h.write(grpcfg_address(reg::kGrpcfgTable, g) + kGrpcfgEngineBitmap, 1U << g, 8);
        }
        h.write(group_flags(0), encode(buffers), 8);
        h.write(group_flags(1), encode(GroupBuffers{16, 16}), 8);
        h.write(group_flags(2), encode(GroupBuffers{90, 96}), 8);  // without engines: keeps none
        return h.command(Command::EnableDevice);
    };
    CHECK(enable_with({40, 80}) == CommandError::None);
    CHECK(enable_with({40, 81}) == CommandError::GroupReadBuffers);  // beyond the pool
    CHECK(enable_with({40, 39}) == CommandError::GroupReadBuffers);
    CHECK(enable_with({0, 3}) == CommandError::GroupReadBuffers);  // four an engine
    CHECK(enable_with({0, 4}) == CommandError::None);
    CHECK(enable_with({81, 96}) == CommandError::GroupReadBuffers);  // more than there are
}

TEST_CASE("dsa interrupt handles: not offered unless the device has them") {
    DsaHarness h;
    CHECK_FALSE(get_bit(h.read(reg::kCmdcap), 13));
    CHECK(h.command(Command::RequestInterruptHandle, 0) == CommandError::UnknownCommand);
}

TEST_CASE("dsa interrupt handles: requested, used, released, and then invalid") {
    DsaHarness h;
    h.params.interrupt_handles = 2;
    h.bring_up();
    CHECK(get_bit(h.read(reg::kCmdcap), 13));
    unmask(h, 2);
    h.write(reg::kMsixPerm + 2 * kMsixPermBytes, encode_msix_perm(true, 7));
    REQUIRE(h.command(Command::RequestInterruptHandle, 2) == CommandError::None);
    const auto handle = static_cast<std::uint16_t>(
        decode_cmdsts(static_cast<std::uint32_t>(h.read(reg::kCmdsts))).result);
    const auto use = [&h](std::uint16_t number) {
        h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(number));
        h.settle();
        return h.record_at(0x9000).status;
    };
    CHECK(use(handle) == Status::Success);
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
    CHECK(use(2) == Status::InvalidInterruptHandle);  // an index is no handle
    CHECK(h.command(Command::ReleaseInterruptHandle, handle) == CommandError::None);
    CHECK(use(handle) == Status::InvalidInterruptHandle);
}

TEST_CASE("dsa interrupt handles: bad indexes and an empty pool have their codes") {
    DsaHarness h;
    h.params.interrupt_handles = 1;
    CHECK(h.command(Command::RequestInterruptHandle, 9) == CommandError::BadInterruptIndex);
    CHECK(h.command(Command::RequestInterruptHandle, 0x10000) == CommandError::BadInterruptIndex);
    CHECK(h.command(Command::ReleaseInterruptHandle, 0x100) == CommandError::BadInterruptIndex);
    CHECK(h.command(Command::RequestInterruptHandle, 0) == CommandError::None);
    CHECK(h.command(Command::RequestInterruptHandle, 1) == CommandError::NoInterruptHandle);
}

TEST_CASE("dsa dedicated workqueue: what overflows is lost, and SWERR says so") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(2, 0);
    c.dedicated = true;
    h.configure(0, c);
    h.enable();
    for (unsigned i = 0; i < 3; ++i) {
        h.post(noop().record(0x9000 + 32 * i));
    }
    h.settle();
    CHECK(h.record_at(0x9020).status == Status::Success);
    CHECK(h.record_at(0x9040).status == Status::Pending);
    const SoftwareError error = swerr(h);
    CHECK(error.valid);
    CHECK(error.error == 0x53);
    CHECK(error.wq_valid);
    CHECK(error.wq == 0);
}

TEST_CASE("dsa event log: an error without a record becomes an entry, not a software error") {
    Logging h;
    CHECK(h.read(reg::kVersion) == kVersion2);
    CHECK(decode_gencap(h.read(reg::kGencap, 8)).event_log == 1);
    h.submit(memmove_of(0x1000, 0x5000, 0).no_record().pasid(7));
    h.settle();
    CHECK_FALSE(swerr(h).valid);
    CHECK(h.tail() == 1);
    const std::uint64_t word = h.entry_word(0, 0);
    CHECK(get_bits(word, 15, 8) == 0x13);
    CHECK(get_bits(word, 39, 32) == 3);
    CHECK(get_bits(word, 59, 40) == 7);
    CHECK((word & 0xC) == 0xC);
    CHECK((h.entry_word(0, 4) & 0xFF) == 0x13);  // image of the record
    CHECK(h.read(reg::kIntcause) == 0);          // GENCTRL asks for no interrupt
    CHECK((h.read(reg::kEvlstatus + 4) & 0x4000'0000U) == 0);
    CHECK(h.sent_of(TlpKind::MemWrite).back().pasid == Pasid{0x33});
}

TEST_CASE("dsa event log: what finds it full does not end before software has read") {
    Logging h;
    const auto submit = [&h](unsigned times) {
        for (unsigned i = 0; i < times; ++i) {
            h.submit(memmove_of(0x1000, 0x5000, 0).no_record());
            h.settle();
        }
    };
    submit(65);
    CHECK(h.tail() == 63);
    CHECK(h.entry_word(63, 0) == 0);
    CHECK(h.log.count("dsa.complete") == 63);
    h.start_command(Command::DrainAll);
    h.settle();
    CHECK(h.command_active());
    h.write(reg::kEvlstatus, 1);
    h.settle();
    CHECK(h.tail() == 0);
    CHECK(h.entry_word(63, 0) != 0);
    CHECK(h.log.count("dsa.complete") == 64);
    h.write(reg::kEvlstatus, 10);
    h.settle();
    CHECK(h.tail() == 1);
    CHECK_FALSE(h.command_active());
    // An abort does not wait for software.
    submit(9);
    CHECK(h.tail() == 9);
    h.fail(1);
    CHECK(h.command(Command::AbortAll) == CommandError::None);
    CHECK(h.tail() == 9);
    CHECK_FALSE(h.core().busy());
}

TEST_CASE("dsa event log: an interrupt handle that is none is told beside the record") {
    Logging h;
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(99));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::InvalidInterruptHandle);
    CHECK(h.tail() == 1);
    CHECK(get_bits(h.entry_word(0, 0), 15, 8) == 0x19);
    CHECK(get_bits(h.entry_word(0, 1), 47, 32) == 99);
}

TEST_CASE("dsa event log: an error of no descriptor waits for room, too") {
    Logging h;
    h.fail(63);
    h.start_command(Command::DrainAll);
    h.start_command(Command::DrainAll);
    h.settle();
    CHECK(h.tail() == 63);
    CHECK(h.command_active());  // what is not told has not ended
    h.write(reg::kEvlstatus, 1);
    CHECK(h.tail() == 0);
    CHECK_FALSE(h.command_active());
    CHECK(get_bits(h.entry_word(63, 0), 15, 8) == 0x52);
}

TEST_CASE("dsa event log: full queues and changed enables are told in SWERR all the same") {
    Logging h;
    const std::size_t writes = h.sent_of(TlpKind::MemWrite).size();
    h.config_write(pcie::config::kCommand, pcie::config::kMemorySpace);
    CHECK(swerr(h).error == 0x51);
    CHECK(h.tail() == 0);
    CHECK(h.sent_of(TlpKind::MemWrite).size() == writes);
}

TEST_CASE("dsa event log: is empty whenever the device has been enabled, not when it is reset") {
    Logging h;
    h.fail(1);
    REQUIRE(h.command(Command::DisableDevice) == CommandError::None);
    CHECK(h.tail() == 1);
    REQUIRE(h.command(Command::EnableDevice) == CommandError::None);
    CHECK(h.tail() == 0);
    REQUIRE(h.command(Command::EnableWq, 0) == CommandError::None);
    h.fail(1);
    REQUIRE(h.command(Command::ResetDevice) == CommandError::None);
    CHECK(h.tail() == 1);
}

TEST_CASE("dsa event log: one interrupt until the pending bit is cleared by writing it") {
    Logging h;
    unmask(h, 0);
    h.write(reg::kGenctrl, 1U << kGenctrlLogInterrupt);
    h.fail(2);
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
    CHECK(h.read(reg::kIntcause) == kIntcauseEventLog);
    CHECK((h.read(reg::kEvlstatus + 4) & 0x4000'0000U) != 0);
    h.write(reg::kEvlstatus + 4, 0x4000'0000);
    CHECK((h.read(reg::kEvlstatus + 4) & 0x4000'0000U) == 0);
    CHECK(h.tail() == 2);
}

TEST_CASE("dsa counters: each is frozen by its own bit, which goes when it is disabled") {
    Perfmon p(2);
    const auto count = [&p] { return p.count(perf::Category::Translation, perf::kDeviceTlbHit); };
    const auto value = [&p](std::size_t counter) { return p.read(perf::counter_data(counter)); };
    const std::uint32_t on = 0x201 | 1U << perf::kFreezeOnOverflow;
    for (std::size_t i = 0; i < 2; ++i) {
        p.write(perf::counter_config(i) + 4, perf::kDeviceTlbHit);
        p.write(perf::counter_config(i), on);
    }
    p.write(perf::kFreeze, 0xF);
    CHECK(p.read(perf::kFreeze) == 3);  // there are two
    count();
    CHECK(value(0) == 0);
    p.write(perf::kFreeze, 1);
    count();
    CHECK(value(0) == 0);
    CHECK(value(1) == 1);
    p.write(perf::counter_config(0), on & ~1U);
    CHECK(p.read(perf::kFreeze) == 0);
    p.write(perf::counter_data(1), 0xFFFF'FFFF);
    count();
    CHECK(p.read(perf::kFreeze) == 3);  // an overflow freezes all
    p.write(perf::kReset, 1U << perf::kResetConfig);
    CHECK(p.read(perf::kFreeze) == 0);
    CHECK(p.read(perf::kOverflow) == 0);
}

TEST_CASE("dsa counters: of one that is on only the enable can be written") {
    DsaHarness h(1);
    const std::uint64_t config = reg::kPerfmon + perf::counter_config(0);
    h.write(config, 0x100'0000'0201, 8);
    CHECK(h.read(config, 8) == 0x100'0000'0201);
    h.write(config, 0x200'0000'0303, 8);
    CHECK(h.read(config, 8) == 0x100'0000'0201);
    h.write(config, 0x200'0000'0302, 8);
    CHECK(h.read(config, 8) == 0x100'0000'0200);
    h.write(config, 0x200'0000'0303, 8);
    CHECK(h.read(config, 8) == 0x200'0000'0303);
}

TEST_CASE("dsa event log: one write that clears the interrupt and makes room asks for the next") {
    Logging h;
    unmask(h, 0);
    h.write(reg::kGenctrl, 1U << kGenctrlLogInterrupt);
    h.fail(65);
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
    h.write(reg::kEvlstatus, 0x4000'0000'0000'003F, 8);
    h.settle();
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 2);
    CHECK(h.read(reg::kEvlstatus, 8) == 0x4000'0001'0000'003F);
}

TEST_CASE("dsa halt: work vanishes, submissions are refused, only a reset is taken") {
    DsaHarness h;
    h.bring_up();
    unmask(h, 0);
    h.write(reg::kGenctrl, 1U << kGenctrlHaltInterrupt);
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.settle();
    h.probes.fail_calls(kHardwareError, 1, 1);
    h.submit(noop().record(0x9020));
    h.settle();
    const auto status = static_cast<std::uint32_t>(h.read(reg::kGensts));
    CHECK(state_of_gensts(status) == DeviceState::Halt);
    CHECK(reset_of_gensts(status) == ResetType::Software);
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
    CHECK(h.submit(noop()) == CplStatus::Retry);
    CHECK(h.command(Command::DrainAll) == CommandError::DeviceHalted);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Pending);
    CHECK(h.record_at(0x9020).status == Status::Pending);
    CHECK(h.command(Command::ResetDevice) == CommandError::None);
    CHECK(state_of_gensts(static_cast<std::uint32_t>(h.read(reg::kGensts))) ==
          DeviceState::Disabled);
    h.bring_up();
    h.submit(noop());
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa halt: a command under way fails, and its interrupt never comes") {
    DsaHarness h;
    h.bring_up();
    unmask(h, 0);
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.settle();
    h.start_command(Command::DrainAll, 0, true);
    h.settle();
    h.probes.fail_calls(kHardwareError, 1, 1);
    h.submit(noop().record(0x9020));
    h.settle();
    CHECK(decode_cmdsts(static_cast<std::uint32_t>(h.read(reg::kCmdsts))).error ==
          CommandError::HardwareError);
    CHECK(h.sent_of(TlpKind::Interrupt).empty());
    CHECK((h.read(reg::kIntcause) & kIntcauseCommandDone) == 0);
}

TEST_CASE("dsa halt: one that asks for more than a software reset stays") {
    DsaHarness h;
    h.params.halt_reset = static_cast<std::uint64_t>(ResetType::FunctionLevel);
    h.bring_up();
    h.probes.fail_calls(kHardwareError, 1, 1);
    h.submit(noop());
    h.settle();
    CHECK(reset_of_gensts(static_cast<std::uint32_t>(h.read(reg::kGensts))) ==
          ResetType::FunctionLevel);
    CHECK(h.command(Command::ResetDevice) == CommandError::DeviceHalted);
}
