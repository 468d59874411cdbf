#include <doctest/doctest.h>

#include <algorithm>

#include "models/linux/linux_probes.hpp"
#include "models/linux/vfio_info.hpp"
#include "models/linux/vfio_probes.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

constexpr std::uint64_t kUnit1 = kUnit0 + vtd::kRegisterBytes;
constexpr std::uint64_t k48Bits = 0xFFFF'FFFF'FFFF;
constexpr std::uint64_t k39Bits = 0x7F'FFFF'FFFF;

std::uint64_t widths(std::uint64_t sagaw, std::uint64_t bits) {
    return vtd::cap::kSagaw.make(sagaw) | vtd::cap::kMgaw.make(bits - 1) | vtd::cap::kPsi.make(1) |
           vtd::cap::kMamv.make(18);
}

// Two units: iommu0 walks four levels (48 bits), iommu1 three (39). Functions for user space:
// nic0 and nic1 behind iommu0, nic2 behind iommu1; the first device of a group names it.
struct Vfios {
    explicit Vfios(FirmwareTable nic1_firmware = {}, KernelParams params = defaults(),
                   const std::vector<const Defect*>& defects = {})
        : host(
              defects, {},
              [](FakeMachine& machine, KernelConfig&) {
                  machine.cap |= widths(4, 48);
                  machine.cap_at[kUnit1] = (machine.cap & ~widths(15, 64)) | widths(2, 39);
              },
              params,
              [&](Kernel& kernel) {
                  IommuDriver& second = kernel.add_iommu("iommu1", kUnit1);
                  add(kernel, "nic0", *kernel.find_iommu("iommu0"), 0x20, {});
                  add(kernel, "nic1", *kernel.find_iommu("iommu0"), 0x28, nic1_firmware);
                  add(kernel, "nic2", second, 0x30, {});
              }),
          app(host.process("host/app")) {
        for (const char* name : {"nic0", "nic1", "nic2"}) {
            REQUIRE(groups().bind_driver(host.ctx, device(name), DriverKind::Vfio, 64) ==
                    Errno::Ok);
        }
        REQUIRE(vfio().open(host.ctx, app, "C") == Errno::Ok);
        container = vfio().container(app, "C");
        buffer = app.mm.map_anonymous(host.ctx, 4 * kPageSize).value();
    }

    static KernelParams defaults() { return kernel_param_table().defaults(); }
    static void add(Kernel& kernel, const std::string& name, IommuDriver& unit, std::uint16_t rid,
                    FirmwareTable firmware) {
        DeviceSetup setup;
        setup.name = name;
        setup.iommu = &unit;
        setup.rid = Rid{rid};
        setup.for_users = true;
        setup.bar0 = 0xE100'0000;
        setup.bar0_bytes = kPageSize;
        setup.configuration = 0xC000'0000;
        setup.firmware = std::move(firmware);
        kernel.add_device(std::move(setup));
    }

    DeviceGroups& groups() { return host.kernel->device_groups(); }
    Vfio& vfio() { return host.kernel->vfio(); }
    Device& device(const std::string& name) { return *host.kernel->find_device(name); }
    Errno join(const std::string& group) {
        return vfio().join(host.ctx, app, "C", *groups().find(group));
    }
    // With nic0 and a backend.
    Vfios& ready() {
        REQUIRE(join("nic0") == Errno::Ok);
        REQUIRE(container->set_backend(host.ctx, VfioContainer::Backend::Type1) == Errno::Ok);
        host.machine.descriptors.clear();
        return *this;
    }
    Errno map(std::uint64_t iova, std::uint64_t size = kPageSize) {
        return container->map(host.ctx, {buffer, iova, size});
    }
    Result<std::uint64_t> unmap(std::uint64_t iova, std::uint64_t size = kPageSize) {
        return container->unmap(host.ctx, {iova, size});
    }
    std::size_t flushes(vtd::InvalidationType type = vtd::InvalidationType::Iotlb) {
        const auto& all = host.machine.descriptors;
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(),
                          [type](const vtd::Descriptor& d) { return vtd::type_of(d) == type; }));
    }

    Host host;
    Process& app;
    VfioContainer* container = nullptr;
    std::uint64_t buffer = 0;
};

FirmwareTable firmware(std::uint64_t first, std::uint64_t last, RegionType type) {
    return {{{first, last, type}}, 64};
}

