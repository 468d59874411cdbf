// Translation requests and translated requests: what the completion says, which faults are what,
// flags, sizes, order (VT-d 4.1, 4.2, 7.1.3).
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"
#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::VtdBench;
using ioasim::test::VtdTables;
using pcie::CplStatus;
using pcie::Tlp;
using pcie::TlpKind;
using pcie::TranslationEntry;

namespace {

constexpr std::uint64_t kVa = 0x7F00'0000'0000;
constexpr std::uint64_t kGuestPage = 0x10'0000;
constexpr DomainId kDid{3};
constexpr std::uint64_t kWritable = fs::kAccessed | fs::kDirty;

VtdParams ats_params() {
    VtdParams params = vtd_param_table().defaults();
    params.device_tlb = true;
    params.no_write_flag = true;
    params.translated_with_pasid = true;
    return params;
}

struct AtsBench : VtdBench {
    explicit AtsBench(const VtdParams& params = ats_params()) : VtdBench(params) {}

    void start(const PasidEntry& e, bool dte = true) {
        entry = e;
        add_device(e);
        context.dte = dte;
        tables.set_context(kDevice, context);
        enable();
    }
    void map(std::uint64_t address, std::uint64_t page, std::uint64_t flags) {
        tables.store(tables.first_slot(entry.first_stage, address, 4, 1), page | flags);
    }
    // A first stage with one page of these flags.
    void start_first_stage(std::uint64_t flags) {
        entry = tables.first_stage(kDid.value());
        target = tables.page().value();
        map(kVa, target, flags);
        start(entry);
    }
    // The completion's status; its entries are in `entries`.
    CplStatus ask(std::uint64_t address = kVa, std::uint32_t wanted = 1, bool no_write = false,
                  std::optional<Pasid> pasid = kPasid, bool privileged = false) {
        Tlp tlp = pcie::translation_request(kDevice, pasid, address, wanted, no_write);
        tlp.privileged = privileged;
        return finish(tlp);
    }
    CplStatus finish(const Tlp& tlp) {
        to_fabric.clear();
        entries.clear();
        send(tlp);
        settle();
        if (to_fabric.empty()) {
            return CplStatus::Retry;  // no answer at all
        }
        const Tlp& completion = to_fabric.back();
        for (std::size_t i = 0; i * pcie::kAtsEntryBytes < completion.data.size(); ++i) {
            entries.push_back(pcie::decode_translation(pcie::load_quadword(completion.data, i)));
        }
        return completion.status;
    }
    // "R", "W", "U" and "N" as set, then the bits of the page.
    std::string first() const {
        if (entries.empty()) {
            return "none";
        }
        const TranslationEntry& e = entries.front();
        return std::string(e.read ? "R" : "") + (e.write ? "W" : "") +
               (e.untranslated_only ? "U" : "") + (e.no_snoop_cleared ? "N" : "") +
               std::to_string(e.page_bits);
    }
    bool any_record() { return frcd::kF.get(read(reg::kFrcd + 8)) != 0; }
    std::uint64_t recorded() { return any_record() ? frcd::kReason.get(read(reg::kFrcd + 8)) : 0; }
    Tlp translated(TlpKind kind, std::uint64_t address, bool with_pasid = false) {
        Tlp tlp = request(kind, address);
        tlp.at = pcie::AddressType::Translated;
        if (!with_pasid) {
            tlp.pasid.reset();
        }
        return tlp;
    }
    CplStatus read_translated(std::uint64_t address, bool with_pasid = false) {
        return finish(translated(TlpKind::MemRead, address, with_pasid));
    }

    PasidEntry entry;
    std::uint64_t target = 0;
    std::vector<TranslationEntry> entries;
};

std::uint64_t code(FaultReason reason) {
    return static_cast<std::uint64_t>(reason);
}

}  // namespace

TEST_CASE("vtd ats: a completion tells the page and both permissions") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true) | kWritable);
    CHECK(bench.ask() == CplStatus::Success);
    CHECK(bench.first() == "RW12");
    CHECK(bench.entries.front().address == bench.target);
    CHECK_FALSE(bench.entries.front().execute);
    CHECK_FALSE(bench.entries.front().global);
    CHECK_FALSE(bench.entries.front().privileged);
    CHECK(bench.last("vtd.translation_completion", "entries") == 1);
}

