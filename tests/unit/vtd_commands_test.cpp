// Global commands and register-based invalidation: what they do, when they are legal, who owns the
// registers meanwhile; registers that need a capability.
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
constexpr DomainId kDid{7};

VtdParams old_version() {
    VtdParams params = vtd_param_table().defaults();
    params.version = 0x10;
    params.second_stage_3_levels = true;
    return params;
}

// Two functions in legacy mode, each with its domain and one mapped page; no invalidation queue.
struct RegisterBench : VtdBench {
    static constexpr Rid kOther{0x0109};

    explicit RegisterBench(const VtdParams& params = old_version()) : VtdBench(params) {
        context_table = tables.page();
        tables.store(root_entry_address(tables.root(), kDevice), context_table.value() | 1U);
        first = add_function(kDevice, kDid);
        second = add_function(kOther, DomainId{8});
        write(reg::kRtaddr, rtaddr::make(tables.root(), TableMode::Legacy));
        command(gcmd::kSrtp);
        command(gcmd::kTe);
    }
    LegacyContextEntry add_function(Rid rid, DomainId did) {
        LegacyContextEntry entry;
        entry.present = true;
        entry.second_stage = tables.page();
        entry.aw = kAddressWidth39;
        entry.did = did;
        tables.map_second(entry.second_stage, kIova, tables.page(), 3);
        tables.map_second(entry.second_stage, kIova + kPageSize, tables.page(), 3);
        const LegacyContextQwords q = encode(entry);
        tables.bytes().write(legacy_context_entry_address(context_table, rid), q.data(), sizeof q);
        return entry;
    }
    void touch(Rid rid, std::uint64_t address = kIova) {
        pcie::Tlp tlp = request(TlpKind::MemRead, address);
        tlp.requester = rid;
        tlp.pasid.reset();
        send(tlp);
        settle();
    }
    // Reads of a walk that a request needs after the command.
    std::size_t reads(Rid rid, std::uint64_t address = kIova) {
        const std::size_t before = count("vtd.walk_read");
        touch(rid, address);
        return count("vtd.walk_read") - before;
    }
    void warm() {
        for (const Rid rid : {kDevice, kOther}) {
            touch(rid);
            touch(rid, kIova + kPageSize);
        }
    }
    // Returns the actual granularity.
    std::uint64_t context_command(std::uint64_t operands) {
        write(reg::kCcmd, ccmd::kIcc.mask() | operands);
        settle();
        CHECK(ccmd::kIcc.get(read(reg::kCcmd)) == 0);
        return ccmd::kCaig.get(read(reg::kCcmd));
    }
    std::uint64_t iotlb_command(std::uint64_t operands, std::uint64_t range = 0) {
        write(reg::kIva, range);
        write(reg::kIotlb, iotlb::kIvt.mask() | operands);
        settle();
        CHECK(iotlb::kIvt.get(read(reg::kIotlb)) == 0);
        return iotlb::kIaig.get(read(reg::kIotlb));
    }
    Hpa context_table;
    LegacyContextEntry first;
    LegacyContextEntry second;
};

std::uint64_t context_of(unsigned granularity, DomainId did = DomainId{}, Rid rid = Rid{},
                         unsigned mask = 0) {
    return ccmd::kCirg.make(granularity) | ccmd::kDid.make(did.value()) |
           ccmd::kSid.make(rid.value()) | ccmd::kFm.make(mask);
}
std::uint64_t iotlb_of(unsigned granularity, DomainId did = DomainId{}) {
    return iotlb::kIirg.make(granularity) | iotlb::kDid.make(did.value());
}

}  // namespace

