// Fault objects of /dev/iommu, page tables that name them, and functions that are stopped.
#include <doctest/doctest.h>

#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/iommufd.hpp"
#include "models/pcie/config_layout.hpp"
#include "tests/support/page_requests.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

using Codes = std::vector<std::uint64_t>;
constexpr std::uint64_t kConfiguration = 0xC000'0000;
constexpr std::uint64_t kIova = 0x40'0000;
constexpr Pasid kPasid{5};
constexpr std::uint64_t kRecord = fault_record::kBytes;

KernelParams with_storm(std::uint64_t requests) {
    KernelParams params = kernel_param_table().defaults();
    params.storm_groups = requests;
    params.storm_window = TimePs{1'000'000'000};
    return params;
}

// "nic" is attached to the page table "H", whose page requests go to "Q".
struct Served {
    explicit Served(const std::vector<const Defect*>& defects = {},
                    const KernelParams& params = kernel_param_table().defaults())
        : host(
              defects, {},
              [](FakeMachine& machine, KernelConfig&) {
                  machine.cap |= vtd::cap::kSagaw.make(4) | vtd::cap::kMgaw.make(47);
                  machine.ecap |= vtd::ecap::kPrs.make(1) | vtd::ecap::kPds.make(1);
                  machine.hardware_register(kConfiguration + pcie::config::kPasidCap) = 20U << 8U;
              },
              params,
              [](Kernel& kernel) {
                  DeviceSetup setup;
                  setup.name = "nic";
                  setup.iommu = kernel.find_iommu("iommu0");
                  setup.rid = Rid{0x20};
                  setup.ats = true;
                  setup.for_users = true;
                  setup.configuration = kConfiguration;
                  kernel.add_device(std::move(setup));
              }),
          process(host.kernel->create_process("vmm")) {
        REQUIRE(host.kernel->start_process(host.ctx, process) == Errno::Ok);
        buffer = *process.mm.map_anonymous(host.ctx, kPageSize);
        REQUIRE(host.kernel->device_groups().bind_driver(host.ctx, nic(), DriverKind::Vfio, 64) ==
                Errno::Ok);
        REQUIRE(fd().open(host.ctx, "vmm", "F") == Errno::Ok);
        REQUIRE(fd().alloc_space(host.ctx, "F", "A", SnoopWish::Auto) == Errno::Ok);
        REQUIRE(fd().open_device(host.ctx, "vmm", nic()) == Errno::Ok);
        REQUIRE(fd().bind(host.ctx, nic(), "F") == Errno::Ok);
        REQUIRE(fd().alloc_faults(host.ctx, "F", "Q", 0) == Errno::Ok);
        REQUIRE(alloc("H", "Q") == Errno::Ok);
        REQUIRE(alloc("G", "") == Errno::Ok);
        REQUIRE(fd().attach_pasid(host.ctx, nic(), "H", kPasid) == Errno::Ok);
        nic().set_page_requests(true);
        host.machine.descriptors.clear();
    }
    Errno alloc(const std::string& name, const std::string& faults) {
        return fd().alloc_hwpt(host.ctx, "A", name, nic(), faults, true);
    }
    Device& nic() { return *host.kernel->find_device("nic"); }
    Iommufd& fd() { return host.kernel->iommufd(); }
    FaultQueue& faults() { return *fd().faults("Q"); }
    void arrive(std::uint16_t group, bool last = true) {
        ioasim::test::arrive(host, Rid{0x20}, kPasid, kIova, group, last);
    }
    std::uint64_t read(std::uint64_t bytes) {
        const auto done = faults().read(host.ctx, process, buffer, bytes);
        REQUIRE(done);
        return *done;
    }
    Errno write(std::uint32_t cookie, std::uint32_t code, std::uint64_t bytes = 8) {
        const std::uint64_t word = cookie | std::uint64_t{code} << 32U;
        REQUIRE(process.mm.write(host.ctx, buffer, &word, sizeof word) == Errno::Ok);
        return faults().write(host.ctx, process, buffer, bytes).error();
    }
    Codes codes() const { return ioasim::test::response_codes(host); }

    Host host;
    Process& process;
    std::uint64_t buffer = 0;
};

}  // namespace

TEST_CASE("fault queue: whole groups, each under a cookie that is good for one answer") {
    Served f;
    f.arrive(3, false);
    CHECK(f.read(10 * kRecord) == 0);
    f.arrive(3);
    f.arrive(4);
    CHECK(f.read(kRecord) == 0);
    CHECK(f.read(2 * kRecord) == 2 * kRecord);
    CHECK(f.read(10 * kRecord) == kRecord);
    CHECK(f.codes().empty());
    CHECK(f.write(1, 2) == Errno::Einval);
    CHECK(f.write(3, 0) == Errno::Einval);
    CHECK(f.write(2, 0, 7) == Errno::Einval);
    CHECK(f.write(2, 0) == Errno::Ok);
    CHECK(f.write(2, 0) == Errno::Einval);
    CHECK(f.write(1, 1) == Errno::Ok);
    CHECK(f.codes() == Codes{0, 1});
}

