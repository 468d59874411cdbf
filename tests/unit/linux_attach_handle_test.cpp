#include <doctest/doctest.h>

#include "models/linux/linux_probes.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

struct Bound {
    explicit Bound(Host& h, const std::string& name = "host/app")
        : host(h),
          process(h.process(name)),
          id(*h.kernel->sva().mm_pasid(h.ctx, process, h.dsa0(), 1, 0xFFFFF)) {}
    Errno bind(Device& device) { return host.kernel->sva().bind(host.ctx, process, device, id); }
    Errno unbind(Device& device) {
        return host.kernel->sva().unbind(host.ctx, process, device, id);
    }
    Pasid pasid() const { return Pasid{id.value()}; }
    Host& host;
    Process& process;
    Ioasid id;
};

std::unique_ptr<PasidDomain> unmanaged(Host& host) {
    return std::make_unique<PasidDomain>(DomainType::Unmanaged, host.kernel->intern("host/other"));
}

TEST_CASE("attach handle: the same mm and device again is the same handle with one user more") {
    Host host;
    Bound app{host};
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    const auto first = *host.dsa0().group()->handle_get(host.ctx, app.pasid(), DomainType::Sva);
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    const auto again = *host.dsa0().group()->handle_get(host.ctx, app.pasid(), DomainType::Sva);
    CHECK(again.get() == first.get());
    CHECK(first->users == 2);
    CHECK(first->domain->users == 1);
    CHECK(host.log.count("vtd.pasid_entry_set") == 1);
    CHECK(app.unbind(host.dsa0()) == Errno::Ok);
    CHECK(first->attached);
    CHECK(app.unbind(host.dsa0()) == Errno::Ok);
    CHECK_FALSE(first->attached);
    CHECK(app.unbind(host.dsa0()) == Errno::Enoent);
}

TEST_CASE("attach handle: look-up by type, bare domains and reservations") {
    Host host;
    IommuGroup& group = *host.dsa0().group();
    const Pasid pasid{7};
    const auto get = [&](DomainType type) { return group.handle_get(host.ctx, pasid, type); };
    CHECK(get(DomainType::Any).error() == Errno::Enoent);
    REQUIRE(group.reserve(host.ctx, pasid) == Errno::Ok);
    CHECK(get(DomainType::Any).error() == Errno::Enoent);
    CHECK(group.reserve(host.ctx, pasid) == Errno::Ebusy);
    group.erase(host.ctx, pasid);
    REQUIRE(group.attach(host.ctx, pasid, unmanaged(host), true) == Errno::Ok);
    CHECK(get(DomainType::Any).ok());
    CHECK(get(DomainType::Unmanaged).ok());
    CHECK(get(DomainType::Sva).error() == Errno::Ebusy);
    REQUIRE(group.detach(host.ctx, pasid) == Errno::Ok);
    REQUIRE(group.attach(host.ctx, pasid, unmanaged(host), false) == Errno::Ok);
    CHECK(get(DomainType::Any).error() == Errno::Ebusy);
    CHECK(get(DomainType::Unmanaged).error() == Errno::Ebusy);
    REQUIRE(group.detach(host.ctx, pasid) == Errno::Ok);
    CHECK(group.detach(host.ctx, pasid) == Errno::Enoent);
    CHECK(group.size() == 0);
}

TEST_CASE("attach handle: PASIDs that a device does not have are refused before the slot is") {
    Host host;
    IommuGroup& group = *host.dsa0().group();
    host.dsa0().set_pasid_bits(4);
    CHECK(group.attach(host.ctx, Pasid{0}, unmanaged(host), true) == Errno::Einval);
    CHECK(group.attach(host.ctx, Pasid{16}, unmanaged(host), true) == Errno::Einval);
    CHECK(group.attach(host.ctx, Pasid{15}, unmanaged(host), true) == Errno::Ok);
}

TEST_CASE("sva bind: errors in the order of the call") {
    Host host;
    Bound app{host};
    Sva& sva = host.kernel->sva();
    Device& lonely = host.kernel->add_device(
        {"dsa9", &host.unit(), Rid{72}, false, 1, kDsa0, kPortals0, {{"wq0"}}, 0, 0, false});
    CHECK(sva.mm_pasid(host.ctx, app.process, lonely, 1, 100).error() == Errno::Enodev);
    CHECK(app.bind(lonely) == Errno::Enodev);

    Process& wide = host.process("host/wide");
    const Ioasid high = *sva.alloc(host.ctx, wide, 16, 100);
    REQUIRE(sva.bind(host.ctx, wide, host.dsa0(), high) == Errno::Ok);
    host.dsa1().set_pasid_bits(4);
    CHECK(sva.mm_pasid(host.ctx, wide, host.dsa1(), 1, 100).error() == Errno::Eoverflow);
    CHECK(sva.bind(host.ctx, wide, host.dsa1(), high) == Errno::Eoverflow);
    CHECK(host.dsa1().group()->size() == 0);

    // 15 numbers fit, one is taken: the sixteenth address space gets none
    for (int i = 0; i < 14; ++i) {
        Process& other = host.process("host/p" + std::to_string(i));
        REQUIRE(sva.mm_pasid(host.ctx, other, host.dsa1(), 1, 0xFFFFF).ok());
    }
    Process& late = host.process("host/late");
    CHECK(sva.mm_pasid(host.ctx, late, host.dsa1(), 1, 0xFFFFF).error() == Errno::Enospc);
    CHECK(sva.mm_pasid(host.ctx, late, host.dsa0(), 1, 0xFFFFF).ok());
}

