// Administrative commands: what they refuse, what they wait for, what they cut short.
#include <array>

#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

// Device enabled, workqueue 0 disabled again.
struct WqDisabled : DsaHarness {
    explicit WqDisabled(bool may_block = true) {
        params.block_on_fault = may_block;
        bring_up();
        REQUIRE(command(Command::DisableWq, wq_mask_operand(0)) == CommandError::None);
    }
    CommandError enable_with(const WqConfig& c) {
        REQUIRE(command(Command::DisableDevice) == CommandError::None);
        configure(0, c);
        REQUIRE(command(Command::EnableDevice) == CommandError::None);
        return command(Command::EnableWq, 0);
    }
};

// Two descriptors of PASID 7 and one of 8 with their reads held; then a command.
struct WorkInFlight : DsaHarness {
    WorkInFlight() {
        bring_up();
        hold_reads();
        submit(memmove_of(0x1000, 0x5000, 64).pasid(7).record(0x9000));
        submit(memmove_of(0x1000, 0x6000, 64).pasid(8).record(0x9020));
        submit(memmove_of(0x1000, 0x7000, 64).pasid(7).record(0x9040));
        settle();
    }
};

}  // namespace

TEST_CASE("dsa enable device: refused when enabled, when sizes exceed the total, without engines") {
    DsaHarness h;
    h.bring_up();
    CHECK(h.command(Command::EnableDevice) == CommandError::DeviceAlreadyEnabled);

    DsaHarness sizes;
    sizes.configure(0, DsaHarness::shared_wq(200, 8));
    CHECK(sizes.command(Command::EnableDevice) == CommandError::WqSizeSum);
}

TEST_CASE("dsa enable device: which queues and engines are in which group") {
    // Queue 0 is active, 1 is not.
    const auto enable_with = [](std::array<std::uint64_t, 2> wqs,
                                std::array<std::uint64_t, 2> engines) {
        DsaHarness h(2, 2);
        h.configure(0, DsaHarness::shared_wq(8, 8));
        for (std::uint32_t g = 0; g < 2; ++g) {
            h.write(grpcfg_address(reg::kGrpcfgTable, g), wqs.at(g));
            h.write(grpcfg_address(reg::kGrpcfgTable, g) + kGrpcfgEngineBitmap, engines.at(g));
        }
        return h.command(Command::EnableDevice);
    };
    CHECK(enable_with({1, 0}, {1, 0}) == CommandError::None);
    CHECK(enable_with({0, 1}, {0, 3}) == CommandError::None);
    CHECK(enable_with({1, 0}, {0, 0}) == CommandError::GroupHalfEmpty);
    CHECK(enable_with({1, 0}, {1, 2}) == CommandError::GroupHalfEmpty);
    CHECK(enable_with({0, 0}, {0, 0}) == CommandError::GroupWqs);  // active, in no group
    CHECK(enable_with({3, 0}, {1, 0}) == CommandError::GroupWqs);  // inactive, in one
    CHECK(enable_with({1, 1}, {1, 2}) == CommandError::GroupWqs);
    CHECK(enable_with({5, 0}, {1, 0}) == CommandError::GroupWqs);  // no such queue
    CHECK(enable_with({1, 1}, {1, 1}) == CommandError::GroupEngines);
    CHECK(enable_with({1, 0}, {5, 0}) == CommandError::GroupEngines);  // no such engine
}

TEST_CASE("dsa enable device: groups ask for no limit that the device has not") {
    const auto enable_with = [](std::uint64_t flags) {
        DsaHarness h(1);
        h.configure(0, DsaHarness::shared_wq(8, 8));
        h.write(grpcfg_address(reg::kGrpcfgTable, 0), 1, 8);
        h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap, 1, 8);
        h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgFlags, flags, 8);
        return h.command(Command::EnableDevice);
    };
    const std::uint64_t buffers = encode(GroupBuffers{0, 96});
    CHECK(enable_with(buffers | 0x3F) == CommandError::None);  // traffic classes
    CHECK(enable_with(buffers | 0x80) == CommandError::GroupReadBuffers);
    CHECK(enable_with(buffers | 1ULL << 40U) == CommandError::GroupReadBuffers);
    CHECK(enable_with(buffers | 0x40) == CommandError::DeviceConfiguration);
    CHECK(enable_with(buffers | 1ULL << 32U) == CommandError::DeviceConfiguration);
}

