// Walks over tables in memory: how many reads, which page, which fault.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <string>

#include "models/vtd/vtd_page_walk.hpp"
#include "tests/support/vtd_tables.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::VtdTables;

namespace {

constexpr std::uint64_t kVa = 0x7F00'1234'5678;
constexpr std::uint64_t kPage = 0x7F00'1234'5000;
constexpr std::uint64_t kGuestPage = 0x10'0000;
constexpr Hpa kTarget{0x1'0000'0000};

struct WalkResult {
    FaultReason reason = FaultReason::None;
    Translation translation;
    unsigned reads = 0;
    unsigned updates = 0;
    std::map<std::string, unsigned> reads_of;
};

struct WalkBench {
    VtdTables tables;
    VtdParams params = vtd_param_table().defaults();
    // Called before each answer; may change memory.
    std::function<void(const WalkAction&)> before_answer;
    // Reads of these entries fail.
    Hpa missing{~std::uint64_t{0}};

    WalkResult run(const PasidEntry& entry, PageAccess access) {
        const Capabilities caps = make_capabilities(params);
        PageWalk walk(caps, entry, Pasid{5}, access);
        WalkResult result;
        WalkAction action = walk.start();
        while (action.kind != WalkAction::Kind::Done) {
            if (before_answer) {
                before_answer(action);
            }
            const bool ok = action.address != missing;
            const std::uint64_t value = ok ? tables.load(action.address) : 0;
            if (action.kind == WalkAction::Kind::Read) {
                ++result.reads;
                ++result.reads_of[walk_table_name(action.table)];
                action = walk.on_read(value, ok);
            } else {
                ++result.updates;
                if (ok && value == action.expected) {
                    tables.store(action.address, action.desired);
                }
                action = walk.on_update(value, ok);
            }
        }
        result.reason = walk.reason();
        result.translation = walk.translation();
        return result;
    }
    WalkResult read(const PasidEntry& entry, std::uint64_t address = kVa) {
        return run(entry, {address, false, false, false});
    }
    WalkResult write(const PasidEntry& entry, std::uint64_t address = kVa) {
        return run(entry, {address, true, false, false});
    }
};

unsigned nested_reads(unsigned fs_levels, unsigned ss_levels) {
    WalkBench bench;
    const PasidEntry e = bench.tables.nested(7, fs_levels, ss_levels);
    bench.tables.map_nested(e, kPage, kGuestPage);
    const WalkResult result = bench.read(e);
    CHECK(result.reason == FaultReason::None);
    CHECK(result.translation.at(kVa) == VtdTables::host(kGuestPage) + 0x678);
    CHECK(result.updates == 0);
    return result.reads;
}

}  // namespace

TEST_CASE("vtd page walk: a first-stage walk reads one entry a level") {
    WalkBench bench;
    const PasidEntry four = bench.tables.first_stage(1, 4);
    bench.tables.map_first(four.first_stage, kPage, kTarget.value());
    const PasidEntry five = bench.tables.first_stage(1, 5);
    bench.tables.map_first(five.first_stage, kPage, kTarget.value(), false, 5);
    CHECK(bench.read(four).reads == 4);
    CHECK(bench.read(five).reads == 5);
    CHECK(bench.read(four).translation.at(kVa) == kTarget + 0x678);
}

TEST_CASE("vtd page walk: a second-stage walk reads one entry a level") {
    WalkBench bench;
    const PasidEntry four = bench.tables.second_stage(2, 4);
    bench.tables.map_second(four.second_stage, kPage, kTarget);
    const PasidEntry five = bench.tables.second_stage(2, 5);
    bench.tables.map_second(five.second_stage, kPage, kTarget, 5);
    CHECK(bench.read(four).reads == 4);
    CHECK(bench.read(five).reads == 5);
    CHECK(bench.read(five).translation.at(kVa) == kTarget + 0x678);
}

TEST_CASE("vtd page walk: a nested walk of f and s levels makes f * (s + 1) + s reads") {
    CHECK(nested_reads(4, 4) == 24);
    CHECK(nested_reads(4, 5) == 29);
    CHECK(nested_reads(5, 4) == 29);
    CHECK(nested_reads(5, 5) == 35);
}

TEST_CASE("vtd page walk: the 24 reads of a nested walk fall on the expected levels") {
    WalkBench bench;
    const PasidEntry e = bench.tables.nested(7);
    bench.tables.map_nested(e, kPage, kGuestPage);
    const WalkResult result = bench.read(e);
    for (const char* table : {"fs1", "fs2", "fs3", "fs4"}) {
        CHECK(result.reads_of.at(table) == 1);
    }
    for (const char* table : {"ss1", "ss2", "ss3", "ss4"}) {
        CHECK(result.reads_of.at(table) == 5);
    }
}