TEST_CASE("vfio: a mapping is refused for the first reason in Linux's order") {
    KernelParams params = Vfios::defaults();
    params.dma_entry_limit = 1;
    params.memlock_pages = 3;
    Vfios v({}, params);
    CHECK(v.map(0x1000) == Errno::Einval);  // no backend
    v.ready();
    Vfios& r = v;
    CHECK(r.container->map(r.host.ctx, {r.buffer, 0x1000, kPageSize, 3, 31}) == Errno::Einval);
    CHECK(r.container->map(r.host.ctx, {r.buffer, 0x1000, kPageSize, 7}) == Errno::Einval);
    CHECK(r.container->map(r.host.ctx, {r.buffer, 0x1000, kPageSize, 0}) == Errno::Einval);
    CHECK(r.map(0x1000, 0) == Errno::Einval);
    CHECK(r.map(0x1800) == Errno::Einval);
    CHECK(r.map(0x1000, 0x800) == Errno::Einval);
    CHECK(r.map(kLastIova - 0xfff, 2 * kPageSize) == Errno::Einval);
    CHECK(r.map(0xfee0'0000) == Errno::Einval);
    CHECK(r.map(k48Bits + 1) == Errno::Einval);
    CHECK(r.map(0x1000, 4 * kPageSize) == Errno::Enomem);  // memlock: 3 pages
    CHECK(r.container->pinned_pages() == 0);
    CHECK(r.container->map(r.host.ctx, {0x5000'0000, 0x1000, kPageSize}) == Errno::Efault);
    CHECK(r.map(0x1000, 2 * kPageSize) == Errno::Ok);
    // No credit is left: the overlap is still told first, a hole is not.
    CHECK(r.map(0x2000) == Errno::Eexist);
    CHECK(r.map(0x9000) == Errno::Enospc);
    CHECK(r.map(0xfee0'0000) == Errno::Enospc);
}

TEST_CASE("vfio: a mapping that cannot be made everywhere is made nowhere") {
    Vfios v;
    v.ready();
    const std::uint64_t before = v.host.kernel->pages().free_pages();
    v.host.probes.fail_next(kPageAllocation);  // the first table below the root
    CHECK(v.map(0x1000, 2 * kPageSize) == Errno::Enomem);
    CHECK(v.container->pinned_pages() == 0);
    CHECK(v.container->mappings() == 0);
    CHECK(v.host.kernel->pins().pages() == 0);
    CHECK(v.host.kernel->pages().free_pages() == before);
    CHECK(v.map(0x1000, 2 * kPageSize) == Errno::Ok);
}

TEST_CASE("vfio: unmap returns what it unmapped and never cuts a mapping") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(0x1000, 2 * kPageSize) == Errno::Ok);
    REQUIRE(v.map(0x8000) == Errno::Ok);
    CHECK(v.unmap(0x2000).error() == Errno::Einval);
    CHECK(v.unmap(0x1000, 0).error() == Errno::Einval);
    CHECK(v.unmap(0x1001).error() == Errno::Einval);
    CHECK(v.unmap(0x4'0000).value() == 0);
    CHECK(v.unmap(0, 0x10 * kPageSize).value() == 3 * kPageSize);
    CHECK(v.container->pinned_pages() == 0);
}

TEST_CASE("vfio: unmap flushes the smallest aligned block of pages that holds the range") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(0x3000, 2 * kPageSize) == Errno::Ok);
    CHECK(v.flushes() == 0);  // not present before: nothing is cached
    REQUIRE(v.unmap(0x3000, 2 * kPageSize).ok());
    REQUIRE(v.flushes() == 1);
    const vtd::Descriptor& flush = v.host.machine.descriptors.front();
    CHECK(flush == vtd::iotlb_invalidate(vtd::IotlbGranularity::Page,
                                         v.container->domain(0).table().did, 0,
                                         3));  // pages 3 and 4: aligned to 8
}

TEST_CASE("vfio: the entry of requests without PASID leads to the domain until detach") {
    Vfios v;
    v.ready();
    const auto entry = v.host.unit().read_entry(v.host.ctx, v.device("nic0"), Pasid{0});
    REQUIRE(entry.ok());
    CHECK(entry.value().present);
    CHECK(entry.value().pgtt == vtd::TranslationType::SecondStage);
    CHECK(entry.value().aw == vtd::kAddressWidth48);
    CHECK(entry.value().second_stage == Hpa{v.container->domain(0).table().root});
    REQUIRE(v.map(0x1000) == Errno::Ok);
    CHECK(v.container->domain(0).translate(v.host.ctx, 0x1004).value() ==
          v.app.mm.translate(v.host.ctx, v.buffer, false).value() + 4);
    REQUIRE(v.vfio().close(v.host.ctx, v.app, "C") == Errno::Ok);
    CHECK_FALSE(v.host.unit().read_entry(v.host.ctx, v.device("nic0"), Pasid{0}).value().present);
    CHECK(v.flushes(vtd::InvalidationType::PasidCache) == 1);
    CHECK(v.host.kernel->pins().pages() == 0);
}

TEST_CASE(
    "vfio: groups behind equal units share a domain, others get their own with all mappings") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(0x1000) == Errno::Ok);
    CHECK(v.join("nic1") == Errno::Ok);
    CHECK(v.container->domains() == 1);
    CHECK(v.join("nic2") == Errno::Ok);
    REQUIRE(v.container->domains() == 2);
    CHECK(v.container->domain(1).translate(v.host.ctx, 0x1000).value() ==
          v.container->domain(0).translate(v.host.ctx, 0x1000).value());
    CHECK(v.container->usable().text() == "0x0-0xfedfffff, 0xfef00000-0x7fffffffff");
    CHECK(v.vfio().leave(v.host.ctx, v.app, *v.groups().find("nic2")) == Errno::Ok);
    CHECK(v.container->domains() == 1);
    CHECK(v.container->usable().span().last == k48Bits);
}

TEST_CASE("vfio: a narrower unit cannot join over a mapping that it does not reach") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(k39Bits + 1) == Errno::Ok);
    const IovaRanges before = v.container->usable();
    CHECK(v.join("nic2") == Errno::Einval);
    CHECK(v.container->usable() == before);
    CHECK(v.container->domains() == 1);
    REQUIRE(v.unmap(k39Bits + 1).ok());
    CHECK(v.join("nic2") == Errno::Ok);
    CHECK(v.map(k39Bits + 1) == Errno::Einval);
}

TEST_CASE("vfio: a reserved region over a mapping refuses the group and changes nothing") {
    Vfios v(firmware(0x10'0000, 0x1f'ffff, RegionType::Msi));
    v.ready();
    REQUIRE(v.map(0x10'0000) == Errno::Ok);
    const IovaRanges before = v.container->usable();
    CHECK(v.join("nic1") == Errno::Einval);
    CHECK(v.container->usable() == before);
    CHECK(v.container->domain(0).devices().size() == 1);
    REQUIRE(v.unmap(0x10'0000).ok());
    CHECK(v.join("nic1") == Errno::Ok);
    CHECK(v.container->usable().text() ==
          "0x0-0xfffff, 0x200000-0xfedfffff, 0xfef00000-0xffffffffffff");
}

TEST_CASE("vfio: relaxable regions are usable, direct ones keep a device from users") {
    Vfios relaxable(firmware(0, 0xff'ffff, RegionType::DirectRelaxable));
    relaxable.ready();
    REQUIRE(relaxable.map(0x1000) == Errno::Ok);
    CHECK(relaxable.join("nic1") == Errno::Ok);
    Vfios direct(firmware(0, 0xff'ffff, RegionType::Direct));
    direct.ready();
    CHECK(direct.join("nic1") == Errno::Eperm);
}

TEST_CASE("vfio: an attach that runs out of memory leaves nothing behind") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(0x1000) == Errno::Ok);
    const std::uint64_t before = v.host.kernel->pages().free_pages();
    const IovaRanges ranges = v.container->usable();
    v.host.probes.fail_next(kPageAllocation);
    CHECK(v.join("nic2") == Errno::Enomem);
    CHECK(v.container->usable() == ranges);
    CHECK(v.host.kernel->pages().free_pages() == before);
    CHECK(v.groups().find("nic2")->domain == nullptr);
    CHECK(v.join("nic2") == Errno::Ok);
}

TEST_CASE("vfio: backend, group and device files in the order of their conditions") {
    Vfios v;
    Process& other = v.host.process("host/other");
    REQUIRE(v.vfio().open(v.host.ctx, other, "D") == Errno::Ok);
    CHECK(v.container->set_backend(v.host.ctx, VfioContainer::Backend::Type1) == Errno::Einval);
    CHECK(v.vfio().join(v.host.ctx, v.app, "X", *v.groups().find("nic0")) == Errno::Ebadf);
    CHECK(v.vfio().open_device(v.host.ctx, v.app, v.device("nic0")) == Errno::Ebadf);
    CHECK(v.join("dsa0") == Errno::Enodev);
    CHECK(v.join("nic0") == Errno::Ok);
    CHECK(v.join("nic0") == Errno::Einval);
    CHECK(v.vfio().join(v.host.ctx, other, "D", *v.groups().find("nic0")) == Errno::Ebusy);
    CHECK(v.vfio().open_device(v.host.ctx, v.app, v.device("nic0")) == Errno::Einval);
    REQUIRE(v.container->set_backend(v.host.ctx, VfioContainer::Backend::Type1) == Errno::Ok);
    CHECK(v.container->set_backend(v.host.ctx, VfioContainer::Backend::Type1) == Errno::Einval);
    CHECK(v.vfio().open_device(v.host.ctx, v.app, v.device("nic0")) == Errno::Ok);
    CHECK(v.vfio().open_device(v.host.ctx, v.app, v.device("nic0")) == Errno::Ebusy);
    CHECK(v.vfio().leave(v.host.ctx, v.app, *v.groups().find("nic0")) == Errno::Ebusy);
    CHECK(v.groups().unbind_driver(v.host.ctx, v.device("nic0")) == Errno::Ebusy);
    CHECK(v.vfio().close_device(v.host.ctx, v.app, v.device("nic0")) == Errno::Ok);
    CHECK(v.vfio().leave(v.host.ctx, v.app, *v.groups().find("nic0")) == Errno::Ok);
    CHECK(v.groups().unbind_driver(v.host.ctx, v.device("nic0")) == Errno::Ok);
    CHECK(v.groups().unbind_driver(v.host.ctx, v.device("nic0")) == Errno::Enodev);
}

TEST_CASE("vfio: units without interrupt remapping need the administrator's permission") {
    KernelParams params = Vfios::defaults();
    params.unsafe_interrupts = false;
    Vfios v({}, params);
    REQUIRE(v.join("nic0") == Errno::Ok);
    CHECK(v.container->set_backend(v.host.ctx, VfioContainer::Backend::Type1) == Errno::Eperm);
    CHECK(v.container->backend() == VfioContainer::Backend::None);
    CHECK(v.container->domains() == 0);
}

TEST_CASE("vfio: IOASIDs need nesting, and go with the container unless somebody holds them") {
    Vfios v;
    REQUIRE(v.join("nic0") == Errno::Ok);
    CHECK(v.container->alloc_ioasid(v.host.ctx, 10, 20).error() == Errno::Enotsupp);
    REQUIRE(v.container->set_backend(v.host.ctx, VfioContainer::Backend::Nesting) == Errno::Ok);
    CHECK(v.join("nic1") == Errno::Einval);  // one domain only
    CHECK(v.container->alloc_ioasid(v.host.ctx, 20, 10).error() == Errno::Einval);
    const Ioasid first = v.container->alloc_ioasid(v.host.ctx, 10, 11).value();
    const Ioasid held = v.container->alloc_ioasid(v.host.ctx, 10, 11).value();
    CHECK(v.container->alloc_ioasid(v.host.ctx, 10, 11).error() == Errno::Enospc);
    const trace::Name holder = v.host.core->holder("kvm");
    REQUIRE(v.host.core->get(v.host.ctx, v.app.set, held, holder) == Errno::Ok);
    REQUIRE(v.vfio().close(v.host.ctx, v.app, "C") == Errno::Ok);
    CHECK_FALSE(v.host.core->view(first).has_value());
    CHECK(v.host.refs(held) == 1);
    CHECK(v.host.core->put(v.host.ctx, v.app.set, held, holder));
}

TEST_CASE("vfio: pages of a process that ends go back when its container is released") {
    Vfios v;
    v.ready();
    REQUIRE(v.map(0x1000, 4 * kPageSize) == Errno::Ok);
    const std::size_t owners = v.host.log.count("memory.owner");
    v.host.kernel->exit_process(v.host.ctx, v.app, "killed");
    CHECK(v.host.kernel->pins().pages() == 0);
    CHECK(v.vfio().container(v.app, "C") == nullptr);
    CHECK(v.host.log.before("vfio.unmap", "process.exit"));
    CHECK(v.host.log.count("memory.owner") >= owners + 4);  // page by page, with the last pin
}

TEST_CASE("device groups: dma_mask is 32 bits wide until a driver or firmware says otherwise") {
    KernelParams params = Vfios::defaults();
    params.address_limits = AddressLimits::DmaMask;
    FirmwareTable table;
    table.address_bits = 42;
    Vfios v(table, params);
    const auto last = [&](const char* group) {
        return v.groups().reserved(*v.groups().find(group)).text();
    };
    CHECK(last("nic0") == "0xfee00000-0xfeefffff msi, 0x100000000-0xffffffffffffffff reserved");
    CHECK(last("nic1") == "0xfee00000-0xfeefffff msi, 0x40000000000-0xffffffffffffffff reserved");
    REQUIRE(v.groups().unbind_driver(v.host.ctx, v.device("nic0")) == Errno::Ok);
    REQUIRE(v.groups().bind_driver(v.host.ctx, v.device("nic0"), DriverKind::Host, 64) ==
            Errno::Ok);
    CHECK(v.groups().bind_driver(v.host.ctx, v.device("nic0"), DriverKind::Vfio, 64) ==
          Errno::Ebusy);
    CHECK(last("nic0") == "0xfee00000-0xfeefffff msi");
}

}  // namespace
}  // namespace ioasim::os::test
