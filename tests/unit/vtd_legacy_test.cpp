// Legacy mode: root and context entries of 16 bytes, second stage only, its own fault codes; and
// what table modes refuse.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::VtdBench;
using ioasim::test::VtdTables;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kIova = 0x12'3456'7000;
constexpr Hpa kOutside{std::uint64_t{20} << 30U};

VtdParams legacy_params() {
    VtdParams params = vtd_param_table().defaults();
    params.second_stage_3_levels = true;
    return params;
}

// A function with a legacy context entry over a table of three levels that maps one page.
struct LegacyBench : VtdBench {
    explicit LegacyBench(const VtdParams& params = legacy_params()) : VtdBench(params) {
        entry.present = true;
        entry.second_stage = tables.page();
        entry.aw = kAddressWidth39;
        entry.did = DomainId{7};
        target = tables.page();
        tables.map_second(entry.second_stage, kIova, target, 3);
        context_table = tables.page();
        tables.store(root_slot(), context_table.value() | 1U);
        set_context();
        enable();
        write(reg::kRtaddr, rtaddr::make(tables.root(), TableMode::Legacy));
        command(gcmd::kSrtp);
    }
    Hpa root_slot() { return root_entry_address(tables.root(), kDevice); }
    Hpa context_slot() const { return legacy_context_entry_address(context_table, kDevice); }
    void set_context() {
        const LegacyContextQwords q = encode(entry);
        tables.store(context_slot(), q[0]);
        tables.store(context_slot() + 8, q[1]);
    }
    Hpa slot(unsigned level) { return tables.second_slot(entry.second_stage, kIova, 3, level); }

    pcie::Tlp plain(TlpKind kind, std::uint64_t address) const {
        pcie::Tlp tlp = request(kind, address);
        tlp.pasid.reset();
        return tlp;
    }
    CplStatus read_at(std::uint64_t address) {
        to_fabric.clear();
        send(plain(TlpKind::MemRead, address));
        settle();
        return to_fabric.empty() ? CplStatus::Abort : to_fabric.back().status;
    }
    // The reason of the one fault that the request leaves in the records; 0: it went through.
    unsigned fault_of(pcie::Tlp tlp) {
        send(std::move(tlp));
        settle();
        const std::uint64_t high = read(reg::kFrcd + 8);
        for (std::uint32_t i = 0; i < 8; ++i) {
            write32(reg::kFrcd + i * 16 + 12, 1U << 31U);
        }
        command(0);
        write32(reg::kGcmd, read32(reg::kGsts) & gcmd::kStickyMask & ~gcmd::kTe);
        settle();
        command(gcmd::kTe);  // the next record is the first again, and nothing is cached
        return frcd::kF.get(high) != 0 ? static_cast<unsigned>(frcd::kReason.get(high)) : 0;
    }
    unsigned read_fault(std::uint64_t address = kIova) {
        return fault_of(plain(TlpKind::MemRead, address));
    }
    unsigned write_fault(std::uint64_t address = kIova) {
        return fault_of(plain(TlpKind::MemWrite, address));
    }
    unsigned context_fault() {
        set_context();
        invalidate({context_cache_invalidate(ContextGranularity::Global),
                    iotlb_invalidate(IotlbGranularity::Global)});
        return read_fault();
    }

    LegacyContextEntry entry;
    Hpa context_table;
    Hpa target;
};

}  // namespace

TEST_CASE("vtd legacy: a request reads root, context and one entry a level") {
    LegacyBench bench;
    CHECK(bench.read_at(kIova) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 2 + 3);
    CHECK(bench.last("vtd.translated", "hpa") == bench.target.value());
    CHECK(bench.read_at(kIova + 8) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == 5);
}

TEST_CASE("vtd legacy: tables of four and five levels make four and five reads") {
    for (const unsigned levels : {4U, 5U}) {
        LegacyBench bench;
        bench.entry.second_stage = bench.tables.page();
        bench.entry.aw = levels == 4 ? kAddressWidth48 : kAddressWidth57;
        bench.tables.map_second(bench.entry.second_stage, kIova, bench.target, levels);
        bench.set_context();
        CHECK(bench.read_at(kIova) == CplStatus::Success);
        CHECK(bench.count("vtd.walk_read") == 2 + levels);
    }
}

TEST_CASE("vtd legacy: pass-through uses addresses as they are and wants the widest table") {
    LegacyBench bench;
    bench.entry.type = LegacyType::PassThrough;
    CHECK(bench.context_fault() == 0x3);
    bench.entry.aw = kAddressWidth57;
    bench.set_context();
    CHECK(bench.read_at(bench.target.value()) == CplStatus::Success);
    CHECK(bench.last("vtd.translated", "hpa") == bench.target.value());
    CHECK(bench.read_fault(std::uint64_t{1} << 46U) == 0x4);
}