TEST_CASE("vtd ats: a missing permission is told, not recorded") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, false, true) | fs::kAccessed);
    CHECK(bench.ask() == CplStatus::Success);
    CHECK(bench.first() == "R12");
    CHECK_FALSE(bench.any_record());
}

TEST_CASE("vtd ats: under nested translation both stages must allow") {
    for (const bool second_stage_writes : {false, true}) {
        AtsBench bench;
        const PasidEntry e = bench.tables.nested(kDid.value());
        bench.tables.map_nested(e, kVa, kGuestPage);
        bench.tables.store(bench.tables.second_slot(e.second_stage, kGuestPage, 4, 1),
                           ss::leaf(VtdTables::host(kGuestPage), true, second_stage_writes));
        bench.start(e);
        CHECK(bench.ask() == CplStatus::Success);
        CHECK(bench.first() == (second_stage_writes ? "RW12" : "R12"));
        CHECK(bench.entries.front().address == VtdTables::host(kGuestPage).value());
    }
}

TEST_CASE("vtd ats: what is not mapped is a success without permissions, not recorded") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true));
    CHECK(bench.ask(kVa + kPageSize) == CplStatus::Success);
    REQUIRE(bench.entries.size() == 1);
    CHECK(encode(bench.entries.front()) == 0);
    CHECK_FALSE(bench.any_record());
    CHECK(bench.count("vtd.fault") == 0);
}

TEST_CASE("vtd ats: a request that may write sets dirty, one that may not does not") {
    for (const bool no_write : {false, true}) {
        AtsBench bench;
        bench.start_first_stage(fs::leaf(0, true, true));
        CHECK(bench.ask(kVa, 1, no_write) == CplStatus::Success);
        CHECK(bench.first() == (no_write ? "R12" : "RW12"));
        const std::uint64_t leaf =
            bench.tables.load(bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 1));
        CHECK((leaf & fs::kAccessed) != 0);
        CHECK(((leaf & fs::kDirty) != 0) == !no_write);
    }
}

TEST_CASE("vtd ats: a page that may not be written does not become dirty") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, false, true));
    CHECK(bench.ask() == CplStatus::Success);
    const std::uint64_t leaf =
        bench.tables.load(bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 1));
    CHECK((leaf & fs::kAccessed) != 0);
    CHECK((leaf & fs::kDirty) == 0);
}

TEST_CASE("vtd ats: without the capability the no-write flag says nothing") {
    VtdParams params = ats_params();
    params.no_write_flag = false;
    AtsBench bench{params};
    bench.start_first_stage(fs::leaf(0, true, true));
    CHECK(bench.ask(kVa, 1, true) == CplStatus::Success);
    CHECK(bench.first() == "RW12");
}

TEST_CASE("vtd ats: large pages are told by size") {
    for (const unsigned level : {2U, 3U}) {
        AtsBench bench;
        bench.entry = bench.tables.first_stage(kDid.value());
        bench.tables.map_first(bench.entry.first_stage, kVa, 0x40'0000'0000, false, 4, level);
        bench.start(bench.entry);
        CHECK(bench.ask(kVa + 0x5000) == CplStatus::Success);
        CHECK(bench.first() == (level == 2 ? "RW21" : "RW30"));
        CHECK(bench.entries.front().address == 0x40'0000'0000);
    }
}