TEST_CASE("vtd page walk: large leaves end the walk early and map their whole range") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    bench.tables.map_first(e.first_stage, 0x4000'0000, 0x8000'0000, false, 4, 3);
    bench.tables.map_first(e.first_stage, 0x20'0000, 0x1C00'0000, false, 4, 2);
    const WalkResult giga = bench.read(e, 0x4123'4567);
    CHECK(giga.reads == 2);
    CHECK(giga.translation.level == 3);
    CHECK(giga.translation.at(0x4123'4567) == Hpa{0x8123'4567});
    const WalkResult mega = bench.read(e, 0x2A'BCDE);
    CHECK(mega.reads == 3);
    CHECK(mega.translation.level == 2);
    CHECK(mega.translation.at(0x2A'BCDE) == Hpa{0x1C0A'BCDE});
}

TEST_CASE("vtd page walk: a nested page is as large as the smaller of the two") {
    WalkBench bench;
    PasidEntry e = bench.tables.nested(7);
    bench.tables.map_nested(e, kPage, kGuestPage);
    // A 2-MiB first-stage leaf over 4-KiB second-stage pages.
    bench.tables.store(bench.tables.first_slot(e.first_stage, kPage, 4, 2, true),
                       fs::leaf(0, true, true, 2) | fs::kAccessed | fs::kDirty);
    bench.tables.map_second(e.second_stage, kPage & 0x1F'F000, kTarget);
    const WalkResult result = bench.read(e);
    CHECK(result.reason == FaultReason::None);
    CHECK(result.translation.level == 1);
    CHECK(result.translation.at(kVa) == kTarget + 0x678);
}

TEST_CASE("vtd page walk: pass-through returns the address and checks the host width") {
    WalkBench bench;
    const PasidEntry e = VtdTables::entry(TranslationType::PassThrough, 1);
    CHECK(bench.write(e, 0x1234'5678).translation.at(0x1234'5678) == Hpa{0x1234'5678});
    CHECK(bench.write(e, std::uint64_t{1} << 46U).reason == FaultReason::AboveHostWidth);
}

TEST_CASE("vtd page walk: first-stage faults name what is wrong") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    bench.tables.map_first(e.first_stage, kPage, kTarget.value());
    const Hpa leaf = bench.tables.first_slot(e.first_stage, kPage, 4, 1);
    const Hpa top = bench.tables.first_slot(e.first_stage, kPage, 4, 4);
    const std::uint64_t good = bench.tables.load(leaf);

    CHECK(bench.read(e, kVa + kPageSize).reason == FaultReason::FirstStageNotPresent);
    CHECK(bench.read(e, std::uint64_t{1} << 47U).reason == FaultReason::NotCanonical);

    bench.tables.store(leaf, good & ~fs::kUser);
    CHECK(bench.read(e).reason == FaultReason::UserAccess);
    bench.tables.store(leaf, good & ~fs::kWrite);
    CHECK(bench.write(e).reason == FaultReason::NoWrite);
    CHECK(bench.read(e).reason == FaultReason::None);
    bench.tables.store(leaf, good | (std::uint64_t{1} << 46U));
    CHECK(bench.read(e).reason == FaultReason::FirstStageReserved);
    bench.tables.store(leaf, good);

    bench.tables.store(top, bench.tables.load(top) | fs::kPageSize);
    CHECK(bench.read(e).reason == FaultReason::FirstStageReserved);
    bench.missing = top;
    CHECK(bench.read(e).reason == FaultReason::FirstStageRootAccess);
    bench.tables.store(top, bench.tables.load(top) & ~fs::kPageSize);
    bench.missing = leaf;
    CHECK(bench.read(e).reason == FaultReason::FirstStageAccess);
}

TEST_CASE("vtd page walk: the write right must hold at every first-stage level") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    bench.tables.map_first(e.first_stage, kPage, kTarget.value());
    const Hpa upper = bench.tables.first_slot(e.first_stage, kPage, 4, 3);
    bench.tables.store(upper, bench.tables.load(upper) & ~fs::kWrite);
    CHECK(bench.write(e).reason == FaultReason::NoWrite);
    CHECK_FALSE(bench.read(e).translation.write);
}

TEST_CASE("vtd page walk: supervisor requests ignore the user flag, and R/W unless WPE") {
    WalkBench bench;
    PasidEntry e = bench.tables.first_stage(1);
    e.sre = true;
    bench.tables.store(bench.tables.first_slot(e.first_stage, kPage, 4, 1),
                       fs::leaf(kTarget.value(), false, false) | fs::kAccessed | fs::kDirty);
    CHECK(bench.run(e, {kVa, true, false, true}).reason == FaultReason::None);
    e.wpe = true;
    CHECK(bench.run(e, {kVa, true, false, true}).reason == FaultReason::NoWrite);
    CHECK(bench.run(e, {kVa, false, false, true}).reason == FaultReason::None);
}

TEST_CASE("vtd page walk: second-stage faults name what is wrong") {
    WalkBench bench;
    const PasidEntry e = bench.tables.second_stage(2);
    bench.tables.map_second(e.second_stage, kPage, kTarget);
    const Hpa leaf = bench.tables.second_slot(e.second_stage, kPage, 4, 1);
    const Hpa top = bench.tables.second_slot(e.second_stage, kPage, 4, 4);

    CHECK(bench.read(e, kVa + kPageSize).reason == FaultReason::SecondStageNotPresent);
    CHECK(bench.read(e, std::uint64_t{1} << 48U).reason == FaultReason::AboveGuestWidth);
    bench.tables.store(leaf, ss::leaf(kTarget, true, false));
    CHECK(bench.write(e).reason == FaultReason::NoWrite);
    bench.tables.store(leaf, ss::leaf(kTarget, false, true));
    CHECK(bench.read(e).reason == FaultReason::NoRead);
    CHECK(bench.run(e, {kVa, false, true, false}).reason == FaultReason::None);
    bench.tables.store(leaf, ss::leaf(kTarget, true, true) | (std::uint64_t{1} << 46U));
    CHECK(bench.read(e).reason == FaultReason::SecondStageReserved);
    // Bit 62 is reserved, its neighbours are ignored.
    bench.tables.store(leaf, ss::leaf(kTarget, true, true) | (std::uint64_t{1} << 62U));
    CHECK(bench.read(e).reason == FaultReason::SecondStageReserved);
    bench.tables.store(leaf, ss::leaf(kTarget, true, true) | (std::uint64_t{5} << 61U));
    CHECK(bench.read(e).reason == FaultReason::None);
    bench.tables.store(leaf, ss::leaf(kTarget, false, true));
    bench.tables.store(top, bench.tables.load(top) & ~ss::kWrite);
    CHECK(bench.write(e).reason == FaultReason::SecondStageNotPresent);
    bench.missing = top;
    CHECK(bench.read(e).reason == FaultReason::SecondStageRootAccess);
}

TEST_CASE("vtd page walk: nested faults tell table reads from the final page") {
    WalkBench bench;
    const PasidEntry e = bench.tables.nested(7);
    bench.tables.map_nested(e, kPage, kGuestPage);
    const Hpa root_map = bench.tables.second_slot(e.second_stage, e.first_stage, 4, 1);
    const Hpa pdp = bench.tables.first_slot(e.first_stage, kPage, 4, 4, true);
    const std::uint64_t lower = bench.tables.load(pdp) & kPageTableAddress;
    const Hpa lower_map = bench.tables.second_slot(e.second_stage, lower, 4, 1);
    const Hpa final_map = bench.tables.second_slot(e.second_stage, kGuestPage, 4, 1);

    const std::uint64_t final_good = bench.tables.load(final_map);
    bench.tables.store(final_map, final_good & ~ss::kWrite);
    CHECK(bench.write(e).reason == FaultReason::NoWrite);
    bench.tables.store(final_map, 0);
    CHECK(bench.read(e).reason == FaultReason::SecondStageNotPresent);
    bench.tables.store(final_map, final_good);

    bench.tables.store(lower_map, bench.tables.load(lower_map) & ~ss::kRead);
    CHECK(bench.read(e).reason == FaultReason::FirstStageNoRead);
    bench.tables.store(root_map, bench.tables.load(root_map) & ~ss::kRead);
    CHECK(bench.read(e).reason == FaultReason::FirstStageRootNoRead);
}

TEST_CASE("vtd page walk: a guest table address beyond the guest width is SFS.5") {
    WalkBench bench;
    bench.params.guest_address_width = 40;
    const PasidEntry e = bench.tables.nested(7);
    bench.tables.map_nested(e, kPage, kGuestPage);
    const Hpa top = bench.tables.first_slot(e.first_stage, kPage, 4, 4, true);
    bench.tables.store(top, bench.tables.load(top) | (std::uint64_t{1} << 41U));
    CHECK(bench.read(e).reason == FaultReason::FirstStageTooWide);
}

TEST_CASE("vtd page walk: accessed flags are set on the way, dirty by a write only") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    bench.tables.map_first(e.first_stage, kPage, kTarget.value());
    const Hpa leaf = bench.tables.first_slot(e.first_stage, kPage, 4, 1);
    const Hpa upper = bench.tables.first_slot(e.first_stage, kPage, 4, 2);
    bench.tables.store(leaf, fs::leaf(kTarget.value(), true, true));
    bench.tables.store(upper, bench.tables.load(upper) & ~fs::kAccessed);

    const WalkResult read = bench.read(e);
    CHECK(read.updates == 2);
    CHECK_FALSE(read.translation.dirty);
    CHECK((bench.tables.load(leaf) & (fs::kAccessed | fs::kDirty)) == fs::kAccessed);
    CHECK((bench.tables.load(upper) & fs::kAccessed) != 0);

    const WalkResult write = bench.write(e);
    CHECK(write.updates == 1);
    CHECK(write.translation.dirty);
    CHECK((bench.tables.load(leaf) & fs::kDirty) != 0);
    CHECK(bench.write(e).updates == 0);
}

TEST_CASE("vtd page walk: a refused write leaves the leaf unmarked") {
    WalkBench bench;
    const PasidEntry e = bench.tables.nested(7);
    bench.tables.map_nested(e, kPage, kGuestPage);
    const Hpa leaf = bench.tables.first_slot(e.first_stage, kPage, 4, 1, true);
    const Hpa final_map = bench.tables.second_slot(e.second_stage, kGuestPage, 4, 1);
    bench.tables.store(leaf, fs::leaf(kGuestPage, true, true) | fs::kAccessed);
    bench.tables.store(final_map, bench.tables.load(final_map) & ~ss::kWrite);
    CHECK(bench.write(e).reason == FaultReason::NoWrite);
    CHECK((bench.tables.load(leaf) & fs::kDirty) == 0);
}

TEST_CASE("vtd page walk: flags need a snooped walk and a writable table page") {
    WalkBench bench;
    PasidEntry e = bench.tables.first_stage(1);
    bench.tables.store(bench.tables.first_slot(e.first_stage, kPage, 4, 1),
                       fs::leaf(kTarget.value(), true, true));
    e.pwsnp = false;
    CHECK(bench.read(e).reason == FaultReason::FirstStageNoSnoop);

    PasidEntry n = bench.tables.nested(7);
    bench.tables.map_nested(n, kPage, kGuestPage);
    const Hpa leaf = bench.tables.first_slot(n.first_stage, kPage, 4, 1, true);
    bench.tables.store(leaf, fs::leaf(kGuestPage, true, true));
    const std::uint64_t table = VtdTables::guest(Hpa{leaf.value() & ~std::uint64_t{0xFFF}});
    const Hpa table_map = bench.tables.second_slot(n.second_stage, table, 4, 1);
    bench.tables.store(table_map, bench.tables.load(table_map) & ~ss::kWrite);
    CHECK(bench.read(n).reason == FaultReason::FirstStageNoUpdate);
}

TEST_CASE("vtd page walk: SSADE marks second-stage entries, and first-stage tables as written") {
    WalkBench bench;
    PasidEntry e = bench.tables.nested(7);
    e.ssade = true;
    bench.tables.map_nested(e, kPage, kGuestPage);
    const Hpa final_map = bench.tables.second_slot(e.second_stage, kGuestPage, 4, 1);
    const Hpa root_map = bench.tables.second_slot(e.second_stage, e.first_stage, 4, 1);
    const WalkResult read = bench.read(e);
    CHECK(read.reason == FaultReason::None);
    CHECK_FALSE(read.translation.dirty);
    CHECK((bench.tables.load(final_map) & (ss::kAccessed | ss::kDirty)) == ss::kAccessed);
    CHECK((bench.tables.load(root_map) & ss::kDirty) != 0);
    CHECK(bench.write(e).translation.dirty);
    CHECK((bench.tables.load(final_map) & ss::kDirty) != 0);
}

TEST_CASE("vtd page walk: an entry that changes before its update is read again") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    const Hpa leaf = bench.tables.first_slot(e.first_stage, kPage, 4, 1);
    bench.tables.store(leaf, fs::leaf(kTarget.value(), true, true));
    bool changed = false;
    bench.before_answer = [&](const WalkAction& action) {
        if (action.kind == WalkAction::Kind::Update && !changed) {
            changed = true;
            bench.tables.store(leaf, 0);
        }
    };
    CHECK(bench.write(e).reason == FaultReason::FirstStageNotPresent);
    CHECK(bench.tables.load(leaf) == 0);
}

TEST_CASE("vtd page walk: an entry that never holds still ends as a failed update") {
    WalkBench bench;
    const PasidEntry e = bench.tables.first_stage(1);
    const Hpa leaf = bench.tables.first_slot(e.first_stage, kPage, 4, 1);
    std::uint64_t page = kTarget.value();
    bench.tables.store(leaf, fs::leaf(page, true, true));
    bench.before_answer = [&](const WalkAction& action) {
        if (action.kind == WalkAction::Kind::Update) {
            page += kPageSize;
            bench.tables.store(leaf, fs::leaf(page, true, true));
        }
    };
    CHECK(bench.read(e).reason == FaultReason::FirstStageUpdateFailed);
}