TEST_CASE("dsa enable device: an event log must have room, and PASIDs that it may use") {
    const auto enable_with = [](const EventLogConfig& log, std::uint32_t pasids) {
        DsaHarness h(1);
        h.params.event_log = true;
        h.configure(0, DsaHarness::shared_wq(8, 8));
        const auto where = encode(log);
        h.write(reg::kEvlcfg, where[0], 8);
        h.write(reg::kEvlcfg + 8, where[1], 8);
        h.write(reg::kGencfg, 1U << kGencfgEventLog);
        h.write(grpcfg_address(reg::kGrpcfgTable, 0), 1);
        h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap, 1);
        h.config_write(pcie::config::kPasidCtl, pasids);
        return h.command(Command::EnableDevice);
    };
    using pcie::config::kPasidEnable;
    const std::uint64_t last = ~std::uint64_t{0} << 12U;  // 64 entries: the page behind it is none
    CHECK(enable_with({false, false, 0x80000, 64, 0}, 0) == CommandError::None);
    CHECK(enable_with({false, false, 0x80000, 63, 0}, 0) == CommandError::EventLog);
    CHECK(enable_with({false, false, last, 64, 0}, 0) == CommandError::None);
    CHECK(enable_with({false, false, last, 65, 0}, 0) == CommandError::EventLog);
    CHECK(enable_with({true, false, 0x80000, 64, 5}, 0) == CommandError::Pasid);
    CHECK(enable_with({true, false, 0x80000, 64, 5}, kPasidEnable) == CommandError::None);
    CHECK(enable_with({true, true, 0x80000, 64, 5}, kPasidEnable) == CommandError::Pasid);
    CHECK(enable_with({false, true, 0x80000, 64, 5}, DsaHarness::kPasids) == CommandError::Pasid);
    CHECK(enable_with({true, true, 0x80000, 64, 5}, DsaHarness::kPasids) == CommandError::None);
}

TEST_CASE("dsa enable device: page requests need credits, as many as there can be") {
    const auto enable_with = [](std::uint32_t credits) {
        DsaHarness h(1);
        h.configure(0, DsaHarness::shared_wq(8, 8));
        h.write(grpcfg_address(reg::kGrpcfgTable, 0), 1);
        h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap, 1);
        h.enable_ats();
        h.enable_pages(credits);
        return h.command(Command::EnableDevice);
    };
    CHECK(enable_with(0) == CommandError::PageRequestAllocation);
    CHECK(enable_with(1) == CommandError::None);
    CHECK(enable_with(512) == CommandError::None);
    CHECK(enable_with(513) == CommandError::PageRequestAllocation);
}

TEST_CASE("dsa enable workqueue: each bad field has its code") {
    WqDisabled h(false);
    WqConfig c = DsaHarness::shared_wq(8, 9);  // a threshold is no error
    c.priority = 0;
    CHECK(h.enable_with(c) == CommandError::WqPriority);
    c.priority = 1;
    c.block_on_fault = true;
    CHECK(h.enable_with(c) == CommandError::WqBlockOnFault);
    c.block_on_fault = false;
    c.pasid_enable = false;
    CHECK(h.enable_with(c) == CommandError::WqPasidEnable);
    c.pasid_enable = true;
    c.max_batch_shift = 11;
    CHECK(h.enable_with(c) == CommandError::WqMaxBatch);
    c.max_batch_shift = 0;
    CHECK(h.enable_with(c) == CommandError::WqMaxBatch);
    c.max_batch_shift = 10;
    CHECK(h.enable_with(c) == CommandError::None);
    c.occupancy_handle = 9;
    CHECK(h.enable_with(c) == CommandError::WqOccupancyHandle);
    c.occupancy_handle = 0;
    c.occupancy_ims = true;
    CHECK(h.enable_with(c) == CommandError::WqOccupancyHandle);
    c.occupancy_ims = false;
    c.prs_disable = true;  // without an event log
    CHECK(h.enable_with(c) == CommandError::WqPrsDisable);
}

TEST_CASE("dsa enable workqueue: blocks on faults only while pages can be asked for") {
    WqDisabled h;
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.block_on_fault = true;
    CHECK(h.enable_with(c) == CommandError::WqBlockOnFault);
    REQUIRE(h.command(Command::DisableDevice) == CommandError::None);
    h.enable_ats();
    h.enable_pages(1);
    REQUIRE(h.command(Command::EnableDevice) == CommandError::None);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::None);
}

TEST_CASE("dsa enable workqueue: a privileged dedicated queue needs the privileged mode") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 0);
    c.dedicated = c.privileged = true;
    h.configure(0, c);
    h.write(grpcfg_address(reg::kGrpcfgTable, 0), 1);
    h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap, 1);
    h.config_write(pcie::config::kPasidCtl, pcie::config::kPasidEnable);
    REQUIRE(h.command(Command::EnableDevice) == CommandError::None);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::WqPrivileged);
}

