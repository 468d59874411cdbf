#include <doctest/doctest.h>

#include <algorithm>

#include "models/linux/linux_probes.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

std::size_t write_position(const FakeMachine& machine, std::uint64_t address,
                           std::uint64_t mask = 0) {
    const auto found = std::find_if(machine.writes.begin(), machine.writes.end(),
                                    [&](const FakeMachine::Write& w) {
                                        return w.address == address && (w.value & mask) == mask;
                                    });
    return static_cast<std::size_t>(found - machine.writes.begin());
}

// The PASID entry's quadwords as they are in memory, found by the tables alone.
vtd::PasidQwords entry_in_memory(Host& host, Rid rid, std::uint32_t pasid) {
    const std::uint64_t rtaddr =
        host.machine.writes.at(write_position(host.machine, kUnit0 + vtd::reg::kRtaddr)).value;
    const std::uint64_t root = rtaddr & vtd::rtaddr::kAddress;
    const std::uint64_t contexts = host.machine.qword(root) & vtd::kTableAddress;
    const std::uint64_t context =
        host.machine.qword(vtd::context_entry_address(Hpa{contexts}, rid).value());
    const std::uint64_t slot =
        host.machine.qword((context & vtd::kTableAddress) + (pasid >> 6U) * 8);
    vtd::PasidQwords words{};
    host.machine.peek((slot & vtd::kTableAddress) + (pasid & 0x3FU) * 64, words.data(),
                      sizeof(words));
    return words;
}

std::vector<vtd::InvalidationType> types_of(const std::vector<vtd::Descriptor>& descriptors) {
    std::vector<vtd::InvalidationType> types;
    for (const vtd::Descriptor& d : descriptors) {
        types.push_back(vtd::type_of(d));
    }
    return types;
}

TEST_CASE("iommu probe: queue, then root table in scalable mode, then translation") {
    Host host;
    REQUIRE(host.boot_result == Errno::Ok);
    const std::size_t qie = write_position(host.machine, kUnit0 + vtd::reg::kGcmd, vtd::gcmd::kQie);
    const std::size_t root = write_position(host.machine, kUnit0 + vtd::reg::kRtaddr);
    const std::size_t srtp =
        write_position(host.machine, kUnit0 + vtd::reg::kGcmd, vtd::gcmd::kSrtp);
    const std::size_t te = write_position(host.machine, kUnit0 + vtd::reg::kGcmd, vtd::gcmd::kTe);
    CHECK(qie < root);
    CHECK(root < srtp);
    CHECK(srtp < te);
    CHECK(te < host.machine.writes.size());
    CHECK((host.machine.writes[root].value & 0xC00U) == 0x400U);  // TTM = 01
    const std::size_t iqa = write_position(host.machine, kUnit0 + vtd::reg::kIqa);
    CHECK((host.machine.writes[iqa].value & 0xFFFU) == 0x801U);  // 256-bit, 256 entries
}

TEST_CASE("iommu probe: a unit that cannot flush at SRTP is flushed context, PASID, IOTLB") {
    Host host({}, {}, [](FakeMachine& machine, KernelConfig&) {
        machine.cap &= ~vtd::cap::kEsrtps.mask();
    });
    REQUIRE(host.machine.descriptors.size() >= 6);
    CHECK(host.machine.descriptors[0][0] == 0x11);
    CHECK(host.machine.descriptors[2][0] == 0x37);
    CHECK(host.machine.descriptors[4][0] == 0xD2);
}

TEST_CASE("iommu probe: a unit without scalable mode is refused") {
    Host host({}, {}, [](FakeMachine& machine, KernelConfig&) {
        machine.ecap &= ~vtd::ecap::kSmts.mask();
    });
    CHECK(host.boot_result == Errno::Enodev);
}

TEST_CASE("iommu probe: a unit that never confirms a command is given up in time") {
    struct Deaf final : MachinePort {
        FakeMachine inner;
        std::uint64_t load(ExecContext& c, std::uint64_t a, unsigned s) override {
            return inner.load(c, a, s);
        }
        void store(ExecContext& c, std::uint64_t a, std::uint64_t v, unsigned s) override {
            inner.store(c, a, v, s);
        }
        void read_bytes(ExecContext& c, std::uint64_t a, void* o, std::size_t n) override {
            inner.read_bytes(c, a, o, n);
        }
        void write_bytes(ExecContext& c, std::uint64_t a, const void* i, std::size_t n) override {
            inner.write_bytes(c, a, i, n);
        }
        std::uint64_t mmio_read(ExecContext& c, std::uint64_t a, unsigned s) override {
            return a == kUnit0 + vtd::reg::kGsts ? (c.spend(TimePs{1000}), 0)
                                                 : inner.mmio_read(c, a, s);
        }
        void mmio_write(ExecContext&, std::uint64_t, std::uint64_t, unsigned) override {}
    };
    Host host;
    Deaf deaf;
    ImmediateContext ctx{host.monitor, "host/deaf", &deaf};
    IommuDriver driver{*host.kernel, "iommu1", kUnit0};
    CHECK(driver.probe(ctx) == Errno::Etimedout);
    CHECK(ctx.now() < host.kernel->params().iommu_timeout * 2);
}

