// What descriptors do: data, records, status codes, interrupts.
#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

// One descriptor on an enabled device, run to its end.
struct OneDescriptor : DsaHarness {
    explicit OneDescriptor(const DescriptorBuilder& d) {
        bring_up();
        put(0x1000, 4 * kPageSize, 3);
        REQUIRE(submit(d) == CplStatus::Success);
        settle();
    }
    CompletionRecord record() { return record_at(0x9000); }
};

Status status_of(const DescriptorBuilder& d) {
    return OneDescriptor(d).record().status;
}

}  // namespace

TEST_CASE("dsa memmove: bytes arrive, then the record says success") {
    OneDescriptor h(memmove_of(0x1010, 0x5020, 100));
    CHECK(h.get(0x5020, 100) == h.get(0x1010, 100));
    CHECK(h.record().status == Status::Success);
    CHECK(h.record().bytes_completed == 0);  // all of them
    CHECK(EventLog::number(h.log.of("dsa.complete").at(0), "bytes") == 100);
    CHECK(h.sent.back().address == 0x9000);
}

TEST_CASE("dsa memmove: requests carry requester id, PASID and descriptor, untranslated") {
    OneDescriptor h(memmove_of(0x1000, 0x5000, 64).pasid(0xC9));
    CHECK(h.sent.size() == 3);  // read, data, record
    for (const pcie::Tlp& tlp : h.sent) {
        CHECK(tlp.requester == Rid{0x0800});
        CHECK(tlp.pasid == Pasid{0xC9});
        CHECK(tlp.descriptor == 1);
        CHECK(tlp.at == pcie::AddressType::Untranslated);
    }
}

TEST_CASE("dsa memmove: no request crosses a page or exceeds the limits of the link") {
    OneDescriptor h(memmove_of(0x1FE8, 0x5FF1, 5000));
    CHECK(h.get(0x5FF1, 5000) == h.get(0x1FE8, 5000));
    for (const pcie::Tlp& tlp : h.sent) {
        CHECK(tlp.address / kPageSize == (tlp.address + tlp.length - 1) / kPageSize);
        CHECK(tlp.length <= (tlp.kind == TlpKind::MemRead ? 512 : 256));
    }
}

TEST_CASE("dsa memmove: as many reads are outstanding as the read buffers hold") {
    DsaHarness h;
    h.params.read_buffers = 16;  // 1024 bytes
    h.bring_up();
    h.put(0x10000, 8192, 1);
    h.hold_reads();
    h.submit(memmove_of(0x10000, 0x20000, 8192));
    h.settle();
    CHECK(h.sent_of(TlpKind::MemRead).size() == 2);
    h.release_reads();
    h.settle();
    CHECK(h.get(0x20000, 8192) == h.get(0x10000, 8192));
}

TEST_CASE("dsa read without ATS: what fails is a hardware error, with the bytes done before") {
    DsaHarness h;
    h.bring_up();
    h.put(0x1000, 8192, 1);
    h.block_page(0x2000);
    h.submit(memmove_of(0x1800, 0x5800, 4096));
    h.settle();
    const CompletionRecord record = h.record_at(0x9000);
    CHECK(record.status == Status::HardwareError);
    CHECK(record.fault_address == 0x2000);
    CHECK(record.bytes_completed == 0x800);
    CHECK_FALSE(record.fault_write);
    CHECK(h.get(0x5800, 0x800) == h.get(0x1800, 0x800));
    CHECK(h.get(0x6000, 64) == std::vector<std::uint8_t>(64, 0));
    CHECK(h.log.count("dsa.fault") == 1);
}

TEST_CASE("dsa read without ATS: a completer abort is no different") {
    DsaHarness h;
    h.bring_up();
    h.block_page(0x1000);
    h.blocked_status = CplStatus::Abort;
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::HardwareError);
}

TEST_CASE("dsa destination readback: one that fails tells of the write") {
    DsaHarness h;
    h.bring_up();
    h.block_page(0x5000);
    h.submit(memmove_of(0x1000, 0x5000, 64).flags(flag::kDestinationReadback));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::HardwareWriteError);
}

TEST_CASE("dsa write fault: a blocked posted write is never known to the device") {
    DsaHarness h;
    h.bring_up();
    h.block_page(0x5000);
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.get(0x5000, 64) == std::vector<std::uint8_t>(64, 0));
}

