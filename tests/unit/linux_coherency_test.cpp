// Forced snooping of second-stage domains, and address spaces of /dev/iommu over units that differ.
#include <doctest/doctest.h>

#include "models/linux/coherency_probes.hpp"
#include "models/linux/iommufd.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

constexpr std::uint64_t kUnit1 = kUnit0 + vtd::kRegisterBytes;
constexpr std::uint64_t kIova = 0x40'0000;

void add(Kernel& kernel, const std::string& name, IommuDriver& unit, std::uint16_t rid,
         const std::string& group = "") {
    DeviceSetup setup;
    setup.name = name;
    setup.iommu = &unit;
    setup.rid = Rid{rid};
    setup.for_users = true;
    setup.bar0 = 0xE100'0000;
    setup.bar0_bytes = kPageSize;
    setup.configuration = 0xC000'0000;
    setup.group = group;
    kernel.add_device(std::move(setup));
}

// iommu0 forces snooping, iommu1 cannot. "able" and "able2" are behind the one, "odd" and "odd2"
// behind the other; "twin" and "sister" are one group.
struct Units {
    explicit Units(const KernelParams& params = kernel_param_table().defaults(),
                   const std::vector<const Defect*>& defects = {})
        : host(
              defects, {},
              [](FakeMachine& machine, KernelConfig&) {
                  machine.cap |= vtd::cap::kSagaw.make(4) | vtd::cap::kMgaw.make(47);
                  machine.ecap_at[kUnit1] = machine.ecap;
                  machine.ecap |= vtd::ecap::kSc.make(1);
              },
              params,
              [](Kernel& kernel) {
                  IommuDriver& first = *kernel.find_iommu("iommu0");
                  IommuDriver& second = kernel.add_iommu("iommu1", kUnit1);
                  add(kernel, "able", first, 0x20);
                  add(kernel, "able2", first, 0x28);
                  add(kernel, "odd", second, 0x30);
                  add(kernel, "odd2", second, 0x38);
                  add(kernel, "twin", first, 0x40, "g");
                  add(kernel, "sister", first, 0x48, "g");
              }) {
        for (const char* name : {"able", "able2", "odd", "odd2", "twin", "sister"}) {
            REQUIRE(host.kernel->device_groups().bind_driver(host.ctx, device(name),
                                                             DriverKind::Vfio, 64) == Errno::Ok);
        }
        CHECK(fd().open(host.ctx, "vmm", "F") == Errno::Ok);
        CHECK(fd().alloc_space(host.ctx, "F", "A", SnoopWish::Auto) == Errno::Ok);
    }
    Device& device(const std::string& name) { return *host.kernel->find_device(name); }
    Iommufd& fd() { return host.kernel->iommufd(); }
    IommuSpace& space(const std::string& name = "A") { return *fd().space(name); }
    Errno attach(const std::string& name, const std::string& to = "A") {
        static_cast<void>(fd().open_device(host.ctx, "vmm", device(name)));
        static_cast<void>(fd().bind(host.ctx, device(name), "F"));
        return fd().attach(host.ctx, device(name), to);
    }
    Errno map(const std::string& name = "A") {
        return space(name).map(host.ctx, kIova, {0x20'0000, 0x20'1000});
    }
    bool snooped(std::size_t domain) {
        const auto leaf = space().domain(domain).leaf_entry(host.ctx, kIova);
        REQUIRE(leaf);
        return (*leaf & vtd::ss::kSnoop) != 0;
    }

    Host host;
    KvmCoherency coherency{*host.kernel, "vm1"};
    KvmVfio kvm{*host.kernel, "vm1", coherency};
};

struct OneDomain {
    explicit OneDomain(const std::string& device, const std::vector<const Defect*>& defects = {})
        : u(kernel_param_table().defaults(), defects), domain(*u.host.kernel, unit(device), "vmm") {
        REQUIRE(domain.create(u.host.ctx) == Errno::Ok);
        REQUIRE(domain.attach(u.host.ctx, u.device(device)) == Errno::Ok);
    }
    IommuDriver& unit(const std::string& device) { return u.device(device).iommu(); }
    Units u;
    IommuDomain domain;
};

}  // namespace

