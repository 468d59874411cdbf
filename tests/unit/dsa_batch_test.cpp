// Batches: the list, entries that run together, fences, failures, faults of the list.
#include <doctest/doctest.h>

#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;
using pcie::CplStatus;

namespace {

constexpr std::uint64_t kList = 0x20000;

DescriptorBuilder batch_of(std::uint32_t count, std::uint64_t list = kList) {
    return DescriptorBuilder(Opcode::Batch).from(list).size(count);
}
DescriptorBuilder entry(std::uint64_t from, std::uint64_t to, std::uint32_t size, unsigned index) {
    return memmove_of(from, to, size).record(0x9100 + 32 * index);
}

struct Bench : DsaHarness {
    Bench() { bring_up(); }
    CompletionRecord run(const DescriptorBuilder& d) {
        REQUIRE(submit(d) == CplStatus::Success);
        settle();
        return record_at(0x9000);
    }
    Status entry_status(unsigned index) { return record_at(0x9100 + 32 * index).status; }
};

}  // namespace

TEST_CASE("dsa batch: all entries are done, each with its record, before the batch's") {
    Bench h;
    h.put(0x1000, 4096, 1);
    std::vector<DescriptorBuilder> list;
    for (unsigned i = 0; i < 20; ++i) {
        list.push_back(entry(0x1000 + 64 * i, 0x5000 + 64 * i, 64, i));
    }
    h.put_list(kList, list);
    const CompletionRecord record = h.run(batch_of(20));
    CHECK(record.status == Status::Success);
    CHECK(record.bytes_completed == 20);
    CHECK(h.get(0x5000, 20 * 64) == h.get(0x1000, 20 * 64));
    for (unsigned i = 0; i < 20; ++i) {
        CHECK(h.entry_status(i) == Status::Success);
    }
    CHECK(h.sent.back().address == 0x9000);
    CHECK(h.log.count("dsa.batch_entry") == 20);
    CHECK(h.log.count("dsa.complete") == 1);
}

TEST_CASE("dsa batch: entries carry PASID and privilege of the batch, whatever they say") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 64, 0).pasid(99), entry(0x1000, 0x6000, 64, 1)});
    h.run(batch_of(2).pasid(7));
    for (const pcie::Tlp& tlp : h.sent) {
        CHECK(tlp.pasid == Pasid{7});
    }
}

TEST_CASE("dsa batch: a single entry, too many, and a misaligned list are refused") {
    Bench h;
    CHECK(h.run(batch_of(1)).status == Status::InvalidCount);
    CHECK(h.run(batch_of(33)).status == Status::InvalidCount);  // WQCFG says 2^5
    CHECK(h.run(batch_of(2, kList + 32)).status == Status::BatchMisaligned);
    CHECK(h.sent.size() == 3);  // records only
}

TEST_CASE("dsa batch: an entry that fails gives status 5; the others run") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 0, 0), entry(0x1000, 0x6000, 64, 1)});
    const CompletionRecord record = h.run(batch_of(2));
    CHECK(record.status == Status::BatchMemberFailed);
    CHECK(record.bytes_completed == 2);
    CHECK(h.entry_status(0) == Status::InvalidSize);
    CHECK(h.entry_status(1) == Status::Success);
}

TEST_CASE("dsa batch: neither batches nor drains may be entries") {
    Bench h;
    h.put_list(kList,
               {batch_of(2).record(0x9100), DescriptorBuilder(Opcode::Drain).record(0x9120)});
    CHECK(h.run(batch_of(2)).status == Status::BatchMemberFailed);
    CHECK(h.entry_status(0) == Status::UnsupportedOpcode);
    CHECK(h.entry_status(1) == Status::UnsupportedOpcode);
}

TEST_CASE("dsa fence: an entry behind it reads what the entries before it wrote") {
    Bench h;
    h.put(0x1000, 4096, 1);
    h.put_list(kList,
               {entry(0x1000, 0x5000, 4096, 0), entry(0x5FC0, 0x6000, 64, 1).flags(flag::kFence)});
    CHECK(h.run(batch_of(2)).status == Status::Success);
    CHECK(h.get(0x6000, 64) == h.get(0x1FC0, 64));
}

TEST_CASE("dsa fence: after a failure it and everything behind it is skipped") {
    Bench h;
    h.put_list(kList,
               {entry(0x1000, 0x5000, 0, 0), entry(0x1000, 0x5000, 64, 1),
                entry(0x1000, 0x6000, 64, 2).flags(flag::kFence), entry(0x1000, 0x7000, 64, 3)});
    const CompletionRecord record = h.run(batch_of(4));
    CHECK(record.status == Status::BatchMemberFailed);
    CHECK(record.bytes_completed == 2);
    CHECK(h.entry_status(1) == Status::Success);
    CHECK(h.entry_status(2) == Status::Pending);
    CHECK(h.entry_status(3) == Status::Pending);
}

TEST_CASE("dsa fence: outside a batch it is an invalid flag") {
    Bench h;
    CHECK(h.run(noop().flags(flag::kFence)).status == Status::InvalidFlags);
}

