// Every fault reason of the specification: each that the model has is raised by a request and read
// from a fault record; each that it lacks says why.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <string>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::VtdBench;
using ioasim::test::VtdTables;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = 0x7F00'0000'0000;
constexpr std::uint64_t kGuestPage = 0x10'0000;
constexpr Hpa kOutside{std::uint64_t{20} << 30U};  // beyond the bench's memory
constexpr std::uint64_t kTooHigh = std::uint64_t{1} << 46U;

VtdParams full_params() {
    VtdParams params = vtd_param_table().defaults();
    params.second_stage_3_levels = params.device_tlb = true;
    return params;
}

// One device whose tables are broken on purpose before its one request.
struct FaultBench : VtdBench {
    explicit FaultBench(const VtdParams& params = full_params()) : VtdBench(params) {}

    FaultBench& first(bool user = true) {
        entry = tables.first_stage(3);
        tables.store(tables.first_slot(entry.first_stage, kVa, 4, 1),
                     fs::leaf(tables.page().value(), true, user) | fs::kAccessed | fs::kDirty);
        return finish();
    }
    FaultBench& second() {
        entry = tables.second_stage(3);
        tables.map_second(entry.second_stage, kVa, tables.page());
        return finish();
    }
    FaultBench& nested() {
        entry = tables.nested(3);
        tables.map_nested(entry, kVa, kGuestPage);
        return finish();
    }
    FaultBench& pass_through() {
        entry = VtdTables::entry(TranslationType::PassThrough, 1);
        return finish();
    }
    FaultBench& finish() {
        add_device(entry);
        enable();
        return *this;
    }
    FaultBench& legacy() {
        enable();
        legacy_entry.present = true;
        legacy_entry.second_stage = tables.page();
        legacy_entry.aw = kAddressWidth48;
        legacy_entry.did = DomainId{3};
        legacy_table = tables.page();
        tables.store(root_slot(), legacy_table.value() | 1U);
        tables.map_second(legacy_entry.second_stage, kVa, tables.page());
        write(reg::kRtaddr, rtaddr::make(tables.root(), TableMode::Legacy));
        command(gcmd::kSrtp);
        set_legacy();
        return *this;
    }
    void set_legacy() {
        const LegacyContextQwords q = encode(legacy_entry);
        tables.bytes().write(legacy_context_entry_address(legacy_table, kDevice), q.data(),
                             sizeof q);
    }
    void set_entry() { tables.set_pasid(context, kPasid, entry); }
    void set_context() { tables.set_context(kDevice, context); }
    void set_root(std::uint64_t value) {
        write(reg::kRtaddr, value);
        command(gcmd::kSrtp);
    }
    Hpa root_slot() { return root_entry_address(tables.root(), kDevice); }
    Hpa context_slot() {
        return context_entry_address(Hpa{tables.load(root_slot()) & kTableAddress}, kDevice);
    }
    Hpa directory_slot() { return directory_entry_address(context.directory, kPasid); }
    Hpa entry_slot() { return tables.pasid_slot(context, kPasid); }
    Hpa fs_slot(unsigned level, bool in_guest = false) {
        return tables.first_slot(entry.first_stage, kVa, 4, level, in_guest);
    }
    Hpa ss_slot(unsigned level, std::uint64_t address = kVa) {
        return tables.second_slot(entry.second_stage, address, 4, level);
    }
    Hpa legacy_slot(unsigned level) {
        return tables.second_slot(legacy_entry.second_stage, kVa, 4, level);
    }
    // The second-stage leaf under the first-stage table of a level.
    Hpa table_leaf(unsigned level) {
        const std::uint64_t guest = VtdTables::guest(fs_slot(level, true));
        return ss_slot(1, guest & ~(kPageSize - 1));
    }
    void change(Hpa slot, std::uint64_t set, std::uint64_t clear = 0) {
        tables.store(slot, (tables.load(slot) & ~clear) | set);
    }

    // The reason in the record that the request leaves.
    unsigned fault(pcie::Tlp tlp) {
        send(std::move(tlp));
        settle();
        const std::uint64_t high = read(reg::kFrcd + 8);
        return frcd::kF.get(high) != 0 ? static_cast<unsigned>(frcd::kReason.get(high)) : 0;
    }
    unsigned read_fault(std::uint64_t address = kVa) {
        return fault(request(TlpKind::MemRead, address));
    }
    unsigned write_fault(std::uint64_t address = kVa) {
        return fault(request(TlpKind::MemWrite, address));
    }
    pcie::Tlp plain(TlpKind kind = TlpKind::MemRead, std::uint64_t address = kVa) const {
        pcie::Tlp tlp = request(kind, address);
        tlp.pasid.reset();
        return tlp;
    }
    pcie::Tlp translated() const {
        pcie::Tlp tlp = request(TlpKind::MemRead, kVa);
        tlp.at = pcie::AddressType::Translated;
        return tlp;
    }
    // Memory answers every locked update with an error.
    unsigned fault_of_failing_updates() {
        send(request(TlpKind::MemRead, kVa));
        for (run_timers(); !to_memory.empty(); run_timers()) {
            if (to_memory.front().op != memory::MemOp::CompareSwap) {
                answer();
                continue;
            }
            memory::MemResponse response;
            response.op = memory::MemOp::CompareSwap;
            response.status = memory::MemStatus::Poisoned;
            response.tag = to_memory.front().tag;
            to_memory.pop_front();
            unit().on_memory(now(), response);
        }
        return static_cast<unsigned>(frcd::kReason.get(read(reg::kFrcd + 8)));
    }