TEST_CASE("vtd ats: entries follow while pages are mapped, of one size, in one line of the table") {
    AtsBench bench;
    bench.entry = bench.tables.first_stage(kDid.value());
    std::vector<std::uint64_t> targets;
    for (std::uint64_t i = 0; i < 10; ++i) {
        targets.push_back(bench.tables.page().value());
        if (i != 5) {
            bench.map(kVa + i * kPageSize, targets[i], fs::leaf(0, i != 2, true) | kWritable);
        }
    }
    bench.start(bench.entry);
    CHECK(bench.ask(kVa, 3) == CplStatus::Success);
    REQUIRE(bench.entries.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(bench.entries[i].address == targets[i]);
        CHECK(bench.entries[i].write == (i != 2));
    }
    CHECK(bench.ask(kVa + 3 * kPageSize, 8) == CplStatus::Success);
    CHECK(bench.entries.size() == 2);  // the next is not mapped
    CHECK(bench.ask(kVa + 6 * kPageSize, 8) == CplStatus::Success);
    CHECK(bench.entries.size() == 2);  // the line ends
    CHECK_FALSE(bench.any_record());
    CHECK(bench.to_fabric.back().address == kVa + 6 * kPageSize);
}

TEST_CASE("vtd ats: the number of entries is bounded by choice") {
    VtdParams params = ats_params();
    params.ats_translations = 2;
    AtsBench bench{params};
    bench.entry = bench.tables.first_stage(kDid.value());
    for (std::uint64_t i = 0; i < 8; ++i) {
        bench.map(kVa + i * kPageSize, bench.tables.page().value(), fs::leaf(0, true, true));
    }
    bench.start(bench.entry);
    CHECK(bench.ask(kVa, 8) == CplStatus::Success);
    CHECK(bench.entries.size() == 2);
}

TEST_CASE("vtd ats: an illegal length is malformed and never answered") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true));
    for (const std::uint32_t length : {0U, 4U, 12U, 72U}) {
        Tlp tlp = pcie::translation_request(VtdBench::kDevice, VtdBench::kPasid, kVa);
        tlp.length = length;
        CHECK(bench.finish(tlp) == CplStatus::Retry);
    }
    CHECK(bench.probes.hits(kMalformedRequest) == 4);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd ats: DTE = 0 refuses translation and translated requests") {
    AtsBench bench;
    bench.entry = bench.tables.first_stage(kDid.value());
    bench.start(bench.entry, false);
    CHECK(bench.ask() == CplStatus::UnsupportedRequest);
    CHECK(bench.recorded() == code(FaultReason::DeviceTlbDisabled));
    const std::uint64_t high = bench.read(reg::kFrcd + 8);
    CHECK(frcd::kAt.get(high) == 1);
    CHECK(bench.read_translated(0x9000) == CplStatus::UnsupportedRequest);
    CHECK(bench.count("vtd.fault") == 2);
}

TEST_CASE("vtd ats: what a plain request left in the IOTLB does not open the way without DTE") {
    AtsBench bench;
    bench.entry = bench.tables.first_stage(kDid.value());
    bench.map(kVa, bench.tables.page().value(), fs::leaf(0, true, true) | kWritable);
    bench.start(bench.entry, false);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(bench.ask() == CplStatus::UnsupportedRequest);
    CHECK(bench.recorded() == code(FaultReason::DeviceTlbDisabled));
}

TEST_CASE("vtd ats: with remapping off both are Unsupported Requests without a record") {
    AtsBench bench;
    CHECK(bench.ask(kVa, 1, false, std::nullopt) == CplStatus::UnsupportedRequest);
    CHECK(bench.read_translated(0x9000) == CplStatus::UnsupportedRequest);
    CHECK_FALSE(bench.any_record());
}