TEST_CASE("vtd commands: IOTLB invalidation by register, of all, a domain, pages") {
    RegisterBench bench;
    const Rid device = VtdBench::kDevice;
    // The paging-structure caches go with a domain; a page leaves those of other addresses.
    bench.warm();
    CHECK(bench.reads(device) == 0);
    CHECK(bench.iotlb_command(iotlb_of(1)) == 1);
    CHECK(bench.reads(device) == 3);
    CHECK(bench.reads(RegisterBench::kOther) == 3);
    bench.warm();
    CHECK(bench.iotlb_command(iotlb_of(2, kDid)) == 2);
    CHECK(bench.reads(device) == 3);
    CHECK(bench.reads(RegisterBench::kOther) == 0);
    bench.warm();
    CHECK(bench.iotlb_command(iotlb_of(3, kDid), kIova) == 3);
    CHECK(bench.reads(device, kIova + kPageSize) == 0);
    CHECK(bench.reads(device) != 0);
    // Two pages, of which the one asked for is the first.
    CHECK(bench.iotlb_command(iotlb_of(3, kDid), (kIova - kPageSize) | 1U) == 3);
    CHECK(bench.reads(device, kIova + kPageSize) == 0);
    CHECK(bench.reads(device) != 0);
}

TEST_CASE("vtd commands: context cache invalidation by register, of all, a domain, a function") {
    RegisterBench bench;
    const Rid device = VtdBench::kDevice;
    // Structure reads only show when the translation is gone too.
    const auto after = [&](std::uint64_t operands, Rid rid) {
        bench.warm();
        CHECK(bench.context_command(operands) == ccmd::kCirg.get(operands));
        bench.iotlb_command(iotlb_of(1));
        return bench.reads(rid);
    };
    CHECK(after(context_of(1), device) == 5);
    CHECK(after(context_of(2, kDid), device) == 5);
    CHECK(after(context_of(2, kDid), RegisterBench::kOther) == 3);
    CHECK(after(context_of(3, kDid, device), device) == 5);
    CHECK(after(context_of(3, DomainId{8}, device), RegisterBench::kOther) == 3);
    // All functions of the device.
    CHECK(after(context_of(3, DomainId{8}, device, 3), RegisterBench::kOther) == 5);
}

TEST_CASE("vtd commands: register-based invalidation answers an error where it is not legal") {
    RegisterBench bench;
    bench.warm();
    CHECK(bench.iotlb_command(iotlb_of(0)) == 0);
    CHECK(bench.context_command(context_of(0)) == 0);
    // Beyond CAP.MAMV.
    CHECK(bench.iotlb_command(iotlb_of(3, kDid), kIova | 19U) == 0);
    bench.command(gcmd::kQie);
    CHECK(bench.iotlb_command(iotlb_of(1)) == 0);
    CHECK(bench.context_command(context_of(1)) == 0);
    CHECK(bench.reads(VtdBench::kDevice) == 0);

    VtdParams params = old_version();
    params.version = 0x60;
    RegisterBench modern{params};
    CHECK(modern.iotlb_command(iotlb_of(1)) == 0);
    CHECK(modern.context_command(context_of(1)) == 0);

    RegisterBench scalable;
    scalable.write(reg::kRtaddr, rtaddr::make(scalable.tables.root(), TableMode::Scalable));
    scalable.command(gcmd::kSrtp);
    CHECK(scalable.iotlb_command(iotlb_of(1)) == 0);
    CHECK(scalable.context_command(context_of(1)) == 0);
}

TEST_CASE("vtd commands: a unit without page-selective invalidation takes the domain and says so") {
    VtdParams params = old_version();
    params.page_selective = false;
    RegisterBench bench{params};
    bench.warm();
    CHECK(bench.iotlb_command(iotlb_of(3, kDid), kIova) == 2);
    CHECK(bench.reads(VtdBench::kDevice, kIova + kPageSize) != 0);
}

TEST_CASE(
    "vtd commands: an IOTLB command drains the requests that it overtakes, if it is asked to") {
    for (const bool asked : {false, true}) {
        RegisterBench bench;
        bench.warm();
        pcie::Tlp tlp = bench.request(TlpKind::MemRead, kIova);
        tlp.pasid.reset();
        bench.send(tlp);
        const memory::MemRequest access = bench.to_memory.front();
        bench.to_memory.pop_front();
        bench.write(reg::kIotlb, iotlb::kIvt.mask() | iotlb_of(1) | iotlb::kDr.make(asked ? 1 : 0));
        bench.settle();
        CHECK(iotlb::kIvt.get(bench.read(reg::kIotlb)) == (asked ? 1 : 0));
        bench.to_memory.push_front(access);
        bench.settle();
        CHECK(iotlb::kIvt.get(bench.read(reg::kIotlb)) == 0);
    }
}