TEST_CASE("dsa enable workqueue: it allows no operation that the device has not") {
    WqDisabled h;
    const std::uint64_t ops =
        wqcfg_address(reg::kWqcfgTable, 0, kWqcfgSizeCode, kWqcfgOperationsDword);
    h.write(ops, 0x0400);  // the translation fetch
    CHECK(h.read(ops) == 0x0400);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::WqOperations);
    h.write(ops, 0xFFFF'0001);  // what is no operation reads 0
    CHECK(h.read(ops) == 0x00BF'0001);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::WqOperations);
    h.write(ops, 1);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::None);
}

TEST_CASE("dsa enable workqueue: an index, checked; the others a mask, checked") {
    WqDisabled h;
    CHECK(h.command(Command::EnableWq, 2) == CommandError::BadWqIndex);
    CHECK(h.command(Command::EnableWq, 1) == CommandError::WqAlreadyEnabled);
    CHECK(h.command(Command::DrainWq, wq_mask_operand(2)) == CommandError::BadWqIndex);
    CHECK(h.command(Command::DrainWq, wq_mask_operand(0)) == CommandError::WqNotEnabled);
    CHECK(h.command(Command::DrainWq, wq_mask_operand(1)) == CommandError::None);
    CHECK(h.command(Command::ResetWq, wq_mask_operand(0)) == CommandError::None);  // disabled
    CHECK(h.command(Command::ResetWq, wq_mask_operand(2)) == CommandError::BadWqIndex);
    CHECK(h.command(static_cast<Command>(15)) == CommandError::UnknownCommand);
}

TEST_CASE("dsa command: takes the command latency, and a second one meanwhile is an error") {
    DsaHarness h;
    h.bring_up();
    const TimePs start = DsaHarness::now();
    h.start_command(Command::DrainAll);
    h.start_command(Command::DisableDevice);
    CHECK((h.read(reg::kSwerr) & 0xFF01U) == 0x5201);
    h.run_until(start + h.params.command - 1_ps);
    CHECK(h.command_active());
    h.run_until(start + h.params.command);
    CHECK_FALSE(h.command_active());
    CHECK(state_of_gensts(static_cast<std::uint32_t>(h.read(reg::kGensts))) ==
          DeviceState::Enabled);
}

TEST_CASE(
    "dsa drain PASID: ends when every descriptor of the PASID ended, not waiting for others") {
    WorkInFlight h;
    h.start_command(Command::DrainPasid, 7);
    h.run_until(DsaHarness::now() + 1_ms);
    CHECK(h.command_active());
    h.release_reads();
    h.settle();
    CHECK_FALSE(h.command_active());

    WorkInFlight other;
    CHECK(other.command(Command::DrainPasid, 9) == CommandError::None);
}

TEST_CASE("dsa drain PASID: its end comes after the last record was sent") {
    WorkInFlight h;
    h.start_command(Command::DrainPasid, 7);
    h.run_until(DsaHarness::now() + 1_ms);
    h.release_reads();
    while (h.command_active()) {
        REQUIRE(h.step());
    }
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.record_at(0x9040).status == Status::Success);
}

TEST_CASE("dsa drain PASID: work accepted after the command is not waited for") {
    DsaHarness h;
    h.bring_up();
    h.hold_reads();
    h.start_command(Command::DrainPasid, 7);
    CHECK(h.submit(memmove_of(0x1000, 0x5000, 64).pasid(7)) == CplStatus::Success);
    h.settle();
    CHECK_FALSE(h.command_active());
}

TEST_CASE("dsa drain workqueue: waits for its own queue, which still accepts") {
    WorkInFlight h;
    h.start_command(Command::DrainWq, wq_mask_operand(0));
    CHECK(h.submit(noop()) == CplStatus::Success);
    h.run_until(DsaHarness::now() + 1_ms);
    CHECK(h.command_active());
    h.release_reads();
    h.settle();
    CHECK_FALSE(h.command_active());
    CHECK(h.log.count("dsa.complete") == 4);
}

TEST_CASE(
    "dsa disable workqueue: refuses at once, completes what it has, keeps its configuration") {
    WorkInFlight h;
    h.start_command(Command::DisableWq, wq_mask_operand(0));
    CHECK(h.submit(noop()) == CplStatus::Retry);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9040).status == Status::Success);
    CHECK(h.submit(noop()) == CplStatus::Retry);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::None);
    CHECK(h.submit(noop()) == CplStatus::Success);
}