TEST_CASE("vtd legacy: root and context entries, absent and reserved") {
    LegacyBench bench;
    const std::uint64_t root = bench.tables.load(bench.root_slot());
    bench.tables.store(bench.root_slot(), root & ~std::uint64_t{1});
    CHECK(bench.read_fault() == 0x1);
    for (const std::uint64_t wrong : {root | 2U, root | std::uint64_t{1} << 46U}) {
        bench.tables.store(bench.root_slot(), wrong);
        CHECK(bench.read_fault() == 0xA);
    }
    bench.tables.store(bench.root_slot(), root);
    bench.tables.store(bench.root_slot() + 8, 1);
    CHECK(bench.read_fault() == 0xA);
    bench.tables.store(bench.root_slot() + 8, 0);

    const std::uint64_t low = bench.tables.load(bench.context_slot());
    bench.tables.store(bench.context_slot(), low & ~std::uint64_t{1});
    CHECK(bench.read_fault() == 0x2);
    for (const std::uint64_t wrong : {low | 0x10U, low | 0x800U, low | std::uint64_t{1} << 46U}) {
        bench.tables.store(bench.context_slot(), wrong);
        CHECK(bench.read_fault() == 0xB);
    }
    bench.tables.store(bench.context_slot(), low);
    const std::uint64_t high = bench.tables.load(bench.context_slot() + 8);
    for (const unsigned bit : {7U, 24U, 63U}) {
        bench.tables.store(bench.context_slot() + 8, high | std::uint64_t{1} << bit);
        CHECK(bench.read_fault() == 0xB);
    }
    bench.tables.store(bench.context_slot() + 8, high | 0x78U);  // 70:67 are ignored
    CHECK(bench.read_fault() == 0);
}

TEST_CASE("vtd legacy: types and widths that the unit lacks are invalid") {
    LegacyBench bench;
    bench.entry.type = LegacyType::Reserved;
    CHECK(bench.context_fault() == 0x3);
    bench.entry.type = LegacyType::SecondStage;
    bench.entry.aw = 4;
    CHECK(bench.context_fault() == 0x3);
    bench.entry.aw = kAddressWidth39;
    CHECK(bench.context_fault() == 0);

    VtdParams params = legacy_params();
    params.second_stage_3_levels = params.pass_through = params.device_tlb = false;
    params.page_requests = false;
    LegacyBench poor{params};
    CHECK(poor.read_fault() == 0x3);
    poor.entry.aw = kAddressWidth57;
    poor.entry.type = LegacyType::PassThrough;
    CHECK(poor.context_fault() == 0x3);
    poor.entry.type = LegacyType::WithDeviceTlb;
    CHECK(poor.context_fault() == 0x3);
}

TEST_CASE("vtd legacy: a translation type with device TLB translates plain requests alike") {
    VtdParams params = legacy_params();
    params.device_tlb = true;
    LegacyBench bench{params};
    bench.entry.type = LegacyType::WithDeviceTlb;
    CHECK(bench.context_fault() == 0);
}

TEST_CASE("vtd legacy: a table root outside of memory is a context fault, a lower one its own") {
    LegacyBench bench;
    const Hpa good = bench.entry.second_stage;
    bench.entry.second_stage = kOutside;
    CHECK(bench.context_fault() == 0x3);
    bench.entry.second_stage = good;
    bench.set_context();
    bench.tables.store(bench.slot(2), ss::table(kOutside));
    CHECK(bench.read_fault() == 0x7);
}

TEST_CASE("vtd legacy: structures outside of memory") {
    LegacyBench bench;
    bench.tables.store(bench.root_slot(), kOutside.value() | 1U);
    CHECK(bench.read_fault() == 0x9);
    bench.write(reg::kRtaddr, rtaddr::make(kOutside, TableMode::Legacy));
    bench.command(gcmd::kSrtp);
    CHECK(bench.read_fault() == 0x8);
}

TEST_CASE("vtd legacy: permissions are the conjunction of all levels") {
    LegacyBench bench;
    for (const unsigned level : {3U, 2U, 1U}) {
        const std::uint64_t old = bench.tables.load(bench.slot(level));
        bench.tables.store(bench.slot(level), old & ~ss::kWrite);
        CHECK(bench.read_fault() == 0);
        CHECK(bench.write_fault() == 0x5);
        bench.tables.store(bench.slot(level), old & ~ss::kRead);
        CHECK(bench.read_fault() == 0x6);
        CHECK(bench.write_fault() == 0);
        // Nothing at all is a missing permission too: there is no other code.
        bench.tables.store(bench.slot(level), old & ~(ss::kRead | ss::kWrite));
        CHECK(bench.read_fault() == 0x6);
        CHECK(bench.write_fault() == 0x5);
        bench.tables.store(bench.slot(level), old);
    }
}