TEST_CASE("coherency: a domain is forced to snoop before something is mapped, and for good") {
    OneDomain d{"able"};
    CHECK(d.domain.enforce_coherency() == Errno::Ok);
    CHECK(d.domain.map(d.u.host.ctx, kIova, {0x20'0000}, {}) == Errno::Ok);
    const auto leaf = d.domain.leaf_entry(d.u.host.ctx, kIova);
    REQUIRE(leaf);
    CHECK((*leaf & vtd::ss::kSnoop) != 0);
    CHECK(d.domain.enforce_coherency() == Errno::Ok);
}

TEST_CASE("coherency: with a mapping there forcing is refused, and nothing changes") {
    OneDomain d{"able"};
    CHECK(d.domain.map(d.u.host.ctx, kIova, {0x20'0000}, {}) == Errno::Ok);
    const auto before = d.domain.leaf_entry(d.u.host.ctx, kIova);
    CHECK(d.domain.enforce_coherency() == Errno::Einval);
    CHECK_FALSE(d.domain.enforces_coherency());
    CHECK(*d.domain.leaf_entry(d.u.host.ctx, kIova) == *before);
    CHECK(d.domain.unmap(d.u.host.ctx, kIova, kPageSize) == Errno::Ok);
    CHECK(d.domain.enforce_coherency() == Errno::Ok);
}

TEST_CASE("coherency: a unit without snoop control refuses, and its devices cannot join later") {
    OneDomain odd{"odd"};
    CHECK(odd.domain.enforce_coherency() == Errno::Einval);
    OneDomain able{"able"};
    CHECK(able.domain.enforce_coherency() == Errno::Ok);
    CHECK(able.domain.attach(able.u.host.ctx, able.u.device("odd")) == Errno::Einval);
    CHECK(able.domain.devices().size() == 1);
}

TEST_CASE("coherency: units that differ get a table each, whoever comes first") {
    for (const auto& [first, second] : {std::pair{"able", "odd"}, std::pair{"odd", "able"}}) {
        Units u;
        CHECK(u.map() == Errno::Ok);
        CHECK(u.attach(first) == Errno::Ok);
        CHECK(u.attach(second) == Errno::Ok);
        REQUIRE(u.space().domains() == 2);
        CHECK(u.snooped(0) == (std::string(first) == "able"));
        CHECK(u.snooped(1) == (std::string(second) == "able"));
        CHECK_FALSE(u.space().enforces_coherency());
    }
}

TEST_CASE("coherency: devices of units that agree share a table") {
    Units u;
    CHECK(u.attach("able") == Errno::Ok);
    CHECK(u.attach("able2") == Errno::Ok);
    CHECK(u.space().domains() == 1);
    CHECK(u.space().enforces_coherency());
}

TEST_CASE("coherency: when the odd device leaves, the other table is what it always was") {
    Units u;
    CHECK(u.map() == Errno::Ok);
    CHECK(u.attach("able") == Errno::Ok);
    const std::uint64_t root = u.space().domain(0).table().root;
    CHECK(u.attach("odd") == Errno::Ok);
    CHECK(u.fd().detach(u.host.ctx, u.device("odd")) == Errno::Ok);
    REQUIRE(u.space().domains() == 1);
    CHECK(u.space().domain(0).table().root == root);
    CHECK(u.snooped(0));
}

TEST_CASE("coherency: with one answer for all the forced table is built anew without SNP") {
    KernelParams params = kernel_param_table().defaults();
    params.coherency_one_for_all = true;
    Units u{params};
    CHECK(u.map() == Errno::Ok);
    CHECK(u.attach("able") == Errno::Ok);
    CHECK(u.snooped(0));
    CHECK(u.attach("odd") == Errno::Ok);
    for (std::size_t i = 0; i < u.space().domains(); ++i) {
        CHECK_FALSE(u.snooped(i));
    }
    CHECK(u.fd().detach(u.host.ctx, u.device("odd")) == Errno::Ok);
    CHECK_FALSE(u.snooped(0));
    CHECK(u.attach("able2") == Errno::Ok);
    CHECK_FALSE(u.space().enforces_coherency());
}

TEST_CASE("coherency: the wish of an address space is fixed when it is allocated") {
    Units u;
    CHECK(u.fd().alloc_space(u.host.ctx, "F", "E", SnoopWish::Enforce) == Errno::Ok);
    CHECK(u.fd().alloc_space(u.host.ctx, "F", "N", SnoopWish::None) == Errno::Ok);
    CHECK(u.attach("odd", "E") == Errno::Einval);
    CHECK(u.attach("able", "E") == Errno::Ok);
    CHECK(u.attach("able2", "N") == Errno::Ok);
    CHECK_FALSE(u.space("N").enforces_coherency());
}

TEST_CASE("coherency: KVM is asked again when a device joins or leaves") {
    Units u;
    u.kvm.create(u.host.ctx);
    CHECK(u.kvm.add(u.host.ctx, u.fd().file("F")) == Errno::Ok);
    CHECK(u.attach("odd") == Errno::Ok);
    CHECK(u.coherency.noncoherent() == 1);
    CHECK(u.attach("odd2") == Errno::Ok);
    CHECK(u.fd().detach(u.host.ctx, u.device("odd")) == Errno::Ok);
    CHECK(u.coherency.noncoherent() == 1);
    CHECK(u.fd().detach(u.host.ctx, u.device("odd2")) == Errno::Ok);
    CHECK(u.coherency.noncoherent() == 0);
    u.kvm.release(u.host.ctx);
}

TEST_CASE("coherency: a promise to KVM refuses the device that would break it, no other") {
    KernelParams params = kernel_param_table().defaults();
    params.coherency_promise = true;
    Units u{params};
    u.kvm.create(u.host.ctx);
    CHECK(u.kvm.add(u.host.ctx, &u.space()) == Errno::Ok);
    CHECK(u.attach("odd") == Errno::Ebusy);
    CHECK(u.space().domains() == 0);
    CHECK(u.attach("able") == Errno::Ok);
    CHECK(u.kvm.remove(u.host.ctx, &u.space()) == Errno::Ok);
    CHECK(u.attach("odd") == Errno::Ok);
}

TEST_CASE("coherency: a group is attached as one and leaves with its last device") {
    Units u;
    CHECK(u.attach("twin") == Errno::Ok);
    CHECK(u.space().domain(0).devices().size() == 2);
    CHECK(u.fd().alloc_space(u.host.ctx, "F", "B", SnoopWish::Auto) == Errno::Ok);
    CHECK(u.attach("sister", "B") == Errno::Einval);
    CHECK(u.fd().attach(u.host.ctx, u.device("sister"), "A") == Errno::Ok);
    CHECK(u.fd().detach(u.host.ctx, u.device("twin")) == Errno::Ok);
    CHECK(u.space().domain(0).devices().size() == 2);
    CHECK(u.fd().detach(u.host.ctx, u.device("sister")) == Errno::Ok);
    CHECK(u.space().domains() == 0);
}

TEST_CASE("iommufd: a closed file lives as long as a device or KVM holds it") {
    Units u;
    u.kvm.create(u.host.ctx);
    CHECK(u.attach("able") == Errno::Ok);
    CHECK(u.kvm.add(u.host.ctx, u.fd().file("F")) == Errno::Ok);
    IommuFile* const file = u.fd().file("F");
    CHECK(u.fd().close(u.host.ctx, "F") == Errno::Ok);
    CHECK(u.fd().file("F") == nullptr);
    CHECK(u.fd().close(u.host.ctx, "F") == Errno::Ebadf);
    CHECK(file->held());
    CHECK(u.host.kernel->device_groups().group_of(u.device("able")).domain != nullptr);
    CHECK(u.fd().close_device(u.host.ctx, "vmm", u.device("able")) == Errno::Ok);
    CHECK(file->held());
    u.kvm.release(u.host.ctx);
    CHECK_FALSE(file->held());
}

TEST_CASE("iommufd: the end of a process closes its files and takes its devices back") {
    Units u;
    CHECK(u.attach("able") == Errno::Ok);
    u.fd().close_all(u.host.ctx, "vmm");
    CHECK(u.fd().file("F") == nullptr);
    CHECK(u.host.kernel->device_groups().group_of(u.device("able")).domain == nullptr);
}

TEST_CASE(
    "vfio: groups whose units differ in snooping get a table each; the container's answer is one") {
    Units u;
    Process& app = u.host.process("host/app");
    Vfio& vfio = u.host.kernel->vfio();
    DeviceGroups& groups = u.host.kernel->device_groups();
    REQUIRE(vfio.open(u.host.ctx, app, "C") == Errno::Ok);
    CHECK(vfio.join(u.host.ctx, app, "C", *groups.find("able")) == Errno::Ok);
    CHECK(vfio.join(u.host.ctx, app, "C", *groups.find("odd")) == Errno::Ok);
    VfioContainer& container = *vfio.container(app, "C");
    REQUIRE(container.set_backend(u.host.ctx, VfioContainer::Backend::Type1) == Errno::Ok);
    CHECK(container.domains() == 2);
    CHECK_FALSE(vfio.kvm_file(*groups.find("able"))->enforces_coherency());
    CHECK(vfio.leave(u.host.ctx, app, *groups.find("odd")) == Errno::Ok);
    CHECK(container.domains() == 1);
    CHECK(vfio.kvm_file(*groups.find("able"))->enforces_coherency());
}

}  // namespace ioasim::os::test