TEST_CASE("dsa abort PASID: its work ends without records, other work is untouched") {
    WorkInFlight h;
    h.start_command(Command::AbortPasid, 7);
    h.release_reads();
    h.settle();
    CHECK_FALSE(h.command_active());
    CHECK(h.record_at(0x9000).status == Status::Pending);
    CHECK(h.record_at(0x9040).status == Status::Pending);
    CHECK(h.record_at(0x9020).status == Status::Success);
    const auto ends = h.log.of("dsa.complete");
    REQUIRE(ends.size() == 3);
    CHECK(h.log.text(ends[0], "how") == "abort");
    CHECK(h.log.text(ends[1], "how") == "abort");
    CHECK(EventLog::number(ends[2], "pasid") == 8);
}

TEST_CASE("dsa abort: no data of an aborted descriptor is written after the command is done") {
    WorkInFlight h;
    h.start_command(Command::AbortAll);
    h.run_until(DsaHarness::now() + 1_ms);
    CHECK(h.command_active());  // reads are outstanding
    h.release_reads();
    h.settle();
    CHECK(h.sent_of(TlpKind::MemWrite).empty());
}

TEST_CASE("dsa reset workqueue: queued work is dropped, configuration is back to reset values") {
    DsaHarness h;
    h.params.engine_depth = 1;
    h.bring_up();
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.submit(noop().record(0x9020));
    h.run_until(DsaHarness::now() + 1_us);
    h.start_command(Command::ResetWq, wq_mask_operand(0));
    h.release_reads();
    h.settle();
    CHECK(h.log.count("dsa.complete") == 2);
    CHECK(h.record_at(0x9020).status == Status::Pending);
    const auto dword = [&h](std::uint64_t i) {
        return h.read(wqcfg_address(reg::kWqcfgTable, 0, kWqcfgSizeCode, i));
    };
    CHECK(dword(kWqcfgSizeDword) == 8);  // stays
    CHECK(dword(kWqcfgThresholdDword) == 0);
    CHECK(dword(kWqcfgPasidDword) == 0);
    CHECK(h.command(Command::EnableWq, 0) == CommandError::WqPriority);
}

TEST_CASE("dsa abort: each dropped descriptor tells the occupancy that it leaves behind") {
    DsaHarness h;
    h.params.engine_depth = 1;
    h.bring_up();
    h.hold_reads();
    for (std::uint32_t i = 0; i < 4; ++i) {
        h.submit(memmove_of(0x1000, 0x5000, 64).pasid(7 + i % 2));
    }
    h.run_until(DsaHarness::now() + 1_us);  // the first is in the engine
    h.start_command(Command::AbortPasid, 8);
    const auto left = h.log.of("dsa.dispatch");
    REQUIRE(left.size() == 3);
    CHECK(h.log.text(left[1], "engine").empty());
    CHECK(EventLog::number(left[1], "occupancy") == 2);
    CHECK(EventLog::number(left[2], "occupancy") == 1);
}

TEST_CASE("dsa reset device: everything is as after power on") {
    WorkInFlight h;
    h.start_command(Command::ResetDevice);
    h.release_reads();
    h.settle();
    CHECK(state_of_gensts(static_cast<std::uint32_t>(h.read(reg::kGensts))) ==
          DeviceState::Disabled);
    CHECK(h.read(grpcfg_address(reg::kGrpcfgTable, 0)) == 0);
    CHECK(h.read(wqcfg_address(reg::kWqcfgTable, 0, kWqcfgSizeCode, kWqcfgSizeDword)) == 0);
    CHECK(h.log.count("dsa.complete") == 3);
    h.bring_up();
    CHECK(h.submit(noop()) == CplStatus::Success);
}

TEST_CASE("dsa configuration: groups and GENCFG are locked while the device is enabled") {
    DsaHarness h;
    h.bring_up();
    const std::uint64_t ignored = h.probes.hits(kConfigIgnored);
    h.write(grpcfg_address(reg::kGrpcfgTable, 0), 0);
    h.write(reg::kGencfg, 1U << kGencfgUserInterrupts);
    CHECK(h.read(grpcfg_address(reg::kGrpcfgTable, 0)) == 3);
    CHECK(h.read(reg::kGencfg) == 0);
    CHECK(h.probes.hits(kConfigIgnored) == ignored + 2);
}

TEST_CASE("dsa submissions: what is no portal is an unsupported request") {
    DsaHarness h;
    h.bring_up();
    CHECK(h.core()
              .submit(DsaHarness::now(), portal_offset(2, Portal::LimitedMsix), wire(noop()), true)
              .status == CplStatus::UnsupportedRequest);
    CHECK(h.core().submit(DsaHarness::now(), 0x1020, wire(noop()), true).status ==
          CplStatus::UnsupportedRequest);
}