TEST_CASE("vtd legacy: reserved bits of entries, widths, and results in the interrupt range") {
    LegacyBench bench;
    const std::uint64_t leaf = bench.tables.load(bench.slot(1));
    bench.tables.store(bench.slot(1), leaf | std::uint64_t{1} << 46U);
    CHECK(bench.read_fault() == 0xC);
    bench.tables.store(bench.slot(1), leaf | ss::kIoWrite);
    CHECK(bench.read_fault() == 0xC);
    bench.tables.store(bench.slot(1), leaf | ss::kIoRead);  // ignored
    CHECK(bench.read_fault() == 0);
    const std::uint64_t middle = bench.tables.load(bench.slot(2));
    bench.tables.store(bench.slot(2), middle | ss::kSnoop);
    CHECK(bench.read_fault() == 0xC);
    bench.tables.store(bench.slot(2), middle);
    CHECK(bench.read_fault(std::uint64_t{1} << 39U) == 0x4);
    bench.tables.store(bench.slot(1), ss::leaf(Hpa{0xFEE0'0000}, true, true));
    CHECK(bench.read_fault() == 0xE);
}

TEST_CASE("vtd legacy: translation and translated requests need their type") {
    LegacyBench bench;
    CHECK(bench.fault_of(bench.plain(TlpKind::AtsRequest, kIova)) == 0xD);
    pcie::Tlp translated = bench.plain(TlpKind::MemRead, kIova);
    translated.at = pcie::AddressType::Translated;
    CHECK(bench.fault_of(translated) == 0xD);
}

TEST_CASE("vtd legacy: requests with PASID and page requests belong to scalable mode") {
    LegacyBench bench;
    CHECK(bench.fault_of(bench.request(TlpKind::MemRead, kIova)) == 0x31);
    CHECK(bench.fault_of(bench.plain(TlpKind::PageRequest, kIova)) == 0x32);
}

TEST_CASE("vtd legacy: FPD of the context entry keeps the fault out, even of an absent entry") {
    LegacyBench bench;
    bench.entry.fpd = true;
    bench.set_context();
    CHECK(bench.read_at(kIova) == CplStatus::Success);
    CHECK(bench.read_at(kIova + kPageSize) == CplStatus::UnsupportedRequest);
    CHECK(bench.read(reg::kFrcd + 8) == 0);
    bench.entry.present = false;
    CHECK(bench.context_fault() == 0);
    CHECK(bench.last("vtd.fault", "reason") == 0x2);
    CHECK(bench.last("vtd.fault", "suppressed") == 1);
}

TEST_CASE("vtd legacy: context entries are dropped by domain and by device of a domain") {
    LegacyBench bench;
    const auto reads_after = [&](const Descriptor& d) {
        bench.read_at(kIova);
        bench.invalidate({d, iotlb_invalidate(IotlbGranularity::Global)});
        const std::size_t before = bench.count("vtd.walk_read");
        bench.read_at(kIova);
        return bench.count("vtd.walk_read") - before;
    };
    using G = ContextGranularity;
    const Rid rid = VtdBench::kDevice;
    CHECK(reads_after(context_cache_invalidate(G::Global)) == 5);
    CHECK(reads_after(context_cache_invalidate(G::Domain, DomainId{7})) == 5);
    CHECK(reads_after(context_cache_invalidate(G::Domain, DomainId{8})) == 3);
    CHECK(reads_after(context_cache_invalidate(G::Device, DomainId{7}, rid)) == 5);
    CHECK(reads_after(context_cache_invalidate(G::Device, DomainId{8}, rid)) == 3);
}

TEST_CASE("vtd legacy: an entry of the other table mode in the context cache is of no use") {
    VtdParams params = legacy_params();
    params.flush_on_srtp = false;
    LegacyBench bench{params};
    CHECK(bench.read_at(kIova) == CplStatus::Success);
    const PasidEntry second = bench.tables.second_stage(9);
    bench.write(reg::kRtaddr, rtaddr::make(bench.tables.page(), TableMode::Scalable));
    bench.command(gcmd::kSrtp);
    CHECK(bench.read_at(kIova + kPageSize) == CplStatus::UnsupportedRequest);
    CHECK(frcd::kReason.get(bench.read(reg::kFrcd + 8)) == 0x39);
    CHECK(second.present);
}

TEST_CASE("vtd modes: what a table mode refuses depends on the capabilities") {
    const auto fault_in = [](const VtdParams& params, std::uint64_t rtaddr_bits) {
        LegacyBench bench{params};
        bench.write(reg::kRtaddr, bench.tables.root().value() | rtaddr_bits);
        bench.command(gcmd::kSrtp);
        return bench.read_fault();
    };
    VtdParams params = legacy_params();
    CHECK(fault_in(params, rtaddr::kTtm.make(2)) == 0x30);
    CHECK(fault_in(params, rtaddr::kTtm.make(3)) == 0x33);
    params.abort_dma = false;
    CHECK(fault_in(params, rtaddr::kTtm.make(3)) == 0x30);
}