    PasidEntry entry;
    LegacyContextEntry legacy_entry;
    Hpa legacy_table;
};

using Raise = std::function<unsigned()>;
using Raisers = std::map<FaultReason, Raise>;
using R = FaultReason;

void add_legacy(Raisers& r) {
    r[R::LegacyRootNotPresent] = [] {
        FaultBench b;
        b.legacy().change(b.root_slot(), 0, 1);
        return b.fault(b.plain());
    };
    r[R::LegacyContextNotPresent] = [] {
        FaultBench b;
        b.legacy().legacy_entry.present = false;
        b.set_legacy();
        return b.fault(b.plain());
    };
    r[R::LegacyContextInvalid] = [] {
        FaultBench b;
        b.legacy().legacy_entry.type = LegacyType::Reserved;
        b.set_legacy();
        return b.fault(b.plain());
    };
    r[R::LegacyAddressTooWide] = [] {
        FaultBench b;
        b.legacy();
        return b.fault(b.plain(TlpKind::MemRead, std::uint64_t{1} << 48U));
    };
    r[R::LegacyNoWrite] = [] {
        FaultBench b;
        b.legacy().change(b.legacy_slot(1), 0, ss::kWrite);
        return b.fault(b.plain(TlpKind::MemWrite));
    };
    r[R::LegacyNoRead] = [] {
        FaultBench b;
        b.legacy().change(b.legacy_slot(1), 0, ss::kRead);
        return b.fault(b.plain());
    };
    r[R::LegacySecondStageAccess] = [] {
        FaultBench b;
        b.legacy().tables.store(b.legacy_slot(3), ss::table(kOutside));
        return b.fault(b.plain());
    };
    r[R::LegacyRootAccess] = [] {
        FaultBench b;
        b.legacy().set_root(kOutside.value());
        return b.fault(b.plain());
    };
    r[R::LegacyContextAccess] = [] {
        FaultBench b;
        b.legacy().tables.store(b.root_slot(), kOutside.value() | 1U);
        return b.fault(b.plain());
    };
    r[R::LegacyRootReserved] = [] {
        FaultBench b;
        b.legacy().change(b.root_slot(), 2);
        return b.fault(b.plain());
    };
    r[R::LegacyContextReserved] = [] {
        FaultBench b;
        b.legacy().change(legacy_context_entry_address(b.legacy_table, VtdBench::kDevice), 0x10);
        return b.fault(b.plain());
    };
    r[R::LegacySecondStageReserved] = [] {
        FaultBench b;
        b.legacy().change(b.legacy_slot(1), kTooHigh);
        return b.fault(b.plain());
    };
    r[R::LegacyTypeBlocks] = [] {
        FaultBench b;
        b.legacy();
        return b.fault(b.plain(TlpKind::AtsRequest));
    };
    r[R::LegacyOutputIsInterrupt] = [] {
        FaultBench b;
        b.legacy().tables.store(b.legacy_slot(1), ss::leaf(Hpa{0xFEE0'0000}, true, true));
        return b.fault(b.plain());
    };
}

void add_modes(Raisers& r) {
    r[R::BadInterruptRequest] = [] {
        FaultBench b;
        b.first();
        return b.fault(b.plain(TlpKind::MemRead, 0xFEE0'0000));
    };
    r[R::TableModeInvalid] = [] {
        FaultBench b;
        b.first().set_root(b.tables.root().value() | rtaddr::kTtm.make(2));
        return b.read_fault();
    };
    r[R::PasidInLegacyMode] = [] {
        FaultBench b;
        b.legacy();
        return b.read_fault();
    };
    r[R::PageRequestInLegacyMode] = [] {
        FaultBench b;
        b.legacy();
        return b.fault(b.plain(TlpKind::PageRequest));
    };
    r[R::AbortDmaMode] = [] {
        FaultBench b;
        b.first().set_root(b.tables.root().value() | rtaddr::kTtm.make(3));
        return b.read_fault();
    };
    r[R::ExecuteRequested] = [] {
        VtdParams params = full_params();
        params.version = 0x80;
        FaultBench b{params};
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.execute = true;
        return b.fault(tlp);
    };
}

void add_structures(Raisers& r) {
    r[R::RootAccess] = [] {
        FaultBench b;
        b.first().set_root(rtaddr::make(kOutside, TableMode::Scalable));
        return b.read_fault();
    };
    r[R::RootNotPresent] = [] {
        FaultBench b;
        b.first().change(b.root_slot(), 0, 1);
        return b.read_fault();
    };
    r[R::RootReserved] = [] {
        FaultBench b;
        b.first().change(b.root_slot(), 2);
        return b.read_fault();
    };
    r[R::ContextAccess] = [] {
        FaultBench b;
        b.first().tables.store(b.root_slot(), kOutside.value() | 1U);
        return b.read_fault();
    };
    r[R::ContextNotPresent] = [] {
        FaultBench b;
        b.first().change(b.context_slot(), 0, 1);
        return b.read_fault();
    };
    r[R::ContextReserved] = [] {
        FaultBench b;
        b.first().change(b.context_slot(), 0x80);
        return b.read_fault();
    };
    r[R::ContextInvalid] = [] {
        FaultBench b;
        b.first().context.rid_pasid = max_pasid(0) + 1;
        b.set_context();
        return b.read_fault();
    };
    r[R::DeviceTlbDisabled] = [] {
        FaultBench b;
        b.first();
        return b.fault(b.request(TlpKind::AtsRequest, kVa));
    };
    r[R::PasidDisabled] = [] {
        FaultBench b;
        b.first().context.paside = false;
        b.set_context();
        return b.read_fault();
    };
    r[R::PasidOutOfDirectory] = [] {
        FaultBench b;
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.pasid = Pasid{max_pasid(0) + 1};
        return b.fault(tlp);
    };
    r[R::PageRequestDisabled] = [] {
        FaultBench b;
        b.first();
        return b.fault(b.request(TlpKind::PageRequest, kVa));
    };
    r[R::PasidIsRidPasid] = [] {
        FaultBench b;
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.pasid = Pasid{0};
        return b.fault(tlp);
    };
    r[R::TranslatedWithPasid] = [] {
        FaultBench b;
        b.first().context.dte = true;
        b.set_context();
        return b.fault(b.translated());
    };
}

void add_pasid_structures(Raisers& r) {
    r[R::DirectoryAccess] = [] {
        FaultBench b;
        b.first().context.directory = kOutside;
        b.set_context();
        return b.read_fault();
    };
    r[R::DirectoryNotPresent] = [] {
        FaultBench b;
        b.first().change(b.directory_slot(), 0, 1);
        return b.read_fault();
    };
    r[R::DirectoryReserved] = [] {
        FaultBench b;
        b.first().change(b.directory_slot(), 4);
        return b.read_fault();
    };
    r[R::PasidEntryAccess] = [] {
        FaultBench b;
        b.first().tables.store(b.directory_slot(), kOutside.value() | 1U);
        return b.read_fault();
    };
    r[R::PasidEntryNotPresent] = [] {
        FaultBench b;
        b.first().change(b.entry_slot(), 0, 1);
        return b.read_fault();
    };
    r[R::PasidEntryReserved] = [] {
        FaultBench b;
        b.first().change(b.entry_slot(), 0x20);
        return b.read_fault();
    };
    r[R::PasidEntryInvalid] = [] {
        FaultBench b;
        b.first().change(b.entry_slot(), pasid_entry::kPgtt.make(5), pasid_entry::kPgtt.mask());
        return b.read_fault();
    };
    r[R::ExecuteDisabled] = [] {
        FaultBench b;
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.execute = true;
        return b.fault(tlp);
    };
    r[R::SupervisorDisabled] = [] {
        FaultBench b;
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.privileged = true;
        return b.fault(tlp);
    };
    r[R::PasidTooWide] = [] {
        VtdParams params = full_params();
        params.pasid_bits = 8;
        FaultBench b{params};
        b.first();
        pcie::Tlp tlp = b.request(TlpKind::MemRead, kVa);
        tlp.pasid = Pasid{0x100};
        return b.fault(tlp);
    };
}

void add_first_stage(Raisers& r) {
    r[R::FirstStageAccess] = [] {
        FaultBench b;
        b.first().tables.store(b.fs_slot(3), fs::table(kOutside.value()) | fs::kAccessed);
        return b.read_fault();
    };
    r[R::FirstStageNotPresent] = [] {
        FaultBench b;
        b.first();
        return b.read_fault(kVa + kPageSize);
    };
    r[R::FirstStageReserved] = [] {
        FaultBench b;
        b.first().change(b.fs_slot(1), kTooHigh);
        return b.read_fault();
    };
    r[R::FirstStageRootAccess] = [] {
        FaultBench b;
        b.first().entry.first_stage = kOutside.value();
        b.set_entry();
        return b.read_fault();
    };
    r[R::NotCanonical] = [] {
        FaultBench b;
        b.first();
        return b.read_fault(std::uint64_t{1} << 47U);
    };
    r[R::UserAccess] = [] {
        FaultBench b;
        b.first(false);
        return b.read_fault();
    };
    r[R::FirstStageNoSnoop] = [] {
        FaultBench b;
        b.first().entry.pwsnp = false;
        b.set_entry();
        b.change(b.fs_slot(1), 0, fs::kAccessed);
        return b.read_fault();
    };
    r[R::FirstStageUpdateFailed] = [] {
        FaultBench b;
        b.first().change(b.fs_slot(1), 0, fs::kAccessed);
        return b.fault_of_failing_updates();
    };
    r[R::NoWrite] = [] {
        FaultBench b;
        b.first().change(b.fs_slot(1), 0, fs::kWrite);
        return b.write_fault();
    };
    r[R::OutputIsInterrupt] = [] {
        FaultBench b;
        b.first().tables.map_first(b.entry.first_stage, kVa, 0xFEE0'0000);
        return b.read_fault();
    };
}

void add_nested(Raisers& r) {
    r[R::FirstStageTooWide] = [] {
        VtdParams params = full_params();
        params.host_address_width = 52;
        FaultBench b{params};
        b.nested().change(b.fs_slot(1, true), std::uint64_t{1} << 48U);
        return b.read_fault();
    };
    r[R::FirstStageRootNoRead] = [] {
        FaultBench b;
        b.nested().change(b.table_leaf(4), 0, ss::kRead);
        return b.read_fault();
    };
    r[R::FirstStageNoRead] = [] {
        FaultBench b;
        b.nested().change(b.table_leaf(2), 0, ss::kRead);
        return b.read_fault();
    };
    r[R::FirstStageNoUpdate] = [] {
        FaultBench b;
        b.nested().change(b.table_leaf(2), 0, ss::kWrite);
        b.change(b.fs_slot(2, true), 0, fs::kAccessed);
        return b.read_fault();
    };
}

void add_second_stage(Raisers& r) {
    r[R::SecondStageAccess] = [] {
        FaultBench b;
        b.second().tables.store(b.ss_slot(3), ss::table(kOutside));
        return b.read_fault();
    };
    r[R::SecondStageNotPresent] = [] {
        FaultBench b;
        b.second();
        return b.read_fault(kVa + kPageSize);
    };
    r[R::SecondStageReserved] = [] {
        FaultBench b;
        b.second().change(b.ss_slot(1), kTooHigh);
        return b.read_fault();
    };
    r[R::SecondStageRootAccess] = [] {
        FaultBench b;
        b.second().entry.second_stage = kOutside;
        b.set_entry();
        return b.read_fault();
    };
    r[R::SecondStageNoSnoop] = [] {
        FaultBench b;
        b.second().entry.ssade = true;
        b.entry.pwsnp = false;
        b.set_entry();
        return b.read_fault();
    };
    r[R::SecondStageUpdateFailed] = [] {
        FaultBench b;
        b.second().entry.ssade = true;
        b.set_entry();
        return b.fault_of_failing_updates();
    };
    r[R::AboveHostWidth] = [] {
        FaultBench b;
        b.pass_through();
        return b.read_fault(kTooHigh);
    };
    r[R::AboveGuestWidth] = [] {
        FaultBench b;
        b.second();
        return b.read_fault(std::uint64_t{1} << 48U);
    };
    r[R::NoRead] = [] {
        FaultBench b;
        b.second().change(b.ss_slot(1), 0, ss::kRead);
        return b.read_fault();
    };
}

Raisers all_raisers() {
    Raisers r;
    add_legacy(r);
    add_modes(r);
    add_structures(r);
    add_pasid_structures(r);
    add_first_stage(r);
    add_nested(r);
    add_second_stage(r);
    return r;
}

}  // namespace

TEST_CASE("vtd faults: every reason of the list is raised by a request, or said to be absent") {
    Raisers raisers = all_raisers();
    for (const FaultReasonInfo& info : kFaultReasons) {
        const auto code = static_cast<unsigned>(info.reason);
        CAPTURE(code);
        const auto found = raisers.find(info.reason);
        if (info.absent != nullptr) {
            CHECK(std::string(info.absent) != "");
            CHECK(found == raisers.end());
            continue;
        }
        CHECK(std::string(info.example) != "");
        REQUIRE(found != raisers.end());
        CHECK(found->second() == code);
        raisers.erase(found);
    }
    CHECK(raisers.empty());
}