TEST_CASE("vtd ats: the outcome of a fault follows its reason") {
    SUBCASE("a reserved bit in the PASID entry is a Completer Abort, recorded") {
        AtsBench bench;
        PasidEntry e = bench.tables.first_stage(kDid.value());
        bench.start(e);
        const Hpa slot = bench.tables.pasid_slot(bench.context, VtdBench::kPasid);
        bench.tables.store(slot, bench.tables.load(slot) | 0x20U);
        CHECK(bench.ask() == CplStatus::Abort);
        CHECK(bench.recorded() == code(FaultReason::PasidEntryReserved));
    }
    SUBCASE("a PASID entry that is not present is no translation") {
        AtsBench bench;
        PasidEntry e = bench.tables.first_stage(kDid.value());
        e.present = false;
        bench.start(e);
        CHECK(bench.ask() == CplStatus::Success);
        CHECK(bench.first() == "12");
        CHECK_FALSE(bench.any_record());
    }
    SUBCASE("a context entry that is not present is an Unsupported Request") {
        AtsBench bench;
        bench.start(bench.tables.first_stage(kDid.value()));
        ContextEntry absent = bench.context;
        absent.present = false;
        bench.tables.set_context(VtdBench::kDevice, absent);
        CHECK(bench.ask() == CplStatus::UnsupportedRequest);
        CHECK(bench.recorded() == code(FaultReason::ContextNotPresent));
    }
    SUBCASE("a reserved bit in a second-stage entry is a Completer Abort") {
        AtsBench bench;
        const PasidEntry e = bench.tables.second_stage(kDid.value());
        bench.tables.map_second(e.second_stage, 0x5000, Hpa{std::uint64_t{1} << 50U});
        bench.start(e);
        CHECK(bench.ask(0x5000) == CplStatus::Abort);
        CHECK(bench.recorded() == code(FaultReason::SecondStageReserved));
    }
    SUBCASE("a page in the interrupt range is a Completer Abort") {
        AtsBench bench;
        const PasidEntry e = bench.tables.second_stage(kDid.value());
        bench.tables.map_second(e.second_stage, 0x5000, Hpa{pcie::kInterruptBase});
        bench.start(e);
        CHECK(bench.ask(0x5000) == CplStatus::Abort);
        CHECK(bench.recorded() == code(FaultReason::OutputIsInterrupt));
    }
    SUBCASE("FPD keeps an abort out of the records and nothing else") {
        AtsBench bench;
        PasidEntry e = bench.tables.second_stage(kDid.value());
        e.fpd = true;
        bench.tables.map_second(e.second_stage, 0x5000, Hpa{std::uint64_t{1} << 50U});
        bench.start(e);
        CHECK(bench.ask(0x5000) == CplStatus::Abort);
        CHECK_FALSE(bench.any_record());
    }
    SUBCASE("a failed flag update is no translation, and recorded") {
        AtsBench bench;
        bench.start_first_stage(fs::leaf(0, true, true));
        bench.send(pcie::translation_request(VtdBench::kDevice, VtdBench::kPasid, kVa));
        while (bench.to_memory.front().op != memory::MemOp::CompareSwap) {
            bench.answer();
            bench.run_timers();
        }
        memory::MemResponse failed;
        failed.op = memory::MemOp::CompareSwap;
        failed.status = memory::MemStatus::Poisoned;
        failed.tag = bench.to_memory.front().tag;
        bench.to_memory.pop_front();
        bench.unit().on_memory(bench.now(), failed);
        bench.settle();
        CHECK(bench.to_fabric.back().status == CplStatus::Success);
        CHECK(pcie::load_quadword(bench.to_fabric.back().data) == 0);
        CHECK(bench.recorded() == code(FaultReason::FirstStageUpdateFailed));
    }
}

TEST_CASE("vtd ats: a privileged request is told so, and gets nothing without SRE") {
    for (const bool supervisor : {false, true}) {
        AtsBench bench;
        bench.entry = bench.tables.first_stage(kDid.value());
        bench.entry.sre = supervisor;
        bench.map(kVa, bench.tables.page().value(), fs::leaf(0, true, false) | kWritable);
        bench.start(bench.entry);
        CHECK(bench.ask(kVa, 1, false, VtdBench::kPasid, true) == CplStatus::Success);
        CHECK(bench.first() == (supervisor ? "RW12" : "12"));
        CHECK(bench.entries.front().privileged);
        CHECK_FALSE(bench.any_record());
        // A user request sees nothing of a supervisor page.
        CHECK(bench.ask() == CplStatus::Success);
        CHECK(bench.first() == "12");
        CHECK_FALSE(bench.entries.front().privileged);
    }
}

TEST_CASE("vtd ats: the interrupt range without PASID goes untranslated") {
    AtsBench bench;
    bench.entry = bench.tables.second_stage(kDid.value());
    bench.start(bench.entry);
    const std::uint64_t address = pcie::kInterruptBase + 0x1000;
    CHECK(bench.ask(address, 1, false, std::nullopt) == CplStatus::Success);
    CHECK(bench.first() == "WU12");
    CHECK(bench.ask(address, 1, true, std::nullopt) == CplStatus::Success);
    CHECK(encode(bench.entries.front()) == 0);
    CHECK(bench.count("vtd.walk_read") == 0);
}