TEST_CASE("vtd commands: the command registers belong to the unit until it answers") {
    RegisterBench bench;
    bench.write(reg::kCcmd, ccmd::kIcc.mask() | context_of(1));
    CHECK(ccmd::kIcc.get(bench.read(reg::kCcmd)) == 1);
    bench.write32(reg::kGcmd, 0);
    bench.write(reg::kIotlb, iotlb::kIvt.mask() | iotlb_of(1));
    CHECK(bench.probes.hits(kCommandOverlap) == 3);
    bench.settle();
    CHECK((bench.read32(reg::kGsts) & gcmd::kTe) != 0);
    CHECK(bench.read(reg::kIotlb) == 0);
    CHECK(ccmd::kCaig.get(bench.read(reg::kCcmd)) == 1);
}

TEST_CASE("vtd commands: translation goes off only when translated requests are done") {
    RegisterBench bench;
    bench.warm();
    pcie::Tlp tlp = bench.request(TlpKind::MemRead, kIova);
    tlp.pasid.reset();
    bench.send(tlp);
    const memory::MemRequest access = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.write32(reg::kGcmd, gcmd::kSrtp & 0);
    bench.settle();
    CHECK((bench.read32(reg::kGsts) & gcmd::kTe) != 0);
    bench.to_memory.push_front(access);
    bench.settle();
    CHECK((bench.read32(reg::kGsts) & gcmd::kTe) == 0);
}

TEST_CASE("vtd commands: what a unit does not offer stays off") {
    VtdParams params = vtd_param_table().defaults();
    VtdBench bench{params};
    bench.command(gcmd::kIre);
    bench.command(gcmd::kSirtp);
    bench.command(gcmd::kCfi);
    bench.command(gcmd::kWbf);
    CHECK(bench.read32(reg::kGsts) == 0);
    bench.write(reg::kIrta, ~std::uint64_t{0});
    CHECK(bench.read(reg::kIrta) == 0);
    bench.write32(reg::kFeuaddr, 1);
    CHECK(bench.read32(reg::kFeuaddr) == 0);

    VtdParams bare = old_version();
    bare.scalable = bare.pasid = bare.queued_invalidation = bare.first_stage = bare.nested = false;
    bare.device_tlb = bare.page_requests = bare.extended_accessed = false;
    bare.interrupt_cache = false;
    VtdBench old{bare};
    old.write(reg::kIqa, ~std::uint64_t{0});
    old.write(reg::kIqt, 0x20);
    old.command(gcmd::kQie);
    CHECK(old.read(reg::kIqa) == 0);
    CHECK(old.read(reg::kIqt) == 0);
    CHECK(old.read32(reg::kGsts) == 0);
}

