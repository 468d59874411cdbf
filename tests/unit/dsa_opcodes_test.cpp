// Operations beyond moving and comparing: CRC, dualcast, deltas, protection information, flushes.
#include <doctest/doctest.h>

#include "models/dsa/transfer.hpp"
#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

struct Bench : DsaHarness {
    Bench() { bring_up(); }
    CompletionRecord run(const DescriptorBuilder& d) {
        const std::uint64_t record = d.get().record;
        for (std::uint64_t i = 0; i < kRecordBytes; ++i) {
            memory[record + i] = 0;
        }
        REQUIRE(submit(d) == CplStatus::Success);
        settle();
        return record_at(record);
    }
    void put_text(std::uint64_t address, const std::string& text) {
        for (const char c : text) {
            memory[address++] = static_cast<std::uint8_t>(c);
        }
    }
};

DescriptorBuilder crc_of(std::uint64_t from, std::uint32_t size) {
    return DescriptorBuilder(Opcode::CrcGenerate).from(from).size(size);
}
DescriptorBuilder dualcast_of(std::uint64_t from, std::uint64_t to, std::uint64_t to2,
                              std::uint32_t size) {
    return DescriptorBuilder(Opcode::Dualcast)
        .from(from)
        .to(to)
        .size(size)
        .with(specific::kDestination2, 8, to2);
}
DescriptorBuilder delta_of(std::uint64_t old, std::uint64_t changed, std::uint32_t size,
                           std::uint64_t delta, std::uint32_t max = 160) {
    return DescriptorBuilder(Opcode::CreateDelta)
        .from(old)
        .to(changed)
        .size(size)
        .with(specific::kDeltaAddress, 8, delta)
        .with(specific::kMaxDeltaSize, 4, max);
}
DescriptorBuilder apply_of(std::uint64_t delta, std::uint32_t bytes, std::uint64_t to,
                           std::uint32_t size) {
    return DescriptorBuilder(Opcode::ApplyDelta)
        .from(delta)
        .to(to)
        .size(size)
        .with(specific::kDeltaSize, 4, bytes);
}
// Application tag ABCDh, reference tags from 100h.
constexpr std::uint64_t kTags = 0xABCD'0000'0000'0100;
DescriptorBuilder dif_of(Opcode op, std::uint64_t from, std::uint64_t to, std::uint32_t size) {
    DescriptorBuilder d = DescriptorBuilder(op).from(from).to(to).size(size);
    if (op != Opcode::DifInsert) {
        d.with(specific::kDifSourceTags, 8, kTags);
    }
    if (op == Opcode::DifInsert || op == Opcode::DifUpdate) {
        d.with(specific::kDifDestinationTags, 8, kTags);
    }
    return d;
}

}  // namespace

TEST_CASE("dsa CRC: the published check value of CRC-32C") {
    Bench h;
    h.put_text(0x1000, "123456789");
    CHECK(h.run(crc_of(0x1000, 9)).values[0] == 0xE3069283);
}

TEST_CASE("dsa CRC: 32 bytes of zero and of ones as RFC 3720 lists them") {
    Bench h;
    CHECK(h.run(crc_of(0x1000, 32)).values[0] == 0x8A9136AA);
    for (std::uint64_t i = 0; i < 32; ++i) {
        h.memory[0x1000 + i] = 0xFF;
    }
    CHECK(h.run(crc_of(0x1000, 32)).values[0] == 0x62A8AB43);
}

TEST_CASE("dsa CRC: the result of one part is the seed of the next") {
    Bench h;
    h.put(0x1000, 9000, 5);
    const std::uint64_t whole = h.run(crc_of(0x1000, 9000)).values[0];
    const std::uint64_t first = h.run(crc_of(0x1000, 4321)).values[0];
    CHECK(h.run(crc_of(0x1000 + 4321, 9000 - 4321).with(specific::kCrcSeed, 4, first)).values[0] ==
          whole);
}

TEST_CASE("dsa CRC: a seed can be in memory, where a record left it") {
    Bench h;
    h.put_text(0x1000, "123456789");
    h.run(crc_of(0x1000, 4).record(0xA000));
    const CompletionRecord record = h.run(
        crc_of(0x1004, 5).flags(flag::kReadSeed).with(specific::kCrcSeedAddress, 8, 0xA000 + 16));
    CHECK(record.values[0] == 0xE3069283);
}

TEST_CASE("dsa CRC: a seed that cannot be read is an error before any data") {
    Bench h;
    h.block_page(0x7000);
    const CompletionRecord record =
        h.run(crc_of(0x1000, 64).flags(flag::kReadSeed).with(specific::kCrcSeedAddress, 8, 0x7010));
    CHECK(record.status == Status::HardwareError);
    CHECK(record.fault_address == 0x7010);
    CHECK(record.bytes_completed == 0);
}

