// The PCI function of a DSA device: configuration space, what enabling asks of it, function-level
// reset, privileged mode; and the event log's entries for records that could not be written.
#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using namespace ioasim::pcie::config;
using pcie::TlpKind;

namespace {

std::uint32_t state_of(DsaHarness& h) {
    return static_cast<std::uint32_t>(h.read(reg::kGensts));
}
std::uint8_t swerr_code(DsaHarness& h) {
    return static_cast<std::uint8_t>(h.read(reg::kSwerr) >> 8U);
}
pcie::TranslationEntry no_page() {
    return {};
}

// ATS on, event log of 64 entries at 80000h.
struct Logging : DsaHarness {
    explicit Logging(std::uint32_t credits = 0) : DsaHarness(1) {
        params.event_log = true;
        enable_ats();
        if (credits != 0) {
            enable_pages(credits);
        }
        const auto where = encode(EventLogConfig{true, false, 0x80000, 64, 0x33});
        write(reg::kEvlcfg, where[0], 8);
        write(reg::kEvlcfg + 8, where[1], 8);
        write(reg::kGencfg, 1U << kGencfgEventLog);
        bring_up();
    }
    std::uint8_t error(unsigned entry) { return memory[0x80000 + 64 * entry + 1]; }
    std::uint8_t image(unsigned entry) { return memory[0x80000 + 64 * entry + 32]; }
    std::uint64_t tail() { return read(reg::kEvlstatus + 4) & 0xFFFFU; }
};

}  // namespace

TEST_CASE("dsa function: enabling the device needs bus mastering, page requests need ATS") {
    DsaHarness h(1);
    h.config_write(kCommand, kMemorySpace);
    CHECK(h.command(Command::EnableDevice) == CommandError::BusMasterOff);
    h.config_write(kCommand, kMemorySpace | kBusMaster);
    h.config_write(kPriCtl, kPriEnable);
    h.config_write(kPriAllocation, 1);
    CHECK(h.command(Command::EnableDevice) == CommandError::PageRequestAllocation);
    h.enable_ats();
    CHECK(h.command(Command::EnableDevice) == CommandError::None);
}

TEST_CASE("dsa function: what counts is what the device is enabled with") {
    DsaHarness h(1);
    h.configure(0, DsaHarness::shared_wq(8, 8));
    h.write(grpcfg_address(reg::kGrpcfgTable, 0), 1, 8);
    h.write(grpcfg_address(reg::kGrpcfgTable, 0) + kGrpcfgEngineBitmap, 1, 8);
    h.start_command(Command::EnableDevice);
    h.config_write(kCommand, kMemorySpace);
    h.settle();
    CHECK(decode_cmdsts(static_cast<std::uint32_t>(h.read(reg::kCmdsts))).error ==
          CommandError::BusMasterOff);
    CHECK(state_of(h) == 0);
}

TEST_CASE("dsa function: an enable that changes under an enabled device halts it") {
    DsaHarness h(1);
    h.bring_up();
    h.config_write(kCommand, kMemorySpace | kBusMaster);  // no change
    CHECK(state_of(h) == 1);
    h.config_write(kCommand, kMemorySpace);
    CHECK(state_of_gensts(state_of(h)) == DeviceState::Halt);
    CHECK(reset_of_gensts(state_of(h)) == ResetType::FunctionLevel);
    CHECK(swerr_code(h) == kSwErrorConfiguration);
    CHECK(h.command(Command::ResetDevice) == CommandError::DeviceHalted);
}

TEST_CASE("dsa function: requests are no larger than software allows") {
    DsaHarness h(1);
    h.bring_up();
    h.config_write(kDevCtl, 0);  // 128 bytes each
    h.submit(memmove_of(0x1000, 0x5000, 512));
    h.settle();
    CHECK(h.sent_of(TlpKind::MemRead).size() == 4);
    CHECK(h.sent_of(TlpKind::MemWrite).size() == 5);  // the record too
}