TEST_CASE("vtd commands: interrupt remapping keeps its status bits and its table register") {
    VtdParams params = vtd_param_table().defaults();
    params.interrupt_cache = params.x2apic = true;
    VtdBench bench{params};
    bench.write(reg::kIrta, ~std::uint64_t{0});
    CHECK(bench.read(reg::kIrta) == 0xFFFF'FFFF'FFFF'F80F);
    bench.command(gcmd::kSirtp);
    CHECK(bench.read32(reg::kGsts) == gcmd::kSirtp);
    bench.command(gcmd::kIre);
    bench.command(gcmd::kCfi);
    CHECK(bench.read32(reg::kGsts) == (gcmd::kSirtp | gcmd::kIre | gcmd::kCfi));
    bench.write32(reg::kFeuaddr, 5);
    CHECK(bench.read32(reg::kFeuaddr) == 5);
}

TEST_CASE("vtd commands: a write buffer flush shows while it lasts") {
    VtdParams params = old_version();
    params.scalable = params.pasid = params.queued_invalidation = false;
    params.device_tlb = params.page_requests = params.interrupt_cache = false;
    params.write_buffer_flush = true;
    VtdBench bench{params};
    bench.write32(reg::kGcmd, gcmd::kWbf);
    CHECK(bench.read32(reg::kGsts) == gcmd::kWbf);
    bench.settle();
    CHECK(bench.read32(reg::kGsts) == 0);
}

TEST_CASE("vtd registers: fault records and IOTLB registers stand where CAP and ECAP say") {
    VtdParams params = old_version();
    params.fault_record_offset = 0x400;
    params.iotlb_offset = 0x500;
    RegisterBench bench{params};
    bench.touch(VtdBench::kDevice, kIova + 2 * kPageSize);
    CHECK(frcd::kReason.get(bench.read(0x408)) == 0x6);
    CHECK(bench.read(reg::kFrcd + 8) == 0);
    bench.write(0x508, iotlb::kIvt.mask() | iotlb_of(1));
    bench.settle();
    CHECK(iotlb::kIaig.get(bench.read(0x508)) == 1);
}

TEST_CASE("vtd capabilities: a raw value is what the unit is") {
    VtdParams params = vtd_param_table().defaults();
    params.version = 0x10;
    params.raw_cap = 0xd2008c22260286;
    params.raw_ecap = 0xf42;
    params.host_address_width = 39;
    CHECK(capability_problems(params).empty());
    VtdBench bench{params};
    CHECK(bench.read(reg::kCap) == params.raw_cap);
    CHECK(bench.read(reg::kEcap) == params.raw_ecap);
    CHECK(bench.read32(reg::kVer) == 0x10);
    const Capabilities caps = make_capabilities(params);
    CHECK(caps.second_stage_levels(kAddressWidth39) == 3);
    CHECK(caps.second_stage_levels(kAddressWidth48) == 0);
    CHECK(caps.mgaw == 39);
    CHECK(caps.caching_mode);
    CHECK_FALSE(caps.zero_length_reads);
    CHECK_FALSE(caps.scalable);
    CHECK(caps.fault_records == 1);
}

TEST_CASE("vtd capabilities: parameters and raw values make the same unit") {
    const VtdParams params = vtd_param_table().defaults();
    CHECK(capability_problems(params).empty());
    VtdParams raw = params;
    raw.raw_cap = make_capabilities(params).cap();
    raw.raw_ecap = make_capabilities(params).ecap();
    raw.first_stage = raw.scalable = false;  // no longer looked at
    CHECK(make_capabilities(raw).cap() == raw.raw_cap);
    CHECK(make_capabilities(raw).first_stage);
    CHECK(make_capabilities(raw).pasid_bits == make_capabilities(params).pasid_bits);
}

TEST_CASE("vtd capabilities: every illegal dependency is named") {
    const auto problem = [](auto&& change) {
        VtdParams params = vtd_param_table().defaults();
        change(params);
        const std::vector<std::string> problems = capability_problems(params);
        return problems.empty() ? std::string() : problems.front();
    };
    const auto names = [](const std::string& text, const char* word) {
        return text.find(word) != std::string::npos;
    };
    CHECK(names(problem([](VtdParams& p) { p.raw_cap = 1U << 3U; }), "CAP bit 3"));
    CHECK(names(problem([](VtdParams& p) { p.raw_ecap = 1U << 25U; }), "ECAP.MTS"));
    CHECK(names(problem([](VtdParams& p) { p.second_stage_2m = false; }), "CAP.SSLPS"));
    CHECK(names(problem([](VtdParams& p) { p.second_stage = false; }), "ECAP.NEST"));
    CHECK(names(problem([](VtdParams& p) { p.supervisor = false; }), "ECAP.RPRIVS"));
    CHECK(names(problem([](VtdParams& p) { p.write_buffer_flush = true; }), "CAP.RWBF"));
    CHECK(names(problem([](VtdParams& p) { p.write_drain = false; }), "CAP.DWD"));
    CHECK(names(problem([](VtdParams& p) { p.queued_invalidation = false; }), "needs QI"));
    CHECK(names(problem([](VtdParams& p) { p.fault_record_offset = 0xDF0; }), "CAP.FRO"));
    CHECK(names(problem([](VtdParams& p) { p.iotlb_offset = 0x230; }), "overlap"));
    CHECK(names(problem([](VtdParams& p) { p.guest_address_width = 45; }), "CAP.MGAW"));
    CHECK(names(problem([](VtdParams& p) { p.raw_cap = 7; }), "CAP.ND"));
}