TEST_CASE("dsa submissions: a posted store to a shared or disabled queue is lost in silence") {
    DsaHarness h;
    h.bring_up();
    h.post(noop());
    h.post(noop(), 2);
    REQUIRE(h.command(Command::DisableWq, wq_mask_operand(1)) == CommandError::None);
    h.post(noop(), 1);
    h.settle();
    CHECK(h.log.count("dsa.complete") == 0);
    CHECK((h.read(reg::kSwerr) & 1U) == 0);
}

TEST_CASE("dsa reset device: the error that was latched stays, what was pending does not") {
    DsaHarness h;
    h.bring_up();
    h.write(reg::kMsixPerm + 2 * kMsixPermBytes, encode_msix_perm(true, 7));
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(2));
    h.submit(memmove_of(0x1000, 0x5000, 0).no_record());
    h.settle();
    REQUIRE((h.read(reg::kSwerr) & 0xFF01U) == 0x1301);
    REQUIRE(h.read(reg::kMsixPba) == 4);
    REQUIRE(h.command(Command::ResetDevice) == CommandError::None);
    CHECK((h.read(reg::kSwerr) & 0xFF01U) == 0x1301);
    CHECK(h.read(reg::kMsixPba) == 0);
    h.config_write(pcie::config::kDevCtl, pcie::config::kInitiateReset);
    CHECK(h.read(reg::kSwerr) == 0);
}

TEST_CASE("dsa defects: each shows where a checker looks") {
    DsaHarness full;
    full.probes.enable(kAcceptWhenFull);
    full.bring_up();
    full.params.engine_depth = 1;
    for (int i = 0; i < 20; ++i) {
        CHECK(full.submit(noop()) == CplStatus::Success);
    }
    full.settle();
    CHECK(full.log.count("dsa.complete") < full.log.count("dsa.enqueue"));

    DsaHarness twice;
    twice.probes.enable(kCompleteTwice);
    twice.bring_up();
    twice.submit(noop());
    twice.settle();
    CHECK(twice.log.count("dsa.complete") == 2);

    DsaHarness early;
    early.probes.enable(kDrainReturnsEarly);
    early.bring_up();
    early.hold_reads();
    early.submit(memmove_of(0x1000, 0x5000, 64));
    CHECK(early.command(Command::DrainPasid, 7) == CommandError::None);
    CHECK(early.log.count("dsa.complete") == 0);

    DsaHarness previous;
    previous.probes.enable(kPasidOfPrevious);
    previous.bring_up();
    previous.submit(noop().pasid(7));
    previous.submit(noop().pasid(8));
    previous.settle();
    const auto accesses = previous.log.of("dsa.access");
    CHECK(EventLog::number(accesses.at(1), "pasid") == 7);
}

TEST_CASE("dsa fault sites: the n-th submission is answered retry, the n-th command fails") {
    DsaHarness h;
    h.bring_up();
    h.probes.fail_calls(kSubmissionRetry, 2, 2);
    CHECK(h.submit(noop()) == CplStatus::Success);
    CHECK(h.submit(noop()) == CplStatus::Retry);
    CHECK(h.submit(noop()) == CplStatus::Success);
    DsaHarness failing;
    failing.probes.fail_calls(kCommandFails, 1, 1);
    CHECK(failing.command(Command::DrainAll) == CommandError::HardwareError);
    CHECK(failing.command(Command::DrainAll) == CommandError::None);
}

TEST_CASE("dsa descriptors: a full queue answers retry until the engine takes one") {
    DsaHarness h;
    h.params.engine_depth = 1;
    h.bring_up();
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.run_until(DsaHarness::now() + 1_us);  // in the engine
    for (int i = 0; i < 8; ++i) {
        CHECK(h.submit(noop()) == CplStatus::Success);
    }
    CHECK(h.submit(noop()) == CplStatus::Retry);
    h.release_reads();
    h.settle();
    CHECK(h.submit(noop()) == CplStatus::Success);
}

TEST_CASE("dsa dispatch: blocked one picosecond before the arbiter sees the head") {
    DsaHarness h;
    h.bring_up();
    const TimePs start = DsaHarness::now();
    h.submit(noop());
    h.run_until(start + h.params.dispatch - 1_ps);
    CHECK(h.log.count("dsa.dispatch") == 0);
    h.run_until(start + h.params.dispatch);
    CHECK(h.log.count("dsa.dispatch") == 1);
}