TEST_CASE("dsa function: without bus mastering no message leaves") {
    DsaHarness h(1);
    h.write(reg::kMsixTable + kMsixAddressLow, 0xFEE0'0000);
    h.write(reg::kMsixTable + kMsixControl, 0);
    h.write(reg::kGenctrl, 7);
    h.bring_up();
    h.config_write(kCommand, kMemorySpace);
    CHECK(state_of_gensts(state_of(h)) == DeviceState::Halt);
    CHECK(h.sent_of(TlpKind::Interrupt).empty());
}

TEST_CASE("dsa function: privileged descriptors need the privileged mode of PASIDs") {
    DsaHarness h(1);
    h.bring_up();
    h.submit(noop().privileged());
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    REQUIRE(h.command(Command::DisableDevice) == CommandError::None);
    h.config_write(kPasidCtl, kPasidEnable);
    REQUIRE(h.command(Command::EnableDevice) == CommandError::None);
    REQUIRE(h.command(Command::EnableWq, 0) == CommandError::None);
    h.submit(noop().privileged().record(0x9020));
    h.settle();
    CHECK(h.record_at(0x9020).status == Status::Pending);
    CHECK((h.read(reg::kSwerr) & 0xFF01U) == 0x1D01);
}

TEST_CASE("dsa function-level reset: work and configuration are gone without records") {
    DsaHarness h(1);
    h.bring_up();
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.submit(DescriptorBuilder(Opcode::Drain).record(0x9020));
    h.settle();
    h.config_write(kDevCtl, kInitiateReset);
    CHECK(h.log.count("dsa.complete") == 2);
    CHECK_FALSE(h.core().busy());
    CHECK(state_of(h) == 0);
    CHECK(decode_wqcfg({}).size == 0);
    CHECK_FALSE(h.core().function().decodes_bar0());
    h.release_reads();  // late completions are nobody's
    h.settle();
    CHECK(h.sent_of(TlpKind::MemWrite).empty());
    CHECK(h.record_at(0x9000).status == Status::Pending);
}

TEST_CASE("dsa function-level reset: until it is over configuration requests are to be repeated") {
    DsaHarness h(1);
    h.bring_up();
    h.config_write(kDevCtl, kInitiateReset);
    pcie::Tlp read;
    read.kind = TlpKind::ConfigRead;
    read.length = 2;
    h.core().configure(DsaHarness::now(), read);
    CHECK(h.sent.back().status == pcie::CplStatus::Retry);
    h.run_until(DsaHarness::now() + h.params.reset_time);
    h.core().configure(DsaHarness::now(), read);
    CHECK(h.sent.back().status == pcie::CplStatus::Success);
    CHECK(h.sent.back().data == std::vector<std::uint8_t>{0x86, 0x80});
}

TEST_CASE("dsa function-level reset: brings back a device that halted for good") {
    DsaHarness h(1);
    h.params.halt_reset = 1;
    h.bring_up();
    h.config_write(kCommand, kMemorySpace);
    h.config_write(kDevCtl, kInitiateReset);
    h.run_until(DsaHarness::now() + h.params.reset_time);
    h.config_write(kCommand, kMemorySpace | kBusMaster);
    h.bring_up();
    h.submit(noop());
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa function-level reset: forgets translations and page requests") {
    DsaHarness h(1);
    h.enable_ats();
    h.enable_pages(4);
    h.bring_up();
    h.pages[0x9020] = no_page();
    h.submit(noop());
    h.settle();
    h.pages[0xA000] = no_page();
    h.submit(noop().record(0xA000));
    h.settle();
    CHECK(h.sent_of(TlpKind::PageRequest).size() == 1);
    h.config_write(kDevCtl, kInitiateReset);
    CHECK(h.log.count("vtd.drop") == 1);
    CHECK_FALSE(h.core().busy());
    h.settle();
}

TEST_CASE("dsa event log: a record that cannot be written is kept for software") {
    Logging h;
    h.pages[0x9000] = no_page();
    h.submit(noop());
    h.settle();
    CHECK(h.tail() == 1);
    CHECK(h.error(0) == 0x1A);
    CHECK(h.image(0) == 1);
}

TEST_CASE("dsa event log: the record of a batch stays behind those of its entries") {
    Logging h;
    h.pages[0x9000] = no_page();
    h.put_list(0x20000, {noop(), noop().record(0xA000)});
    h.submit(DescriptorBuilder(Opcode::Batch).from(0x20000).size(2).record(0xB000));
    h.settle();
    CHECK(h.tail() == 2);
    CHECK(h.error(0) == 0x1A);
    CHECK(h.error(1) == 0x27);
    CHECK(h.record_at(0xB000).status == Status::Pending);
    CHECK(h.record_at(0xA000).status == Status::Success);
}

TEST_CASE("dsa event log: drains go there unless their queue asks for pages") {
    Logging h;
    h.submit(DescriptorBuilder(Opcode::Drain).record(0xA000));
    h.settle();
    CHECK(h.tail() == 1);
    CHECK(h.error(0) == 0x26);
    CHECK(h.image(0) == 1);
    CHECK(h.record_at(0xA000).status == Status::Pending);
    // one that is refused has its record where it wants it
    h.submit(DescriptorBuilder(Opcode::Drain).record(0xA000).from(1));
    h.settle();
    CHECK(h.record_at(0xA000).status == Status::ReservedNotZero);
    CHECK(h.tail() == 1);

    Logging pages(4);
    pages.pages[0x9000] = no_page();
    pages.submit(noop());
    pages.settle();
    pages.respond(0, pcie::PageAnswer::Invalid);
    pages.settle();
    CHECK(pages.error(0) == 0x1A);
    pages.submit(DescriptorBuilder(Opcode::Drain).record(0xA000));
    pages.settle();
    CHECK(pages.record_at(0xA000).status == Status::Success);
    CHECK(pages.tail() == 1);
}