TEST_CASE("dsa CRC: without reflection and inversion the plain polynomial division remains") {
    Bench h;
    h.memory[0x1000] = 0x01;
    const std::uint32_t plain = flag::kBypassReflection | flag::kBypassDataReflection;
    CHECK(h.run(crc_of(0x1000, 1).flags(plain)).values[0] == 0x1EDC6F41);
}

TEST_CASE("dsa copy with CRC: the bytes arrive and the CRC is theirs") {
    Bench h;
    h.put(0x1F00, 1000, 9);
    DescriptorBuilder copy = DescriptorBuilder(Opcode::CopyCrc).from(0x1F00).to(0x5F80).size(1000);
    const CompletionRecord record = h.run(copy);
    CHECK(h.get(0x5F80, 1000) == h.get(0x1F00, 1000));
    CHECK(record.values[0] == h.run(crc_of(0x1F00, 1000)).values[0]);
    CHECK(h.run(copy.to(0x1F10)).status == Status::OverlappingBuffers);
}

TEST_CASE("dsa dualcast: both destinations get the data; they agree in their page offsets") {
    Bench h;
    h.put(0x1000, 6000, 1);
    const CompletionRecord record = h.run(dualcast_of(0x1000, 0x10F00, 0x20F00, 6000));
    CHECK(record.status == Status::Success);
    CHECK(record.bytes_completed == 0);
    CHECK(h.get(0x10F00, 6000) == h.get(0x1000, 6000));
    CHECK(h.get(0x20F00, 6000) == h.get(0x1000, 6000));
    CHECK(h.run(dualcast_of(0x1000, 0x10F00, 0x20F40, 64)).status == Status::DualcastMismatch);
    CHECK(h.run(dualcast_of(0x1000, 0x10000, 0x11000, 0x1800)).status ==
          Status::OverlappingBuffers);
}

TEST_CASE("dsa overlapping copy: towards higher addresses it runs backwards and says so") {
    Bench h;
    h.put(0x1000, 10000, 1);
    const auto before = h.get(0x1000, 9000);
    const CompletionRecord record = h.run(memmove_of(0x1000, 0x1123, 9000));
    CHECK(record.status == Status::Success);
    CHECK(record.result == 1);
    CHECK(h.get(0x1123, 9000) == before);
}

TEST_CASE("dsa overlapping copy: towards lower addresses it runs forwards") {
    Bench h;
    h.put(0x1123, 9000, 1);
    const auto before = h.get(0x1123, 9000);
    CHECK(h.run(memmove_of(0x1123, 0x1000, 9000)).result == 0);
    CHECK(h.get(0x1000, 9000) == before);
}

TEST_CASE("dsa overlapping copy: backwards, bytes completed count from the end") {
    Bench h;
    h.put(0x1000, 0x3000, 1);
    h.block_page(0x1000);
    const CompletionRecord record = h.run(memmove_of(0x1800, 0x2000, 0x1400));
    CHECK(record.status == Status::HardwareError);
    CHECK(record.bytes_completed == 0x1400 - 0x800);
}

TEST_CASE("dsa overlapping copy: a device without the capability refuses it") {
    DsaHarness h;
    h.params.overlapping_copy = false;
    h.bring_up();
    CHECK_FALSE(decode_gencap(h.read(reg::kGencap, 8)).overlapping_copy);
    h.submit(memmove_of(0x1000, 0x1010, 64));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::OverlappingBuffers);
}

TEST_CASE("dsa delta: applied to the old region, the record makes it the new one") {
    Bench h;
    h.put(0x1000, 8192, 1);
    h.put(0x4000, 8192, 1);
    h.memory[0x4000 + 17] ^= 0xFF;
    h.memory[0x4000 + 4096] ^= 0xFF;
    h.memory[0x4000 + 8191] ^= 0xFF;
    const CompletionRecord record = h.run(delta_of(0x1000, 0x4000, 8192, 0x7000));
    CHECK(record.result == 1);
    CHECK(record.values[0] == 30);
    CHECK(h.get(0x7000, 2) == std::vector<std::uint8_t>{2, 0});
    CHECK(h.run(apply_of(0x7000, 30, 0x1000, 8192)).status == Status::Success);
    CHECK(h.get(0x1000, 8192) == h.get(0x4000, 8192));
}