TEST_CASE("vtd ats: N is told when the page demands snooping, and plain accesses are snooped") {
    for (const bool forced : {false, true}) {
        AtsBench bench;
        const PasidEntry e = bench.tables.second_stage(kDid.value());
        bench.tables.map_second(e.second_stage, 0x5000, Hpa{0x9000});
        const Hpa slot = bench.tables.second_slot(e.second_stage, 0x5000, 4, 1);
        bench.tables.store(slot, bench.tables.load(slot) | (forced ? ss::kSnoop : 0));
        bench.start(e);
        CHECK(bench.ask(0x5000) == CplStatus::Success);
        CHECK(bench.first() == (forced ? "RWN12" : "RW12"));
        for (const bool no_snoop : {false, true}) {
            Tlp tlp = bench.request(TlpKind::MemRead, 0x5000);
            tlp.no_snoop = no_snoop;
            bench.send(tlp);
            CHECK(bench.to_memory.back().snooped == (!no_snoop || forced));
            bench.settle();
        }
    }
}

TEST_CASE("vtd ats: pass-through tells a page of the chosen size without the interrupt range") {
    for (const unsigned level : {1U, 2U, 3U}) {
        VtdParams params = ats_params();
        params.pass_through_level = level;
        AtsBench bench{params};
        bench.start(VtdTables::entry(TranslationType::PassThrough, 9));
        CHECK(bench.ask(0x1'2345'6000) == CplStatus::Success);
        CHECK(bench.first() == "RW" + std::to_string(level_shift(level)));
        CHECK(bench.entries.front().address == (0x1'2345'6000 & ~(level_page_bytes(level) - 1)));
        // The gigabyte below 4 GiB holds interrupts, its last 2 MiB but one too.
        CHECK(bench.ask(0xC000'0000) == CplStatus::Success);
        CHECK(bench.entries.front().page_bits <= 21);
        CHECK(bench.ask(0xFEF0'0000) == CplStatus::Success);
        CHECK(bench.first() == "RW12");
        // With PASID even the range itself is asked for like any address.
        CHECK(bench.ask(pcie::kInterruptBase) == CplStatus::Success);
        CHECK(bench.first() == "WU12");
    }
}

TEST_CASE("vtd ats: a request served by the IOTLB reads nothing") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true) | kWritable);
    CHECK(bench.ask() == CplStatus::Success);
    const std::size_t reads = bench.count("vtd.walk_read");
    CHECK(bench.ask() == CplStatus::Success);
    CHECK(bench.first() == "RW12");
    CHECK(bench.count("vtd.walk_read") == reads);
}

TEST_CASE("vtd ats: an entry that is not dirty does not serve one that may write") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true));
    CHECK(bench.ask(kVa, 1, true) == CplStatus::Success);
    CHECK(bench.ask() == CplStatus::Success);
    CHECK(bench.first() == "RW12");
    const std::uint64_t leaf =
        bench.tables.load(bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 1));
    CHECK((leaf & fs::kDirty) != 0);
}

TEST_CASE("vtd ats: translated requests go where they say, without page tables") {
    AtsBench bench;
    bench.start(bench.tables.first_stage(kDid.value()));
    const Hpa page = bench.tables.page();
    bench.tables.store(page, 0x1122334455667788);
    CHECK(bench.read_translated(page.value()) == CplStatus::Success);
    CHECK(bench.read_data() == 0x1122334455667788);
    CHECK(bench.count("vtd.walk_read") == 2);  // root and context entry
    CHECK(bench.read_translated(page.value()) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 2);
    bench.send(bench.translated(TlpKind::MemWrite, page.value()));
    bench.settle();
    CHECK(bench.tables.load(page) == 0xABABABABABABABAB);
}

