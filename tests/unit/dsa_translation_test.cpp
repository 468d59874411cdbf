// A DSA device that translates for itself: device TLB, translation and page requests,
// invalidations, and what becomes of descriptors whose pages are not to be had.
#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::AddressType;
using pcie::PageAnswer;
using pcie::TlpKind;

namespace {

pcie::TranslationEntry page_entry(std::uint64_t address, bool read, bool write,
                                  unsigned bits = 12) {
    pcie::TranslationEntry e;
    e.address = address;
    e.page_bits = bits;
    e.read = read;
    e.write = write;
    return e;
}
pcie::TranslationEntry nothing() {
    return page_entry(0, false, false);
}

// One queue whose descriptors may block, ATS on, and a counter of device TLB hits.
struct Bench : DsaHarness {
    explicit Bench(std::uint32_t credits = 0) : DsaHarness(1) {
        enable_ats();
        if (credits != 0) {
            enable_pages(credits);
        }
        WqConfig c = shared_wq(8, 8);
        c.block_on_fault = credits != 0;
        configure(0, c);
        enable();
        write(reg::kPerfmon + perf::counter_config(0), 0x100'0000'0201, 8);
        sent.clear();
    }
    std::uint64_t hits() { return read(reg::kPerfmon + perf::counter_data(0), 8); }
    std::size_t asked() const { return sent_of(TlpKind::AtsRequest).size(); }
    void run(const DescriptorBuilder& d) {
        submit(d);
        settle();
    }
    void invalidate(std::uint32_t pasid, std::uint64_t page, std::uint32_t itag = 3) {
        message(pcie::invalidate_request(config.rid, Pasid{pasid}, itag, {page, false, false}));
    }
    std::size_t answered() const { return sent_of(TlpKind::InvalidateCompletion).size(); }
    SoftwareError swerr() {
        return decode_swerr({read(reg::kSwerr, 8), read(reg::kSwerr + 8, 8),
                             read(reg::kSwerr + 16, 8), read(reg::kSwerr + 24, 8)});
    }
};

DescriptorBuilder blocking(std::uint64_t from, std::uint64_t to, std::uint32_t size) {
    return memmove_of(from, to, size).flags(flag::kBlockOnFault);
}

}  // namespace

TEST_CASE("dsa translation: accesses leave with the translated address and without PASID") {
    Bench h;
    h.pages[0x1000] = page_entry(0x7000, true, true);
    h.put(0x7000, 64, 5);
    h.run(memmove_of(0x1000, 0x5000, 64));
    const auto reads = h.sent_of(TlpKind::MemRead);
    REQUIRE(reads.size() == 1);
    CHECK(reads[0].at == AddressType::Translated);
    CHECK(reads[0].address == 0x7000);
    CHECK_FALSE(reads[0].pasid.has_value());
    CHECK(h.get(0x5000, 64) == h.get(0x7000, 64));
}

TEST_CASE("dsa translation: a source is asked for reading only, with PASID") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64));
    const auto asked = h.sent_of(TlpKind::AtsRequest);
    REQUIRE(asked.size() == 3);
    CHECK(pcie::no_write_flag(asked[0]));
    CHECK_FALSE(pcie::no_write_flag(asked[1]));
    CHECK(asked[0].pasid == Pasid{7});
}

TEST_CASE("dsa translation: without ATS, or where the queue forbids it, untranslated with PASID") {
    for (const bool by_queue : {false, true}) {
        DsaHarness h(1);
        if (by_queue) {
            h.enable_ats();
        }
        WqConfig c = DsaHarness::shared_wq(8, 8);
        c.ats_disable = by_queue;
        h.configure(0, c);
        h.enable();
        h.submit(memmove_of(0x1000, 0x5000, 64));
        h.settle();
        CHECK(h.sent_of(TlpKind::AtsRequest).empty());
        REQUIRE(h.sent_of(TlpKind::MemRead).size() == 1);
        CHECK(h.sent_of(TlpKind::MemRead)[0].pasid == Pasid{7});
    }
}

TEST_CASE("dsa device tlb: an entry each for source, destination and record") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.run(memmove_of(0x1040, 0x5040, 64).record(0x9020));
    CHECK(h.hits() == 3);
    h.run(memmove_of(0x5000, 0x1000, 64));  // the other way round: only the record hits
    CHECK(h.hits() == 4);
}