TEST_CASE("dsa delta: equal regions give an empty record") {
    Bench h;
    const CompletionRecord record = h.run(delta_of(0x1000, 0x4000, 800, 0x7000));
    CHECK(record.result == 0);
    CHECK(record.values[0] == 0);
    CHECK(record.bytes_completed == 0);
}

TEST_CASE("dsa delta: differences beyond the room stop it with result 2") {
    Bench h;
    h.put(0x4000, 800, 1);  // every quadword differs
    const CompletionRecord record = h.run(delta_of(0x1000, 0x4000, 800, 0x7000, 80));
    CHECK(record.status == Status::Success);
    CHECK(record.result == 2);
    CHECK(record.values[0] == 80);
    CHECK(record.bytes_completed == 64);
    CHECK(h.get(0x7000 + 80, 8) == std::vector<std::uint8_t>(8, 0));
}

TEST_CASE("dsa delta: which results are expected stands in a mask") {
    Bench h;
    const auto d = delta_of(0x1000, 0x4000, 64, 0x7000).flags(flag::kCheckResult);
    CHECK(h.run(DescriptorBuilder(d).with(specific::kExpectedResultMask, 1, 1)).status ==
          Status::Success);
    CHECK(h.run(DescriptorBuilder(d).with(specific::kExpectedResultMask, 1, 6)).status ==
          Status::ResultNotExpected);
}

TEST_CASE("dsa delta: offsets must increase and stay inside the region") {
    Bench h;
    h.memory[0x7000] = 5;
    h.memory[0x7000 + 10] = 5;
    CHECK(h.run(apply_of(0x7000, 20, 0x1000, 800)).status == Status::DeltaNotIncreasing);
    CHECK(h.record_at(0x9000).bytes_completed == 10);
    CHECK(h.run(apply_of(0x7000, 10, 0x1000, 40)).status == Status::DeltaBeyondSize);
}

TEST_CASE("dsa delta: sizes and alignment") {
    Bench h;
    CHECK(h.run(delta_of(0x1000, 0x4000, 60, 0x7000)).status == Status::AddressMisaligned);
    CHECK(h.run(delta_of(0x1000, 0x4000, kMaxDeltaRegion + 8, 0x700000)).status ==
          Status::InvalidSize);
    CHECK(h.run(delta_of(0x1004, 0x4000, 64, 0x7000)).status == Status::AddressMisaligned);
    CHECK(h.run(delta_of(0x1000, 0x4004, 64, 0x7000)).status == Status::AddressMisaligned);
    CHECK(h.run(delta_of(0x1000, 0x4000, 64, 0x7004)).status == Status::Success);
    CHECK(h.run(delta_of(0x1000, 0x4000, 64, 0x7000, 70)).status == Status::InvalidDeltaSize);
    CHECK(h.run(delta_of(0x1000, 0x4000, 64, 0x7000, 85)).status == Status::Success);
    CHECK(h.run(delta_of(0x1000, 0x4000, 640, 0x1200)).status == Status::OverlappingBuffers);
    CHECK(h.run(apply_of(0x7000, 15, 0x1000, 800)).status == Status::InvalidDeltaSize);
    CHECK(h.run(apply_of(0x7000, 10, 0x1004, 800)).status == Status::AddressMisaligned);
    CHECK(h.run(apply_of(0x7000, 10, 0x1000, 804)).status == Status::AddressMisaligned);
}

TEST_CASE("dsa delta: no record is larger than a transfer of the queue") {
    DsaHarness h;
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.max_transfer_shift = 12;
    h.configure(0, c);
    h.configure(1, c);
    h.enable();
    h.submit(delta_of(0x1000, 0x4000, 4096, 0x7000, 4096));
    h.submit(delta_of(0x1000, 0x4000, 4096, 0x7000, 4097).record(0x9020));
    h.submit(apply_of(0x7000, 4100, 0x1000, 4096).record(0x9040));
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.record_at(0x9020).status == Status::InvalidDeltaSize);
    CHECK(h.record_at(0x9040).status == Status::InvalidDeltaSize);
}

TEST_CASE("dsa delta: what is left of a record is applied from where it stopped") {
    Bench h;
    h.put(0x4000, 64, 1);
    REQUIRE(h.run(delta_of(0x1000, 0x4000, 64, 0x7000)).values[0] == 80);
    CHECK(h.run(apply_of(0x7000 + 30, 50, 0x1000, 64)).status == Status::Success);
    CHECK(h.get(0x1000, 24) == std::vector<std::uint8_t>(24, 0));
    CHECK(h.get(0x1000 + 24, 40) == h.get(0x4000 + 24, 40));
}