TEST_CASE("dsa batch: a list that cannot be read on its second page ends with what was known") {
    Bench h;
    const std::uint64_t list = kList + 0x1000 - 128;  // two entries on the first page
    h.put_list(list, {entry(0x1000, 0x5000, 64, 0), entry(0x1000, 0x6000, 64, 1),
                      entry(0x1000, 0x7000, 64, 2)});
    h.block_page(kList + 0x1000);
    const CompletionRecord record = h.run(batch_of(3, list));
    CHECK(record.status == Status::HardwareError);
    CHECK(record.fault_address == kList + 0x1000);
    CHECK(record.bytes_completed == 2);
    CHECK(h.entry_status(1) == Status::Success);
}

TEST_CASE("dsa batch: a poisoned list is a bad completion; no entry begins") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 64, 0), entry(0x1000, 0x6000, 64, 1)});
    h.poisoned_pages.insert(kList / kPageSize);
    CHECK(h.run(batch_of(2)).status == Status::HardwareError);
    CHECK(h.log.count("dsa.batch_entry") == 0);
}

TEST_CASE("dsa batch: a list that is never answered ends the batch after the completion timeout") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 64, 0), entry(0x1000, 0x6000, 64, 1)});
    h.hold_reads();
    h.submit(batch_of(2));
    h.run_until(DsaHarness::now() + h.params.completion_timeout + 1_us);
    CHECK(h.record_at(0x9000).status == Status::HardwareError);
    h.release_reads();  // late: belongs to nobody
    CHECK(h.run(batch_of(2)).status == Status::Success);
    CHECK(h.log.count("dsa.batch_entry") == 2);
}

TEST_CASE("dsa batch: its list waits while the link waits for credits") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 64, 0), entry(0x1000, 0x6000, 64, 1)});
    h.writes_held = true;
    h.submit(batch_of(2));
    h.settle();
    CHECK(h.sent.empty());
    h.writes_held = false;
    h.core().way_out_free(DsaHarness::now());
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa batch: an entry's error without a record names its place in SWERR") {
    Bench h;
    h.put_list(kList, {noop().record(0x9100), noop().record(0x9108)});
    CHECK(h.run(batch_of(2)).result == 1);
    const SoftwareError error = decode_swerr(
        {h.read(reg::kSwerr, 8), h.read(reg::kSwerr + 8, 8), h.read(reg::kSwerr + 16, 8), 0});
    CHECK(error.batch);
    CHECK(error.batch_index == 1);
    CHECK(error.error == static_cast<std::uint8_t>(Status::RecordMisaligned));
}

TEST_CASE(
    "dsa batch: that a member failed is told by a record if one was asked for, else nowhere") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 0, 0), entry(0x1000, 0x6000, 64, 1)});
    h.submit(batch_of(2).no_record().flags(flag::kRecordAddressValid));
    h.settle();
    h.submit(batch_of(2).no_record().record(0));
    h.settle();
    CHECK(h.entry_status(0) == Status::InvalidSize);
    CHECK(h.record_at(0x9000).status == Status::Pending);
    CHECK((h.read(reg::kSwerr) & kSwerrValid) == 0);
    const auto ends = h.log.of("dsa.complete");
    REQUIRE(ends.size() == 2);
    CHECK(h.log.text(ends[1], "how") == "none");
}

TEST_CASE("dsa batch: an abort ends entries and batch without records") {
    Bench h;
    h.put_list(kList, {entry(0x1000, 0x5000, 64, 0), entry(0x1000, 0x6000, 64, 1)});
    h.submit(batch_of(2));
    h.run_until(h.now() + 400_ns);
    h.hold_reads();
    CHECK(h.command_active() == false);
    h.start_command(Command::AbortPasid, 7);
    h.release_reads();
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Pending);
    CHECK(h.log.count("dsa.complete") == 1);
    CHECK_FALSE(h.core().busy());
}

TEST_CASE("dsa batch: a drain command waits for all entries") {
    Bench h;
    std::vector<DescriptorBuilder> list;
    for (unsigned i = 0; i < 16; ++i) {
        list.push_back(entry(0x1000, 0x5000 + 64 * i, 64, i));
    }
    h.put_list(kList, list);
    h.submit(batch_of(16));
    CHECK(h.command(Command::DrainPasid, 7) == CommandError::None);
    CHECK(h.record_at(0x9000).status == Status::Success);
}

TEST_CASE("dsa batch: drains that fill all slots do not keep a batch's entries out") {
    DsaHarness h(2, 1);
    h.params.engine_depth = 2;
    h.bring_up();
    h.put_list(kList, {noop().record(0x9100), noop().record(0x9120), noop().record(0x9140)});
    h.submit(batch_of(3));
    for (unsigned i = 0; i < 4; ++i) {
        h.submit(DescriptorBuilder(Opcode::Drain).record(0x9200 + 32 * i));
    }
    h.settle();
    CHECK(h.record_at(0x9000).status == Status::Success);
    CHECK(h.record_at(0x9260).status == Status::Success);
}

TEST_CASE("dsa batch: descriptors of a workqueue take turns with entries") {
    Bench h;
    std::vector<DescriptorBuilder> list;
    for (unsigned i = 0; i < 16; ++i) {
        list.push_back(noop().record(0x9100 + 32 * i));
    }
    h.put_list(kList, list);
    h.submit(batch_of(16));
    for (unsigned i = 0; i < 3; ++i) {
        h.submit(noop().record(0x9800 + 32 * i), 1);
    }
    h.settle();
    const auto ends = h.log.of("dsa.complete");
    REQUIRE(ends.size() == 4);
    CHECK(EventLog::number(ends.back(), "descriptor") == 1);  // the batch is last
}