TEST_CASE("dsa device tlb: the second source and the second destination have their own") {
    Bench h;
    const auto compare = DescriptorBuilder(Opcode::Compare).from(0x1000).to(0x5000).size(64);
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.run(compare);  // misses the second source alone
    CHECK(h.hits() == 2);
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.run(compare);
    CHECK(h.hits() == 8);
    const auto dualcast = DescriptorBuilder(Opcode::Dualcast)
                              .from(0x1000)
                              .to(0x5000)
                              .size(64)
                              .with(specific::kDestination2, 8, 0x6000);
    h.run(dualcast);
    CHECK(h.hits() == 11);
    h.run(dualcast);
    CHECK(h.hits() == 15);
}

TEST_CASE("dsa device tlb: list and record of a batch neither hit nor evict") {
    Bench h;
    for (unsigned i = 0; i < 2; ++i) {
        h.put_list(0x20000, {noop().record(0x9100), noop().record(0x9120), noop().record(0x9140)});
        h.run(DescriptorBuilder(Opcode::Batch).from(0x20000).size(3).record(0xA000));
    }
    CHECK(h.hits() == 5);
}

TEST_CASE("dsa device tlb: an entry serves its PASID alone") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.run(memmove_of(0x1000, 0x5000, 64).pasid(8));
    CHECK(h.hits() == 0);
    CHECK(h.asked() == 6);
}

TEST_CASE("dsa device tlb: an entry is as large as its completion said") {
    Bench h;
    h.pages[0x200000] = page_entry(0x400000, true, true, 21);
    h.run(memmove_of(0x200000, 0x5000, 64));
    h.run(memmove_of(0x3FF000, 0x5000, 64));
    CHECK(h.hits() == 3);
    CHECK(h.sent_of(TlpKind::MemRead).back().address == 0x5FF000);
}

TEST_CASE("dsa translation: a stream asks for its next page when it gets there, or one ahead") {
    for (const std::uint64_t ahead : {0, 1}) {
        DsaHarness wide(1);
        wide.params.ats_ahead = ahead;
        wide.params.ats_issue = 10_ns;
        wide.params.read_buffers = 64;  // a page
        wide.enable_ats();
        wide.bring_up();
        wide.hold_reads();
        wide.submit(memmove_of(0x10000, 0x20000, 12288));
        wide.run_until(DsaHarness::now() + 400_ns);
        std::size_t sources = 0;
        for (const pcie::Tlp& tlp : wide.sent_of(TlpKind::AtsRequest)) {
            sources += pcie::no_write_flag(tlp) ? 1 : 0;
        }
        CHECK(sources == 1 + ahead);
        wide.release_reads();
        wide.settle();
        CHECK(wide.record_at(0x9000).status == Status::Success);
        CHECK(wide.sent_of(TlpKind::AtsRequest).size() == 7);
    }
}

TEST_CASE("dsa invalidation: is answered when the reads with its translation are back") {
    Bench h;
    h.hold_reads();
    h.submit(memmove_of(0x1000, 0x5000, 64));
    h.settle();
    h.invalidate(7, 0x1000);
    h.settle();
    CHECK(h.answered() == 0);
    h.release_reads();
    h.settle();
    REQUIRE(h.answered() == 1);
    CHECK(pcie::decode_invalidate_done(h.sent_of(TlpKind::InvalidateCompletion)[0].address).itags ==
          8);
}

TEST_CASE("dsa invalidation: what it reached is asked for again, other PASIDs stay") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.invalidate(8, 0x1000, 1);
    h.invalidate(7, 0x5000, 2);
    h.settle();
    CHECK(h.answered() == 1);  // one answer for both
    h.run(memmove_of(0x1000, 0x5000, 64));
    CHECK(h.hits() == 2);
    CHECK(h.asked() == 4);
}

TEST_CASE("dsa invalidation: a translation that it overtook is asked for again") {
    Bench h;
    h.translations_held = true;
    h.submit(noop());
    h.run_until(DsaHarness::now() + 1_us);
    const auto first = h.sent_of(TlpKind::AtsRequest);
    REQUIRE(first.size() == 1);
    h.invalidate(7, 0x9000);
    h.run_until(DsaHarness::now() + 1_us);
    CHECK(h.answered() == 1);
    h.translations_held = false;
    h.answer_now(h.translation_of(first[0]));
    CHECK(h.asked() == 2);
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa invalidation: with ATS off nobody answers") {
    DsaHarness h(1);
    h.bring_up();
    h.message(pcie::invalidate_request(h.config.rid, Pasid{7}, 0, {0x1000, false, false}));
    h.settle();
    CHECK(h.sent_of(TlpKind::InvalidateCompletion).empty());
}