TEST_CASE("dsa DIF: the guard of published vectors") {
    Bench h;  // 32 bytes of zero have guard 0; the inverted seed gives another
    const CompletionRecord record = h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 512));
    CHECK(record.status == Status::Success);
    CHECK(h.get(0x5000 + 512, 8) == std::vector<std::uint8_t>{0, 0, 0xAB, 0xCD, 0, 0, 0x01, 0x00});
    CHECK(record.values[1] == kTags + 1);  // of the block after
}

TEST_CASE("dsa DIF: a block with 123456789 has the guard that CRC catalogues list") {
    Bench h;
    // Leading zeros do not change a CRC with seed 0: CRC-16/T10-DIF of the text is D0DBh.
    h.put_text(0x1000 + 512 - 9, "123456789");
    h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 512));
    CHECK(h.get(0x5000 + 512, 2) == std::vector<std::uint8_t>{0xD0, 0xDB});
}

TEST_CASE("dsa DIF: what insert makes, check accepts and strip removes") {
    Bench h;
    h.put(0x1000, 8 * 512, 3);
    REQUIRE(h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 8 * 512)).status == Status::Success);
    CHECK(h.run(dif_of(Opcode::DifCheck, 0x5000, 0, 8 * 520)).status == Status::Success);
    const CompletionRecord stripped = h.run(dif_of(Opcode::DifStrip, 0x5000, 0x7800, 8 * 520));
    CHECK(stripped.status == Status::Success);
    CHECK(stripped.bytes_completed == 0);
    CHECK(h.get(0x7800, 8 * 512) == h.get(0x1000, 8 * 512));
}

TEST_CASE("dsa DIF: a wrong bit is found; the record tells the field and the good blocks before") {
    Bench h;
    h.put(0x1000, 4 * 512, 3);
    h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 4 * 512));
    h.memory[0x5000 + 2 * 520 + 100] ^= 4U;
    CompletionRecord record = h.run(dif_of(Opcode::DifCheck, 0x5000, 0, 4 * 520));
    CHECK(record.status == Status::DifError);
    CHECK(record.result == dif::kGuardWrong);
    CHECK(record.bytes_completed == 2 * 520);
    CHECK(record.values[0] == kTags + 2);
    h.memory[0x5000 + 2 * 520 + 100] ^= 4U;
    record = h.run(
        dif_of(Opcode::DifCheck, 0x5000, 0, 4 * 520).with(specific::kDifSourceTags, 4, 0x101));
    CHECK(record.result == dif::kReferenceWrong);
    record = h.run(
        dif_of(Opcode::DifCheck, 0x5000, 0, 4 * 520).with(specific::kDifSourceTags + 6, 2, 1));
    CHECK(record.result == dif::kApplicationWrong);
}

TEST_CASE("dsa DIF: checks can be turned off, and blocks of ones be skipped") {
    Bench h;
    h.put(0x1000, 512, 3);
    for (std::uint64_t i = 0; i < 8; ++i) {
        h.memory[0x1000 + 512 + i] = 0xFF;
    }
    const auto check = [&h](std::uint8_t flags) {
        return h
            .run(dif_of(Opcode::DifCheck, 0x1000, 0, 520).with(specific::kDifSourceFlags, 1, flags))
            .status;
    };
    CHECK(check(0) == Status::DifError);
    CHECK(check(dif::kSkipAllOnes) == Status::Success);
    CHECK(check(dif::kSkipAllOnes | dif::kAllOnesIsError) == Status::DifError);
    CHECK(check(dif::kSkipApplicationOnes) == Status::Success);
    CHECK(check(dif::kSkipTagsOnes) == Status::Success);
    CHECK(check(dif::kGuardUnchecked | dif::kReferenceUnchecked) == Status::DifError);  // tag
}

TEST_CASE("dsa DIF update: new tags, unless they are passed on") {
    Bench h;
    h.put(0x1000, 1024, 3);
    h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 1024));
    auto update = dif_of(Opcode::DifUpdate, 0x5000, 0x7000, 1040);
    update.with(specific::kDifDestinationTags, 8, 0x1234'0000'0000'0900);
    REQUIRE(h.run(update).status == Status::Success);
    CHECK(h.get(0x7000 + 520 + 512 + 2, 6) ==
          std::vector<std::uint8_t>{0x12, 0x34, 0, 0, 0x09, 0x01});
    update.with(specific::kDifDestinationFlags, 1, dif::kPassApplication | dif::kPassReference);
    h.run(update);
    CHECK(h.get(0x7000, 1040) == h.get(0x5000, 1040));
}