TEST_CASE("dsa fill: the pattern repeats over the whole destination") {
    OneDescriptor h(DescriptorBuilder(Opcode::Fill).from(0x8877665544332211).to(0x6000).size(5001));
    CHECK(h.get(0x6000, 4) == std::vector<std::uint8_t>{0x11, 0x22, 0x33, 0x44});
    CHECK(h.get(0x6000 + 5000, 2) == std::vector<std::uint8_t>{0x11, 0x00});
    CHECK(h.record().bytes_completed == 0);
}

TEST_CASE("dsa compare: equal buffers give 0, different ones 1 and the length of the common part") {
    DsaHarness h;
    h.bring_up();
    h.put(0x1000, 3000, 1);
    h.put(0x5100, 3000, 1);
    h.submit(DescriptorBuilder(Opcode::Compare).from(0x1000).to(0x5100).size(3000));
    h.settle();
    CHECK(h.record_at(0x9000).result == 0);
    CHECK(h.record_at(0x9000).bytes_completed == 0);
    h.memory[0x5100 + 2500] ^= 1U;
    h.submit(DescriptorBuilder(Opcode::Compare).from(0x1000).to(0x5100).size(3000).record(0x9020));
    h.settle();
    CHECK(h.record_at(0x9020).status == Status::Success);
    CHECK(h.record_at(0x9020).result == 1);
    CHECK(h.record_at(0x9020).bytes_completed == 2500);
}

TEST_CASE("dsa compare: an unexpected result has its own status when asked to check") {
    DsaHarness h;
    h.bring_up();
    h.put(0x1000, 64, 1);
    h.submit(DescriptorBuilder(Opcode::Compare)
                 .from(0x1000)
                 .to(0x5000)
                 .size(64)
                 .flags(flag::kCheckResult)
                 .expected(0));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::ResultNotExpected);
}

TEST_CASE("dsa compare: of the expected result one bit counts") {
    for (const unsigned expected : {0x02U, 0xFEU}) {
        CHECK(status_of(DescriptorBuilder(Opcode::Compare)
                            .from(0x8000)
                            .to(0xA000)
                            .size(64)
                            .flags(flag::kCheckResult)
                            .expected(static_cast<std::uint8_t>(expected))) == Status::Success);
    }
}

TEST_CASE("dsa compare pattern: the pattern continues across requests") {
    DsaHarness h;
    h.bring_up();
    h.put(0x1000, 4096, 0);  // bytes 0, 1, 2 ...: the first 8 match, then 8 differs from 0
    h.submit(
        DescriptorBuilder(Opcode::ComparePattern).from(0x1000).to(0x0706050403020100).size(4096));
    h.settle();
    CHECK(h.record_at(0x9000).bytes_completed == 8);
}

TEST_CASE("dsa refusals: each cause has its status code") {
    CHECK(status_of(DescriptorBuilder(static_cast<Opcode>(0x0A))) == Status::UnsupportedOpcode);
    CHECK(status_of(noop().flags(flag::kBlockOnFault)) == Status::InvalidFlags);
    CHECK(status_of(memmove_of(0x1000, 0x5000, 0)) == Status::InvalidSize);
    CHECK(status_of(noop().privileged().flags(flag::kRequestInterrupt).handle(99)) ==
          Status::InvalidInterruptHandle);
    CHECK(status_of(memmove_of(0x1000, 0x5000, 64).expected(1)) == Status::ReservedNotZero);
}

TEST_CASE("dsa refusals: a record is asked for without saying where") {
    DsaHarness h;
    h.bring_up();
    h.submit(noop().no_record().flags(flag::kRequestRecord));
    h.settle();
    CHECK(h.sent.empty());
    const SoftwareError error = decode_swerr(
        {h.read(reg::kSwerr, 8), h.read(reg::kSwerr + 8, 8), h.read(reg::kSwerr + 16, 8), 0});
    CHECK(error.error == static_cast<std::uint8_t>(Status::InvalidFlags));
    CHECK(error.invalid_flags == flag::kRequestRecord);
}

TEST_CASE("dsa refusals: what yields a result needs a record, a drain somebody who hears of it") {
    for (const Opcode op :
         {Opcode::Compare, Opcode::ComparePattern, Opcode::CreateDelta, Opcode::CrcGenerate,
          Opcode::CopyCrc, Opcode::DifCheck, Opcode::Drain}) {
        OneDescriptor h(DescriptorBuilder(op).no_record());
        CHECK((h.read(reg::kSwerr) & 0xFF00U) == 0x1100);
        CHECK(h.read(reg::kSwerr + 12) == (flag::kRecordAddressValid | flag::kRequestRecord));
    }
}