TEST_CASE(
    "context entry: present, PASIDs on, a directory for 20 bits, device TLB as the function has") {
    Host host;
    const std::uint64_t root =
        host.machine.writes.at(write_position(host.machine, kUnit0 + vtd::reg::kRtaddr)).value &
        vtd::rtaddr::kAddress;
    const std::uint64_t contexts = host.machine.qword(root) & vtd::kTableAddress;
    CHECK((host.machine.qword(contexts + 8 * 32) & 0xFFFU) == 0xE09U);   // dsa0: no ATS
    CHECK((host.machine.qword(contexts + 16 * 32) & 0xFFFU) == 0xE0DU);  // dsa1: DTE
}

TEST_CASE("PASID entry: first stage, as the specification's worked example") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1234'5000, "x") ==
            Errno::Ok);
    const vtd::PasidQwords words = entry_in_memory(host, Rid{8}, 5);
    CHECK(words[0] == 0x49);
    CHECK(words[1] == 0x80'0001);
    CHECK(words[2] == 0x1234'5000);
}

TEST_CASE("PASID entry: without a second stage its address width stays 0, as it is reserved") {
    Host host({}, {}, [](FakeMachine& machine, KernelConfig&) {
        machine.ecap &= ~(vtd::ecap::kSsts.mask() | vtd::ecap::kNest.mask());
    });
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1234'5000, "x") ==
            Errno::Ok);
    CHECK(entry_in_memory(host, Rid{8}, 5)[0] == 0x41);
}

TEST_CASE("PASID entry: nested, guest address in the first-stage pointer") {
    Host host;
    const SecondStage stage2{0x200'0000, DomainId{2}};
    REQUIRE(host.unit().set_nested(host.ctx, host.dsa0(), Pasid{201}, Gpa{0x7000}, stage2, "vm1") ==
            Errno::Ok);
    const vtd::PasidQwords words = entry_in_memory(host, Rid{8}, 201);
    CHECK(words[0] == 0x200'00C9);
    CHECK(words[1] == 0x80'0002);
    CHECK(words[2] == 0x7000);
}

TEST_CASE("PASID entry: a domain id that the unit does not have is refused") {
    Host host({}, {},
              [](FakeMachine& machine, KernelConfig&) { machine.cap &= ~vtd::cap::kNd.mask(); });
    const SecondStage last{0x200'0000, DomainId{15}};
    CHECK(host.unit().set_nested(host.ctx, host.dsa0(), Pasid{201}, Gpa{0x7000}, last, "vm1") ==
          Errno::Ok);
    const SecondStage beyond{0x200'0000, DomainId{16}};
    CHECK(host.unit().set_nested(host.ctx, host.dsa0(), Pasid{202}, Gpa{0x7000}, beyond, "vm2") ==
          Errno::Enospc);
}

TEST_CASE("PASID entry: one that is present is not overwritten") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    CHECK(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x2000, "x") ==
          Errno::Ebusy);
    CHECK(entry_in_memory(host, Rid{8}, 5)[2] == 0x1000);
    CHECK(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{0}, 0x2000, "x") ==
          Errno::Einval);
}

TEST_CASE("PASID entry: tables are per device") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    CHECK_FALSE((*host.unit().read_entry(host.ctx, host.dsa0(), Pasid{5})).present == false);
    CHECK(host.unit().read_entry(host.ctx, host.dsa1(), Pasid{5}).error() == Errno::Enoent);
}

TEST_CASE("teardown of a first-stage entry: PASID cache, IOTLB of the PASID, wait, fence") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    host.machine.descriptors.clear();
    REQUIRE(host.unit().teardown(host.ctx, host.dsa0(), Pasid{5}, false) == Errno::Ok);
    using Type = vtd::InvalidationType;
    CHECK(types_of(host.machine.descriptors) == std::vector<Type>{Type::PasidCache,
                                                                  Type::PasidIotlb, Type::Wait,
                                                                  Type::Wait, Type::Wait});
    CHECK(host.machine.descriptors[0][0] == 0x5'0001'0017);
    CHECK(host.machine.descriptors[1][0] == 0x5'0001'0026);
    CHECK((host.machine.descriptors[3][0] & 0xFFU) == 0x45U);  // fence only
    CHECK(entry_in_memory(host, Rid{8}, 5) == vtd::PasidQwords{});
}