TEST_CASE("dsa DIF update: masked bits of the application tag are written as zeros") {
    Bench h;
    h.put(0x1000, 512, 3);
    h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 512));
    h.run(dif_of(Opcode::DifUpdate, 0x5000, 0x7000, 520)
              .with(specific::kDifDestinationTags, 8, 0x1234'00FF'0000'0900));
    CHECK(h.get(0x7000 + 512 + 2, 2) == std::vector<std::uint8_t>{0x12, 0x00});
}

TEST_CASE("dsa DIF: only whole blocks") {
    Bench h;
    CHECK(h.run(dif_of(Opcode::DifCheck, 0x1000, 0, 512)).status == Status::InvalidSize);
    CHECK(h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 520)).status == Status::InvalidSize);
    CHECK(h.run(dif_of(Opcode::DifInsert, 0x1000, 0x5000, 520).with(specific::kDifFlags, 1, 1))
              .status == Status::Success);
}

TEST_CASE("dsa cache flush: every page of the region must be accessible") {
    Bench h;
    const auto flush = DescriptorBuilder(Opcode::CacheFlush).to(0x1800).size(0x2000);
    CHECK(h.run(flush).status == Status::Success);
    h.block_page(0x2000);
    const CompletionRecord record = h.run(flush);
    CHECK(record.status == Status::HardwareError);
    CHECK(record.fault_address == 0x2000);
    CHECK(record.bytes_completed == 0x800);
}

TEST_CASE("dsa destination readback: the destination is read after the data, before the record") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64).flags(flag::kDestinationReadback));
    REQUIRE(h.sent.size() == 4);
    CHECK(h.sent[1].kind == TlpKind::MemWrite);
    CHECK(h.sent[2].kind == TlpKind::MemRead);
    CHECK(h.sent[2].address == 0x503F);  // the last byte
    CHECK(h.sent[3].address == 0x9000);
}

TEST_CASE("dsa destination readback: of what was written last") {
    Bench h;
    const auto last_read = [&h] { return h.sent_of(TlpKind::MemRead).back().address; };
    h.run(memmove_of(0x1000, 0x5800, 0x1000).flags(flag::kDestinationReadback));
    CHECK(last_read() == 0x67FF);
    h.run(dualcast_of(0x1000, 0x5000, 0x7000, 64).flags(flag::kDestinationReadback));
    CHECK(last_read() == 0x703F);
    // a delta record that was full has been written successfully, too
    h.put(0x4000, 800, 1);
    const CompletionRecord full =
        h.run(delta_of(0x3000, 0x4000, 800, 0x7000, 80).flags(flag::kDestinationReadback));
    CHECK(full.result == 2);
    CHECK(full.bytes_completed == 64);
    CHECK(last_read() == 0x704F);
    // backwards, 512 bytes at a time
    h.run(memmove_of(0x1000, 0x1800, 0x1000).flags(flag::kDestinationReadback));
    CHECK(last_read() == 0x19FF);
}

TEST_CASE("dsa drain readback: both addresses are read; a fault has its own status") {
    Bench h;
    const auto drain = DescriptorBuilder(Opcode::Drain)
                           .from(0x5000)
                           .to(0x6000)
                           .flags(flag::kReadback1Valid | flag::kReadback2Valid);
    CHECK(h.run(drain).status == Status::Success);
    CHECK(h.sent_of(TlpKind::MemRead).size() == 2);
    const auto plain = DescriptorBuilder(Opcode::Drain);
    CHECK(h.run(DescriptorBuilder(plain).flags(flag::kSuppressImplicitA | flag::kSuppressImplicitB))
              .status == Status::Success);
    CHECK(h.run(DescriptorBuilder(plain).flags(1U << 20U)).status == Status::InvalidFlags);
    h.block_page(0x6000);
    const CompletionRecord record = h.run(drain);
    CHECK(record.status == Status::HardwareWriteError);
    CHECK(record.fault_address == 0x6000);
}

TEST_CASE("dsa OPCAP: names exactly the operations that are not refused") {
    Bench h;
    const std::uint64_t map = h.read(reg::kOpcap, 8);
    for (unsigned op = 0; op < 64; ++op) {
        const CompletionRecord record = h.run(DescriptorBuilder(static_cast<Opcode>(op)));
        CHECK(get_bit(map, op) == (record.status != Status::UnsupportedOpcode));
    }
}

TEST_CASE("dsa fields of operations: what one does not define must be zero") {
    Bench h;
    for (unsigned byte = 0; byte < 24; ++byte) {
        CHECK(h.run(noop().with(byte, 1, 1)).status == Status::ReservedNotZero);
    }
    CHECK(h.run(dualcast_of(0x1000, 0x5000, 0x6000, 64).with(8, 1, 1)).status ==
          Status::ReservedNotZero);
}