TEST_CASE("fault queue: what cannot be copied is put back, first in its row") {
    Served f;
    f.arrive(3);
    f.arrive(4);
    CHECK(f.faults().read(f.host.ctx, f.process, 0x1000, 10 * kRecord).error() == Errno::Efault);
    CHECK(f.faults().read(f.host.ctx, f.process, f.buffer, 41).error() == Errno::Einval);
    CHECK(f.read(10 * kRecord) == 2 * kRecord);
    std::uint32_t group = 0;
    REQUIRE(f.process.mm.read(f.host.ctx, f.buffer + fault_record::kGroup, &group, 4) == Errno::Ok);
    CHECK(group == 3);
}

TEST_CASE("fault queue: detach and replacement answer Invalid, and the cookie is nobody's") {
    Served f;
    f.arrive(3);
    CHECK(f.read(kRecord) == kRecord);
    f.arrive(4);
    CHECK(f.fd().replace_pasid(f.host.ctx, f.nic(), "G", kPasid) == Errno::Ok);
    CHECK(f.codes() == Codes{1, 1});
    CHECK(f.write(1, 0) == Errno::Einval);
    CHECK(f.read(kRecord) == 0);
    f.arrive(5);  // "G" has no fault object
    CHECK(f.codes() == Codes{1, 1, 1});
    CHECK(f.fd().replace_pasid(f.host.ctx, f.nic(), "H", kPasid) == Errno::Ok);
    f.arrive(6);
    CHECK(f.fd().detach_pasid(f.host.ctx, f.nic(), kPasid) == Errno::Ok);
    CHECK(f.codes() == Codes{1, 1, 1, 1});
}

TEST_CASE("fault queue: objects in use stay") {
    Served f;
    CHECK(f.fd().alloc_faults(f.host.ctx, "F", "P", 1) == Errno::Eopnotsupp);
    CHECK(f.alloc("K", "none") == Errno::Enoent);
    CHECK(f.alloc("H", "Q") == Errno::Eexist);
    CHECK(f.fd().destroy_hwpt(f.host.ctx, "H") == Errno::Ebusy);
    CHECK(f.fd().destroy_faults(f.host.ctx, "Q") == Errno::Ebusy);
    CHECK(f.fd().close_faults(f.host.ctx, "Q") == Errno::Ok);
    CHECK(f.fd().close_faults(f.host.ctx, "Q") == Errno::Ebadf);
    CHECK(f.fd().destroy_faults(f.host.ctx, "Q") == Errno::Ebusy);
    CHECK(f.fd().detach_pasid(f.host.ctx, f.nic(), kPasid) == Errno::Ok);
    CHECK(f.fd().destroy_hwpt(f.host.ctx, "H") == Errno::Ok);
    CHECK(f.fd().destroy_faults(f.host.ctx, "Q") == Errno::Ok);
    CHECK(f.fd().faults("Q") == nullptr);
}

TEST_CASE("fault queue: the end of the process answers what it left") {
    Served f;
    f.arrive(3);
    CHECK(f.read(kRecord) == kRecord);
    f.fd().close_all(f.host.ctx, "vmm");
    CHECK(f.codes() == Codes{1});
    CHECK(f.fd().file("F") == nullptr);
    CHECK(f.fd().faults("Q") == nullptr);
}

TEST_CASE("page requests: a storm stops the function, a reset starts it again") {
    Served f({}, with_storm(3));
    for (std::uint16_t group = 0; group < 6; ++group) {
        f.arrive(group);
    }
    CHECK(f.codes() == Codes{1, 1, 1, 1, 1, 1});
    PageRequestService& service = *f.host.unit().page_requests();
    CHECK(service.stopped(f.nic()));
    const std::uint64_t control = kConfiguration + pcie::config::kPriCtl;
    CHECK(f.host.machine.hardware_register(control) == 0);
    service.restart(f.host.ctx, f.nic());
    CHECK_FALSE(service.stopped(f.nic()));
    CHECK(f.host.machine.hardware_register(control) == pcie::config::kPriEnable);
    f.host.machine.descriptors.clear();
    f.arrive(7);
    CHECK(f.codes().empty());
}

TEST_CASE("page requests: without a limit, and over a longer time, there is no storm") {
    Served none;
    for (std::uint16_t group = 0; group < 100; ++group) {
        none.arrive(group);
    }
    CHECK(none.codes().empty());
    Served slow({}, with_storm(3));
    for (std::uint16_t group = 0; group < 12; ++group) {
        slow.arrive(group);
        slow.host.ctx.spend(TimePs{500'000'000});
    }
    CHECK(slow.codes().empty());
}

}  // namespace ioasim::os::test