TEST_CASE("dsa refusals: flags that an operation has no use for") {
    const auto invalid = [](const DescriptorBuilder& d) {
        const CompletionRecord record = OneDescriptor(d).record();
        return record.status == Status::InvalidFlags ? record.invalid_flags : 0U;
    };
    // Only what writes has an order of writes.
    for (const Opcode op :
         {Opcode::Compare, Opcode::ComparePattern, Opcode::CrcGenerate, Opcode::DifCheck}) {
        CHECK(invalid(DescriptorBuilder(op).from(0x1000).to(0x2000).size(520).flags(
                  flag::kStrictOrdering)) == flag::kStrictOrdering);
    }
    const auto flush = DescriptorBuilder(Opcode::CacheFlush).to(0x1000).size(64);
    CHECK(invalid(DescriptorBuilder(flush).flags(flag::kCacheControl)) == flag::kCacheControl);
    CHECK(invalid(DescriptorBuilder(flush).flags(flag::kDestinationReadback)) == 0);
    // The class of an address that is not there.
    const auto drain = DescriptorBuilder(Opcode::Drain);
    CHECK(invalid(DescriptorBuilder(drain).flags(flag::kAddress1Class)) == flag::kAddress1Class);
    CHECK(invalid(DescriptorBuilder(drain).from(0x1000).flags(flag::kAddress1Class |
                                                              flag::kReadback1Valid)) == 0);
    const auto crc = DescriptorBuilder(Opcode::CrcGenerate).from(0x1000).size(64);
    CHECK(invalid(DescriptorBuilder(crc).flags(flag::kAddress3Class)) == flag::kAddress3Class);
    CHECK(invalid(DescriptorBuilder(crc).flags(flag::kAddress3Class | flag::kReadSeed)) == 0);
}

TEST_CASE("dsa refusals: fields that an operation does not use must be zero") {
    const auto refused = [](const DescriptorBuilder& d) {
        return status_of(d) == Status::ReservedNotZero;
    };
    CHECK(refused(noop().from(1)));
    CHECK(refused(noop().to(1)));
    CHECK(refused(noop().size(1)));
    CHECK(refused(noop().handle(1)));
    CHECK(refused(DescriptorBuilder(Opcode::Batch).from(0x20000).to(1).size(2)));
    CHECK(refused(DescriptorBuilder(Opcode::Drain).from(0x1000)));
    CHECK(refused(DescriptorBuilder(Opcode::Drain).to(0x1000)));
    CHECK(refused(DescriptorBuilder(Opcode::Drain).size(1)));
    CHECK(refused(DescriptorBuilder(Opcode::CacheFlush).from(1).to(0x1000).size(64)));
    const auto crc = DescriptorBuilder(Opcode::CrcGenerate).from(0x1000).size(64);
    CHECK(refused(DescriptorBuilder(crc).to(1)));
    CHECK(refused(DescriptorBuilder(crc).with(specific::kCrcSeedAddress, 8, 0x3000)));
    CHECK(refused(DescriptorBuilder(crc).flags(flag::kReadSeed).with(specific::kCrcSeed, 4, 1)));
    CHECK(status_of(DescriptorBuilder(crc)
                        .flags(flag::kReadSeed)
                        .with(specific::kCrcSeedAddress, 8, 0x3002)) == Status::AddressMisaligned);
    const auto insert = DescriptorBuilder(Opcode::DifInsert).from(0x1000).to(0x5000).size(512);
    CHECK(refused(DescriptorBuilder(insert).with(specific::kDifFlags, 1, 0x10)));
    CHECK(refused(DescriptorBuilder(insert).with(specific::kDifDestinationFlags, 1, 1)));
}

TEST_CASE("dsa refusals: a record's address without its flag is a field without a use") {
    OneDescriptor h(noop().no_record().record(0x9000));
    CHECK(h.sent.empty());
    CHECK((h.read(reg::kSwerr) & 0xFF00U) == 0x1200);
}

TEST_CASE("dsa SWERR: tells a privileged descriptor") {
    CHECK((OneDescriptor(noop().record(0x9008)).read(reg::kSwerr) & 0x40U) == 0);
    CHECK((OneDescriptor(noop().record(0x9008).privileged()).read(reg::kSwerr) & 0x40U) != 0);
}

TEST_CASE("dsa refusals: the record names the flags that are not allowed") {
    OneDescriptor h(noop().flags(flag::kFence | flag::kCacheControl));
    CHECK(h.record().invalid_flags == (flag::kFence | flag::kCacheControl));
}