TEST_CASE("dsa translation: switching ATS off empties the device tlb") {
    Bench h;
    h.run(memmove_of(0x1000, 0x5000, 64));
    h.config_write(pcie::config::kAtsCtl, 0);
    CHECK(h.log.count("vtd.drop") == 3);
}

TEST_CASE("dsa translation: one that fails ends the descriptor with its own status") {
    Bench h;
    h.translation_status = pcie::CplStatus::Abort;
    DescriptorBuilder d = memmove_of(0x1000, 0x5000, 64);
    h.run(d.no_record());
    CHECK(h.swerr().error == static_cast<std::uint8_t>(Status::TranslationFailure));
    // of a record as well: that is no page fault
    Bench record;
    record.translation_status = pcie::CplStatus::Abort;
    record.run(noop());
    CHECK(record.swerr().error == static_cast<std::uint8_t>(Status::TranslationFailure));
}

// --- pages that are not to be had ---

TEST_CASE("dsa page fault: a source ends the descriptor with what was done before") {
    Bench h;
    h.pages[0x2000] = nothing();
    h.run(memmove_of(0x1800, 0x5000, 4096));
    const CompletionRecord r = h.record_at(0x9000);
    CHECK(r.status == Status::PageFault);
    CHECK_FALSE(r.fault_write);
    CHECK(r.bytes_completed == 0x800);
    CHECK(r.fault_address == 0x2000);
}

TEST_CASE("dsa page fault: of a destination says that it was a write") {
    Bench h;
    h.pages[0x6000] = page_entry(0x6000, true, false);
    h.run(memmove_of(0x1000, 0x5C00, 2048));
    const CompletionRecord r = h.record_at(0x9000);
    CHECK(r.status == Status::PageFault);
    CHECK(r.fault_write);
    CHECK(r.bytes_completed == 0x400);
    CHECK(r.fault_address == 0x6000);
    CHECK(h.get(0x5C00, 0x400) == h.get(0x1000, 0x400));
}

// Blocks of 520 bytes: seven of them end before 6000h.
TEST_CASE("dsa page fault: of the blocks of a DIF operation those count that are written") {
    Bench h;
    h.pages[0x6000] = page_entry(0x6000, true, false);
    const auto insert = [](std::uint64_t from, std::uint64_t to, std::uint32_t size,
                           std::uint32_t reference) {
        return DescriptorBuilder(Opcode::DifInsert)
            .from(from)
            .to(to)
            .size(size)
            .with(specific::kDifDestinationTags, 4, reference);
    };
    h.put(0x10000, 8192, 1);
    h.run(insert(0x10000, 0x5000, 8192, 0x100));
    const CompletionRecord r = h.record_at(0x9000);
    CHECK(r.status == Status::PageFault);
    CHECK(r.bytes_completed == 7 * 512);
    CHECK(r.values[1] == 0x107);
    // What is left, from there: the same as if there had been no fault.
    h.pages.clear();
    h.invalidate(7, 0x6000);
    h.run(insert(0x10000 + 7 * 512, 0x5000 + 7 * 520, 8192 - 7 * 512, 0x107));
    h.run(insert(0x10000, 0x25000, 8192, 0x100));
    CHECK(h.get(0x5000, 16 * 520) == h.get(0x25000, 16 * 520));
}

TEST_CASE("dsa page fault: a delta record tells what was written of it") {
    Bench h;
    h.put(0x20000, 8192, 1);  // differs everywhere
    h.pages[0x6000] = page_entry(0x6000, true, false);
    const auto delta = [](std::uint64_t to) {
        return DescriptorBuilder(Opcode::CreateDelta)
            .from(0x10000)
            .to(0x20000)
            .size(8192)
            .with(specific::kDeltaAddress, 8, to)
            .with(specific::kMaxDeltaSize, 4, 16384);
    };
    h.run(delta(0x5000));
    const CompletionRecord some = h.record_at(0x9000);
    CHECK(some.status == Status::PageFault);
    CHECK(some.result == 1);
    CHECK(some.bytes_completed != 0);
    CHECK(some.bytes_completed / 8 * 10 == some.values[0]);
    h.run(delta(0x6000).record(0x9020));
    const CompletionRecord none = h.record_at(0x9020);
    CHECK(none.result == 0);
    CHECK(none.bytes_completed == 0);
    CHECK(none.values[0] == 0);
}