TEST_CASE("teardown of a nested entry: the whole domain, the device TLB where there is one") {
    Host host;
    const SecondStage stage2{0x200'0000, DomainId{2}};
    REQUIRE(host.unit().set_nested(host.ctx, host.dsa1(), Pasid{5}, Gpa{0x7000}, stage2, "vm1") ==
            Errno::Ok);
    host.machine.descriptors.clear();
    REQUIRE(host.unit().teardown(host.ctx, host.dsa1(), Pasid{5}, true) == Errno::Ok);
    using Type = vtd::InvalidationType;
    const auto types = types_of(host.machine.descriptors);
    REQUIRE(types.size() >= 4);
    CHECK(types[0] == Type::PasidCache);
    CHECK(host.machine.descriptors[1][0] == 0x200E2);  // domain-selective, drain reads and writes
    CHECK(types[2] == Type::PasidDeviceTlb);
    CHECK(types[3] == Type::Wait);
    CHECK(entry_in_memory(host, Rid{16}, 5)[0] == 0x2);  // fault processing stays disabled
}

TEST_CASE("teardown: the entry is not present before the unit hears of it") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    host.machine.queue_hangs = true;
    CHECK(host.unit().teardown(host.ctx, host.dsa0(), Pasid{5}, false) == Errno::Etimedout);
    CHECK((entry_in_memory(host, Rid{8}, 5)[0] & 1U) == 0);
}

TEST_CASE("teardown: of what is not there is refused") {
    Host host;
    CHECK(host.unit().teardown(host.ctx, host.dsa0(), Pasid{5}, false) == Errno::Enoent);
}

TEST_CASE("teardown defects: each omits its own invalidation") {
    using Type = vtd::InvalidationType;
    for (const auto& [defect, missing] :
         {std::pair{&kSkipIotlbInvalidation, Type::PasidIotlb},
          std::pair{&kNoPasidCacheInvalidation, Type::PasidCache}}) {
        Host host({defect});
        REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") ==
                Errno::Ok);
        host.machine.descriptors.clear();
        REQUIRE(host.unit().teardown(host.ctx, host.dsa0(), Pasid{5}, false) == Errno::Ok);
        const auto types = types_of(host.machine.descriptors);
        CHECK(std::count(types.begin(), types.end(), missing) == 0);
        CHECK(types.size() == 4);
    }
}

TEST_CASE("invalidation queue: a refused descriptor is reported and the queue goes on") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    host.machine.refuse_next = true;
    CHECK(host.unit().flush_pasid(host.ctx, host.dsa0(), Pasid{5}) == Errno::Einval);
    CHECK(host.unit().flush_pasid(host.ctx, host.dsa0(), Pasid{5}) == Errno::Ok);
}

TEST_CASE("invalidation queue: the ring wraps without losing a descriptor") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    host.machine.descriptors.clear();
    for (int i = 0; i < 300; ++i) {
        REQUIRE(host.unit().flush_pasid(host.ctx, host.dsa0(), Pasid{5}) == Errno::Ok);
    }
    CHECK(host.machine.descriptors.size() == 600);
}

TEST_CASE("invalidation queue: a unit that stopped does not make the ring overflow") {
    Host host;
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    host.machine.queue_hangs = true;
    for (int i = 0; i < 200; ++i) {
        REQUIRE(host.unit().flush_pasid(host.ctx, host.dsa0(), Pasid{5}) == Errno::Etimedout);
    }
    host.machine.queue_hangs = false;
    host.machine.descriptors.clear();
    host.ctx.mmio_write(kUnit0 + vtd::reg::kFsts, 0, 4);  // the unit comes back
    CHECK(host.machine.descriptors.size() <= 255);
    CHECK(host.unit().flush_pasid(host.ctx, host.dsa0(), Pasid{5}) == Errno::Ok);
}

TEST_CASE("caching mode: a new entry is announced to the unit") {
    Host host({}, {},
              [](FakeMachine& machine, KernelConfig&) { machine.cap |= vtd::cap::kCm.mask(); });
    host.machine.descriptors.clear();
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{5}, 0x1000, "x") == Errno::Ok);
    REQUIRE(host.machine.descriptors.size() == 3);
    CHECK(host.machine.descriptors[0][0] == 0x5'0001'0017);
}

}  // namespace
}  // namespace ioasim::os::test