TEST_CASE("dsa refusals: a misaligned record is not written and shows in SWERR") {
    OneDescriptor h(noop().record(0x9008));
    CHECK(h.sent.empty());
    CHECK((h.read(reg::kSwerr) & 0xFF00U) == 0x1B00);
    CHECK(h.log.text(h.log.of("dsa.complete").at(0), "how") == "lost");
}

TEST_CASE("dsa record: without a request none is written on success") {
    DsaHarness h;
    h.bring_up();
    h.submit(noop().no_record());
    h.settle();
    CHECK(h.sent.empty());
    CHECK(h.log.text(h.log.of("dsa.complete").at(0), "how") == "none");
}

TEST_CASE("dsa SWERR: the second error only sets overflow, clearing makes room for the next") {
    DsaHarness h;
    h.bring_up();
    h.submit(DescriptorBuilder(static_cast<Opcode>(0x0A)).no_record());
    h.submit(memmove_of(0x1000, 0x5000, 0).no_record());
    h.settle();
    CHECK((h.read(reg::kSwerr) & 0xFF03U) == 0x1003);
    h.write(reg::kSwerr, kSwerrValid);
    h.submit(memmove_of(0x1000, 0x5000, 0).no_record());
    h.settle();
    CHECK((h.read(reg::kSwerr) & 0xFF03U) == 0x1303);  // overflow is software's to clear
    h.write(reg::kSwerr, kSwerrValid | kSwerrOverflow);
    CHECK((h.read(reg::kSwerr) & 3U) == 0);
}

TEST_CASE("dsa interrupt: a privileged descriptor fires its vector after its record") {
    DsaHarness h;
    h.bring_up();
    const std::uint64_t entry = reg::kMsixTable + 2 * kMsixEntryBytes;
    h.write(entry + kMsixAddressLow, 0xFEE01000);
    h.write(entry + kMsixData, 0x45);
    h.write(entry + kMsixControl, 0);
    h.write(reg::kMsixPerm + 2 * kMsixPermBytes, encode_msix_perm(true, 7));
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(2));
    h.settle();
    REQUIRE(h.sent.size() == 2);
    CHECK(DsaHarness::kind_of(h.sent[1]) == TlpKind::Interrupt);
    CHECK(h.sent[1].address == 0xFEE01000);
    CHECK(h.sent[1].data.at(0) == 0x45);
}

TEST_CASE("dsa interrupt: a vector of another PASID is an invalid handle") {
    DsaHarness h;
    h.bring_up();
    h.write(reg::kMsixPerm + 2 * kMsixPermBytes, encode_msix_perm(true, 8));
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(2));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::InvalidInterruptHandle);
}

TEST_CASE("dsa interrupt: none of a vector that is to be ignored, and nothing pending") {
    DsaHarness h;
    h.bring_up();
    h.write(reg::kMsixPerm, encode_msix_perm(true, 7) | 1U << kMsixPermIgnore);
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(0));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.read(reg::kMsixPba) == 0);
    h.submit(noop().privileged().flags(flag::kRequestInterrupt).handle(0).pasid(8).record(0x9020));
    h.settle();
    CHECK(h.record_at(0x9020).status == Status::InvalidInterruptHandle);
    h.start_command(Command::DrainAll, 0, true);  // no descriptor's
    h.settle();
    CHECK(h.read(reg::kMsixPba) == 1);
}

TEST_CASE("dsa interrupt: a masked vector is held until it is unmasked") {
    DsaHarness h;
    h.bring_up();
    h.write(reg::kMsixTable + kMsixAddressLow, 0xFEE00000);
    h.start_command(Command::DrainAll, 0, true);
    h.settle();
    CHECK((h.read(reg::kIntcause) & kIntcauseCommandDone) != 0);
    CHECK(h.sent_of(TlpKind::Interrupt).empty());
    CHECK(h.read(reg::kMsixPba) == 1);
    h.write(reg::kMsixTable + kMsixControl, 0);
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
    CHECK(h.read(reg::kMsixPba) == 0);
}

TEST_CASE("dsa dedicated workqueue: WQCFG's PASID is used, the descriptor's is not") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 0);
    c.dedicated = true;
    c.pasid = 0x55;
    h.configure(0, c);
    h.enable();
    h.post(memmove_of(0x1000, 0x5000, 64).pasid(7).privileged());
    h.settle();
    REQUIRE(h.sent.size() == 3);
    CHECK(h.sent[0].pasid == Pasid{0x55});
    CHECK_FALSE(h.sent[0].privileged);
}