TEST_CASE("dsa page fault: the CRC is that of the bytes that count, and the seed of the rest") {
    Bench h;
    h.put(0x10000, 8192, 1);
    h.pages[0x6000] = page_entry(0x6000, true, false);
    const auto copy = DescriptorBuilder(Opcode::CopyCrc);
    h.run(DescriptorBuilder(copy).from(0x10000).to(0x5F80).size(8192));
    const CompletionRecord part = h.record_at(0x9000);
    CHECK(part.bytes_completed == 0x80);
    h.pages.clear();
    h.invalidate(7, 0x6000);
    h.run(DescriptorBuilder(copy)
              .from(0x10080)
              .to(0x6000)
              .size(8192 - 0x80)
              .with(specific::kCrcSeed, 4, part.values[0])
              .record(0x9020));
    h.run(DescriptorBuilder(copy).from(0x10000).to(0x30000).size(8192).record(0x9040));
    CHECK(h.record_at(0x9020).values[0] == h.record_at(0x9040).values[0]);
}

TEST_CASE("dsa page fault: both destinations of a dualcast end with the same bytes") {
    Bench h;
    h.put(0x10000, 8192, 1);
    h.pages[0x31000] = page_entry(0x31000, true, false);
    h.run(DescriptorBuilder(Opcode::Dualcast)
              .from(0x10000)
              .to(0x20000)
              .size(8192)
              .with(specific::kDestination2, 8, 0x30000));
    const CompletionRecord r = h.record_at(0x9000);
    CHECK(r.status == Status::PageFault);
    CHECK(r.fault_address == 0x31000);
    CHECK(r.bytes_completed == 4096);
    CHECK(h.get(0x30000, 4096) == h.get(0x10000, 4096));
    CHECK(h.get(0x21000, 4096) == std::vector<std::uint8_t>(4096, 0));
}

TEST_CASE("dsa page fault: of a record is an error without one") {
    Bench h;
    h.pages[0x9000] = nothing();
    h.run(noop());
    const SoftwareError e = h.swerr();
    CHECK(e.error == static_cast<std::uint8_t>(Status::RecordPageFault));
    CHECK(e.write);
    CHECK(e.address == 0x9000);
    CHECK(e.pasid == 7);
}

TEST_CASE("dsa page fault: of a list, and of an address that a drain reads back") {
    Bench h;
    h.pages[0x20000] = nothing();
    h.run(DescriptorBuilder(Opcode::Batch).from(0x20000).size(2));
    CHECK(h.record_at(0x9000).status == Status::BatchListFault);
    h.run(DescriptorBuilder(Opcode::Drain).from(0x20000).flags(flag::kReadback1Valid));
    CHECK(h.record_at(0x9000).status == Status::ReadbackPageFault);
}

TEST_CASE("dsa page request: a descriptor that may block waits and goes on") {
    Bench h(4);
    h.pages[0x1000] = nothing();
    h.put(0x1000, 64, 9);
    h.submit(blocking(0x1000, 0x5000, 64));
    h.settle();
    const auto asked = h.sent_of(TlpKind::PageRequest);
    REQUIRE(asked.size() == 1);
    const auto request = pcie::decode_page_request(asked[0].address);
    CHECK(request.address == 0x1000);
    CHECK(request.read);
    CHECK_FALSE(request.write);
    CHECK(request.last);
    CHECK(asked[0].pasid == Pasid{7});
    CHECK(h.record_at(0x9000).status == Status::Pending);
    h.pages.erase(0x1000);
    h.respond(request.group, PageAnswer::Success);
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.get(0x5000, 64) == h.get(0x1000, 64));
}

TEST_CASE("dsa page request: answers that give no page") {
    for (const auto& [code, status] :
         {std::pair{PageAnswer::Invalid, Status::PageRequestInvalid},
          std::pair{PageAnswer::Failure, Status::TranslationFailure}}) {
        Bench h(4);
        h.pages[0x5000] = page_entry(0x5000, true, false);
        h.submit(blocking(0x1000, 0x5000, 64));
        h.settle();
        h.respond(0, code);
        h.settle();
        const CompletionRecord r = h.record_at(0x9000);
        CHECK(r.status == status);
        CHECK(r.fault_write);
        CHECK(r.fault_address == 0x5000);
        // A failure of the platform is told beside the record.
        CHECK(h.swerr().valid == (code == PageAnswer::Failure));
    }
}