TEST_CASE("vtd ats: translated requests have limits") {
    AtsBench bench;
    bench.start(bench.tables.first_stage(kDid.value()));
    SUBCASE("the host address width") {
        CHECK(bench.read_translated(std::uint64_t{1} << 46U) == CplStatus::UnsupportedRequest);
        CHECK(bench.recorded() == code(FaultReason::AboveHostWidth));
        CHECK(frcd::kAt.get(bench.read(reg::kFrcd + 8)) == 2);
    }
    SUBCASE("the interrupt range") {
        CHECK(bench.read_translated(pcie::kInterruptBase) == CplStatus::UnsupportedRequest);
        CHECK(bench.recorded() == code(FaultReason::OutputIsInterrupt));
    }
    SUBCASE("a PASID only with EPTR") {
        CHECK(bench.read_translated(0x9000, true) == CplStatus::UnsupportedRequest);
        CHECK(bench.recorded() == code(FaultReason::TranslatedWithPasid));
    }
    SUBCASE("EPTR lets a PASID pass") {
        ContextEntry e = bench.context;
        e.eptr = true;
        bench.tables.set_context(VtdBench::kDevice, e);
        CHECK(bench.read_translated(0x9000, true) == CplStatus::Success);
    }
}

TEST_CASE("vtd ats: a blocked translated write vanishes and what follows keeps its order") {
    AtsBench bench;
    bench.start_first_stage(fs::leaf(0, true, true) | kWritable);
    bench.send(bench.translated(TlpKind::MemWrite, pcie::kInterruptBase));
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    bench.settle();
    CHECK(bench.tables.load(Hpa{bench.target}) == 0xABABABABABABABAB);
    CHECK(bench.count("vtd.fault") == 1);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd ats: a wait drains translation requests that are older than the invalidation") {
    const auto done_before_answer = [](bool defect) {
        AtsBench bench;
        bench.start_first_stage(fs::leaf(0, true, true) | kWritable);
        if (defect) {
            bench.probes.enable(kTranslationNotDrained);
        }
        bench.send(pcie::translation_request(VtdBench::kDevice, VtdBench::kPasid, kVa));
        const memory::MemRequest held = bench.to_memory.front();
        bench.to_memory.pop_front();
        bench.invalidate(
            {pasid_iotlb_invalidate(PasidIotlbGranularity::Pasid, kDid, VtdBench::kPasid)});
        const bool done = bench.wait_is_done();
        bench.to_memory.push_front(held);
        bench.settle();
        CHECK(bench.to_fabric.back().status == CplStatus::Success);
        CHECK(bench.wait_is_done());
        return done;
    };
    CHECK_FALSE(done_before_answer(false));
    CHECK(done_before_answer(true));
}

TEST_CASE("vtd ats: defects are seen") {
    SUBCASE("translated requests without DTE") {
        AtsBench bench;
        bench.probes.enable(kTranslatedWithoutDte);
        bench.start(bench.tables.first_stage(kDid.value()), false);
        CHECK(bench.read_translated(0x9000) == CplStatus::Success);
    }
    SUBCASE("write permission that is not there") {
        AtsBench bench;
        bench.probes.enable(kTranslationGrantsWrite);
        bench.start_first_stage(fs::leaf(0, false, true));
        bench.ask();
        CHECK(bench.first() == "RW12");
    }
    SUBCASE("no dirty flag") {
        AtsBench bench;
        bench.probes.enable(kTranslationSkipsDirty);
        bench.start_first_stage(fs::leaf(0, true, true));
        bench.ask();
        const Hpa slot = bench.tables.first_slot(bench.entry.first_stage, kVa, 4, 1);
        CHECK((bench.tables.load(slot) & fs::kDirty) == 0);
    }
    SUBCASE("no snooping") {
        AtsBench bench;
        bench.probes.enable(kSnoopNotForced);
        PasidEntry e = VtdTables::entry(TranslationType::PassThrough, 9);
        e.pgsnp = true;
        bench.start(e);
        Tlp tlp = bench.request(TlpKind::MemRead, 0x5000);
        tlp.no_snoop = true;
        bench.send(tlp);
        while (!bench.to_memory.back().origin) {
            bench.answer();
            bench.run_timers();
        }
        CHECK_FALSE(bench.to_memory.back().snooped);
    }
}