TEST_CASE("dsa dedicated workqueue: with PASID off, requests carry the requester id alone") {
    DsaHarness h(1);
    WqConfig c = DsaHarness::shared_wq(8, 0);
    c.dedicated = true;
    c.pasid_enable = false;
    h.configure(0, c);
    h.enable();
    h.post(noop());
    h.settle();
    REQUIRE(h.sent.size() == 1);
    CHECK_FALSE(h.sent[0].pasid);
    // Whoever submits to it is no user, and may ask for interrupts.
    h.write(reg::kMsixTable + kMsixEntryBytes + kMsixAddressLow, 0xFEE01000);
    h.write(reg::kMsixTable + kMsixEntryBytes + kMsixControl, 0);
    h.post(noop().flags(flag::kRequestInterrupt).handle(1));
    h.settle();
    CHECK(h.sent_of(TlpKind::Interrupt).size() == 1);
}

TEST_CASE("dsa drain descriptor: ends after earlier work of its PASID, not after others'") {
    DsaHarness h;
    h.params.engine_depth = 8;
    h.bring_up();
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64).pasid(7));
    h.submit(memmove_of(0x1000, 0x6000, 64).pasid(8).record(0x9020));
    h.submit(DescriptorBuilder(Opcode::Drain).pasid(7).record(0x9040));
    h.submit(DescriptorBuilder(Opcode::Drain).pasid(9).record(0x9060));
    h.settle();
    CHECK(h.record_at(0x9040).status == Status::Pending);
    CHECK(h.record_at(0x9060).status == Status::Success);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9040).status == Status::Success);
    const auto ends = h.log.of("dsa.complete");
    CHECK(EventLog::number(ends.back(), "descriptor") == 3);
}

TEST_CASE("dsa read: poisoned data is a hardware error, and none of it is written") {
    DsaHarness h;
    h.bring_up();
    h.put(0x10000, 64, 1);
    h.poisoned_pages.insert(0x10);
    h.submit(memmove_of(0x10000, 0x20000, 64).record(0x30000));
    h.settle();
    CHECK(h.record_at(0x30000).status == Status::HardwareError);
    CHECK(h.get(0x20000, 1) == std::vector<std::uint8_t>{0});
}

TEST_CASE("dsa read: what is never answered is given up after the completion timeout") {
    DsaHarness h;
    h.bring_up();
    h.hold_reads();
    const TimePs start = DsaHarness::now();
    h.submit(memmove_of(0x10000, 0x20000, 64).record(0x30000));
    h.run_until(start + h.params.completion_timeout);
    CHECK(h.record_at(0x30000).status == Status::Pending);
    h.run_until(start + h.params.completion_timeout + 1_us);
    CHECK(h.record_at(0x30000).status == Status::HardwareError);
    h.release_reads();  // late: ignored
    h.settle();
    h.submit(memmove_of(0x10000, 0x20000, 64).record(0x31000));
    h.settle();
    CHECK(h.record_at(0x31000).status == Status::Success);
}

TEST_CASE("dsa read: a seed that is never answered ends its operation, and frees its buffer") {
    DsaHarness h;
    h.bring_up();
    h.hold_reads();
    const auto crc = DescriptorBuilder(Opcode::CrcGenerate)
                         .from(0x10000)
                         .size(64)
                         .flags(flag::kReadSeed)
                         .with(specific::kCrcSeedAddress, 8, 0x20000);
    h.submit(DescriptorBuilder(crc).record(0x30000));
    h.run_until(DsaHarness::now() + h.params.completion_timeout + 1_us);
    CHECK(h.record_at(0x30000).status == Status::HardwareError);
    CHECK(h.record_at(0x30000).fault_address == 0x20000);
    h.release_reads();
    h.settle();
    h.submit(DescriptorBuilder(crc).record(0x31000));
    h.settle();
    CHECK(h.record_at(0x31000).status == Status::Success);
}

TEST_CASE("dsa: while the link waits for credits no more is read or filled") {
    DsaHarness h;
    h.bring_up();
    h.writes_held = true;
    h.submit(memmove_of(0x10000, 0x20000, 64).record(0x30000));
    h.submit(DescriptorBuilder(Opcode::Fill).to(0x40000).size(0x4000).record(0x31000));
    h.settle();
    CHECK(h.sent.empty());
    h.writes_held = false;
    h.core().way_out_free(DsaHarness::now());
    h.settle();
    CHECK(h.record_at(0x30000).status == Status::Success);
    CHECK(h.record_at(0x31000).status == Status::Success);
}