TEST_CASE("dsa page request: without its flag a descriptor does not block, but for its record") {
    Bench h(4);
    h.pages[0x1000] = nothing();
    h.run(memmove_of(0x1000, 0x5000, 64));
    CHECK(h.record_at(0x9000).status == Status::PageFault);
    CHECK(h.sent_of(TlpKind::PageRequest).empty());
    h.pages[0x9000] = nothing();
    h.invalidate(7, 0x9000);
    h.settle();
    h.submit(noop());
    h.settle();
    REQUIRE(h.sent_of(TlpKind::PageRequest).size() == 1);
    h.respond(0, PageAnswer::Invalid);
    h.settle();
    CHECK(h.swerr().error == static_cast<std::uint8_t>(Status::RecordPageFault));
}

TEST_CASE("dsa page request: entries of a batch block only if they say so") {
    Bench h(4);
    h.pages[0x1000] = nothing();
    h.put_list(0x20000, {memmove_of(0x1000, 0x5000, 64).record(0x9100),
                         blocking(0x1000, 0x6000, 64).record(0x9120)});
    h.submit(DescriptorBuilder(Opcode::Batch).from(0x20000).size(2));
    h.settle();
    CHECK(h.record_at(0x9100).status == Status::PageFault);
    CHECK(h.record_at(0x9120).status == Status::Pending);
    CHECK(h.sent_of(TlpKind::PageRequest).size() == 1);
}

TEST_CASE("dsa page request: a queue that must not ask faults, even of a record") {
    DsaHarness h(1);
    h.params.event_log = true;
    h.enable_ats();
    h.enable_pages(4);
    const auto where = encode(EventLogConfig{false, false, 0x80000, 64, 0});
    h.write(reg::kEvlcfg, where[0], 8);
    h.write(reg::kEvlcfg + 8, where[1], 8);
    h.write(reg::kGencfg, 1U << kGencfgEventLog);
    WqConfig c = DsaHarness::shared_wq(8, 8);
    c.prs_disable = true;
    h.configure(0, c);
    h.enable();
    h.pages[0x9000] = nothing();
    h.submit(noop());
    h.settle();
    CHECK(h.sent_of(TlpKind::PageRequest).empty());
    CHECK(get_bits(h.memory[0x80001], 7, 0) == 0x1A);
}

TEST_CASE("dsa page request: no more outstanding than there are credits") {
    Bench h(1);
    h.pages[0x1000] = h.pages[0x5000] = nothing();
    h.submit(blocking(0x1000, 0x5000, 64));
    h.settle();
    CHECK(h.sent_of(TlpKind::PageRequest).size() == 1);
    h.pages.clear();
    h.respond(0, PageAnswer::Success);
    h.settle();
    CHECK(h.sent_of(TlpKind::PageRequest).size() == 2);
    h.respond(1, PageAnswer::Success);
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa page request: a page that is promised for ever is given up") {
    Bench h(1);
    h.params.page_retries = 16;
    h.pages[0x1000] = nothing();
    h.submit(blocking(0x1000, 0x5000, 64));
    for (std::uint16_t i = 0; i < 16; ++i) {
        h.settle();
        h.respond(i, PageAnswer::Success);
    }
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::PageRequestInvalid);
}

TEST_CASE("dsa page request: one that nobody answers holds up a drain of its PASID only") {
    Bench h(4);
    h.pages[0x1000] = nothing();
    h.submit(blocking(0x1000, 0x5000, 64));
    h.settle();
    CHECK(h.command(Command::DrainPasid, 8) == CommandError::None);
    h.start_command(Command::DrainPasid, 7);
    h.settle();
    CHECK(h.command_active());
    h.respond(0, PageAnswer::Invalid);
    h.settle();
    CHECK_FALSE(h.command_active());
}

TEST_CASE("dsa page request: an abort does not wait for the answer, which is then nobody's") {
    Bench h(4);
    h.pages[0x1000] = nothing();
    h.submit(blocking(0x1000, 0x5000, 64));
    h.settle();
    CHECK(h.command(Command::AbortPasid, 7) == CommandError::None);
    CHECK(h.record_at(0x9000).status == Status::Pending);
    h.respond(0, PageAnswer::Success);
    h.settle();
    CHECK(h.log.count("dsa.complete") == 1);
    CHECK(h.sent_of(TlpKind::MemWrite).empty());
}