TEST_CASE("sva bind: a slot of somebody else is busy, and nothing is left of the attempt") {
    for (const bool with_handle : {true, false}) {
        Host host;
        Bound app{host};
        IommuGroup& group = *host.dsa0().group();
        REQUIRE(group.attach(host.ctx, app.pasid(), unmanaged(host), with_handle) == Errno::Ok);
        const auto entries = host.log.count("vtd.pasid_entry_set");
        CHECK(app.bind(host.dsa0()) == Errno::Ebusy);
        CHECK(host.log.count("vtd.pasid_entry_set") == entries);
        CHECK(host.refs(app.id) == 1);
        CHECK(app.process.mm_count == 1);
        REQUIRE(group.detach(host.ctx, app.pasid()) == Errno::Ok);
        CHECK(app.bind(host.dsa0()) == Errno::Ok);
    }
}

TEST_CASE("sva bind: another mm's handle is busy, and taken in the posted form") {
    for (const bool posted : {false, true}) {
        KernelParams params = kernel_param_table().defaults();
        params.sva_posted_form = posted;
        Host host({}, {}, {}, params);
        Bound app{host};
        Process& other = host.process("host/other");
        auto domain =
            std::make_unique<PasidDomain>(DomainType::Sva, host.kernel->intern(other.name));
        domain->process = &other;
        REQUIRE(host.dsa0().group()->attach(host.ctx, app.pasid(), std::move(domain), true) ==
                Errno::Ok);
        CHECK(app.bind(host.dsa0()) == (posted ? Errno::Ok : Errno::Ebusy));
        const auto handle =
            *host.dsa0().group()->handle_get(host.ctx, app.pasid(), DomainType::Sva);
        CHECK(handle->domain->process == &other);
        CHECK(handle->users == (posted ? 1 : 0));
    }
}

TEST_CASE("sva bind: every allocation that fails leaves everything as it was") {
    for (const FaultSite* site :
         {&kHandleAllocation, &kDomainAllocation, &kSlotAllocation, &kPageAllocation}) {
        CAPTURE(site->name());
        Host host;
        Bound app{host};
        const std::uint64_t pages = host.kernel->pages().free_pages();
        host.probes.fail_next(*site);
        CHECK(app.bind(host.dsa0()) == Errno::Enomem);
        CHECK(host.dsa0().group()->size() == 0);
        CHECK(host.refs(app.id) == 1);
        CHECK(app.process.mm_count == 1);
        CHECK(host.kernel->pages().free_pages() == pages);
        CHECK_FALSE(host.kernel->sva().entry_live(app.id));
        CHECK(app.bind(host.dsa0()) == Errno::Ok);
    }
}

TEST_CASE("sva bind: without memory for the mm's PASID data no PASID is taken") {
    Host host;
    Process& app = host.process("host/app");
    host.probes.fail_next(kIommuMmAllocation);
    Sva& sva = host.kernel->sva();
    CHECK(sva.mm_pasid(host.ctx, app, host.dsa0(), 1, 100).error() == Errno::Enomem);
    CHECK_FALSE(app.pasid.has_value());
    CHECK(host.log.count("ioasid.alloc") == 0);
    CHECK(sva.mm_pasid(host.ctx, app, host.dsa0(), 1, 100).ok());
}

TEST_CASE("sva: the PASID lives as long as the mm_struct, whoever holds it") {
    Host host;
    Bound app{host};
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    CHECK(app.process.mm_count == 2);
    REQUIRE(app.unbind(host.dsa0()) == Errno::Ok);
    CHECK(app.process.mm_count == 1);
    CHECK(app.process.pasid == app.pasid());
    REQUIRE(host.kernel->mm_grab(host.ctx, app.process) == Errno::Ok);
    host.kernel->exit_process(host.ctx, app.process, "killed", Kernel::ExitOrder::MmFirst);
    CHECK(host.core->view(app.id).has_value());
    host.kernel->mm_drop(host.ctx, app.process);
    CHECK_FALSE(host.core->view(app.id).has_value());
    CHECK(host.kernel->mm_grab(host.ctx, app.process) == Errno::Esrch);
}

TEST_CASE("exit: the address space goes first, its entries disabled, and unbind finds them so") {
    Host host;
    Bound app{host};
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    REQUIRE(app.bind(host.dsa1()) == Errno::Ok);
    host.kernel->sva().mm_release(host.ctx, app.process);
    for (Device* device : {&host.dsa0(), &host.dsa1()}) {
        const auto entry = host.unit().read_entry(host.ctx, *device, app.pasid());
        CHECK_FALSE((*entry).present);
        CHECK((*entry).fpd);
        CHECK(device->group()->domain_at(app.pasid()) != nullptr);
    }
    CHECK(app.unbind(host.dsa0()) == Errno::Ok);
    CHECK_FALSE((*host.unit().read_entry(host.ctx, host.dsa0(), app.pasid())).fpd);
    CHECK(app.unbind(host.dsa1()) == Errno::Ok);
    CHECK_FALSE(host.kernel->sva().entry_live(app.id));
}

TEST_CASE("reset: the entry of an address space that goes meanwhile is disabled until the unbind") {
    Host host;
    Bound app{host};
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    IommuGroup& group = *host.dsa0().group();
    const auto entry = [&] { return *host.unit().read_entry(host.ctx, host.dsa0(), app.pasid()); };
    std::uint32_t pasids = 0;
    REQUIRE(group.begin_reset());
    CHECK(group.block(host.ctx, pasids) == Errno::Ok);
    CHECK(pasids == 1);
    CHECK_FALSE(entry().present);
    CHECK_FALSE(entry().fpd);
    host.kernel->sva().mm_release(host.ctx, app.process);
    CHECK(entry().fpd);
    CHECK(group.unblock(host.ctx, pasids) == Errno::Ok);
    group.end_reset();
    CHECK(pasids == 0);
    CHECK_FALSE(entry().present);
    CHECK(entry().fpd);
    CHECK(app.unbind(host.dsa0()) == Errno::Ok);
    CHECK_FALSE(entry().fpd);
}

TEST_CASE("reset: what one left blocked the next one finds so, and brings back") {
    Host host;
    Bound app{host};
    REQUIRE(app.bind(host.dsa0()) == Errno::Ok);
    REQUIRE(host.dsa0().group()->attach(host.ctx, Pasid{50}, unmanaged(host), false) == Errno::Ok);
    IommuGroup& group = *host.dsa0().group();
    std::uint32_t pasids = 0;
    CHECK(group.block(host.ctx, pasids) == Errno::Ok);
    CHECK(group.block(host.ctx, pasids) == Errno::Ok);
    CHECK(pasids == 2);
    CHECK(group.detach(host.ctx, Pasid{50}) == Errno::Ok);
    CHECK(group.unblock(host.ctx, pasids) == Errno::Ok);
    CHECK(pasids == 1);
    CHECK((*host.unit().read_entry(host.ctx, host.dsa0(), app.pasid())).present);
    CHECK_FALSE((*host.unit().read_entry(host.ctx, host.dsa0(), Pasid{50})).present);
}

TEST_CASE("munmap: page table, then IOTLB and device TLB of the block, then the free list") {
    Host host;
    Bound app{host};
    host.machine.cap |= vtd::cap::kPsi.make(1) | vtd::cap::kMamv.make(9);
    REQUIRE(app.bind(host.dsa1()) == Errno::Ok);
    const std::uint64_t at = *app.process.mm.map_anonymous(host.ctx, 3 * kPageSize);
    host.machine.descriptors.clear();
    const std::uint64_t pages = host.kernel->pages().free_pages();
    REQUIRE(host.kernel->unmap(host.ctx, app.process, at) == Errno::Ok);
    CHECK(host.kernel->pages().free_pages() == pages + 3);
    CHECK(app.process.mm.translate(host.ctx, at, false).error() == Errno::Efault);
    REQUIRE(host.machine.descriptors.size() == 3);
    CHECK(vtd::type_of(host.machine.descriptors[0]) == vtd::InvalidationType::PasidIotlb);
    CHECK(vtd::type_of(host.machine.descriptors[1]) == vtd::InvalidationType::PasidDeviceTlb);
    CHECK(vtd::type_of(host.machine.descriptors[2]) == vtd::InvalidationType::Wait);
    CHECK(host.kernel->unmap(host.ctx, app.process, at) == Errno::Einval);
}

TEST_CASE("system set: taken before units are probed; without it there are no PASIDs") {
    for (const std::uint32_t capacity : {0x10000U, 0x1000U}) {
        KernelParams params = kernel_param_table().defaults();
        params.sva_system_set = true;
        params.sva_system_quota = 0x8000;
        Host host({}, {}, {}, params, {}, capacity);
        REQUIRE(host.boot_result == Errno::Ok);
        Process& app = host.process("host/app");
        const auto id = host.kernel->sva().mm_pasid(host.ctx, app, host.dsa0(), 1, 0xFFFFF);
        CHECK(id.ok() == (capacity > 0x8000));
        CHECK(host.dsa0().max_pasids() == (capacity > 0x8000 ? 0x100000 : 0));
        if (!id) {
            CHECK(id.error() == Errno::Enospc);
        }
    }
}

}  // namespace
}  // namespace ioasim::os::test
