#include <doctest/doctest.h>

#include "models/linux/guest_fault_probes.hpp"
#include "models/linux/guest_faults.hpp"
#include "tests/support/page_requests.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

using Codes = std::vector<std::uint64_t>;

// A VM with guest PASID 101 on dsa0, and the unit's queue as hardware would fill it.
struct GuestRequests {
    explicit GuestRequests(const std::vector<const Defect*>& defects = {},
                           const KernelParams& params = kernel_param_table().defaults())
        : host(
              defects, {},
              [](FakeMachine& machine, KernelConfig&) {
                  machine.ecap |= vtd::ecap::kPrs.make(1) | vtd::ecap::kPds.make(1);
              },
              params),
          vm(host.kernel->create_vm({"vm1", 10, {"dsa0"}})) {
        static_cast<void>(vm.open(host.ctx));
        vm.page_faults()->listen();
        static_cast<void>(vm.map_memory(host.ctx, std::uint64_t{1} << 20U));
        id = *vm.alloc_ioasid(host.ctx, 201, 300);
        bound = vm.bind_gpasid(host.ctx, "dsa0", id, Spid{101}, Gpa{0x3000});
        host.dsa0().set_page_requests(true);
        host.machine.descriptors.clear();
    }
    void arrive(std::uint16_t group, bool last, Pasid pasid) {
        ioasim::test::arrive(host, Rid{8}, pasid, 0x7000'0000'0000, group, last);
    }
    void arrive(std::uint16_t group, bool last = true) { arrive(group, last, Pasid{id.value()}); }
    Errno answer(std::uint16_t group, std::uint32_t code) {
        return vm.page_faults()->respond(host.ctx, "dsa0", id, group, code);
    }
    Codes codes() const { return ioasim::test::response_codes(host); }

    Host host;
    VmHost& vm;
    Ioasid id;
    Errno bound = Errno::Ok;
};

TEST_CASE("guest faults: a whole group goes to the VMM under the guest's number") {
    GuestRequests f;
    REQUIRE(f.bound == Errno::Ok);
    f.arrive(3, false);
    CHECK(f.vm.page_faults()->empty());
    f.arrive(3);
    const auto fault = f.vm.page_faults()->read(f.host.ctx);
    REQUIRE(fault);
    CHECK(fault->device == "dsa0");
    CHECK(fault->pasid == Pasid{f.id.value()});
    CHECK(fault->gpasid == Spid{101});
    CHECK(fault->pages.size() == 2);
    CHECK(f.codes().empty());
    CHECK(f.answer(3, 0) == Errno::Ok);
    CHECK(f.codes() == Codes{0});
}

TEST_CASE("guest faults: one answer a group; a second, an unknown and a failure are refused") {
    GuestRequests f;
    f.arrive(3);
    CHECK(f.answer(4, 0) == Errno::Einval);
    CHECK(f.answer(3, 2) == Errno::Einval);
    CHECK(f.answer(3, 1) == Errno::Ok);
    CHECK(f.answer(3, 1) == Errno::Einval);
    CHECK(f.codes() == Codes{1});
}

TEST_CASE("guest faults: a full ring is answered Invalid by the host") {
    KernelParams params = kernel_param_table().defaults();
    params.fault_ring = 2;
    GuestRequests f({}, params);
    f.arrive(1);
    f.arrive(2);
    f.arrive(3);
    CHECK(f.codes() == Codes{1});
    CHECK(f.answer(3, 0) == Errno::Einval);
    CHECK(f.answer(1, 0) == Errno::Ok);
}

TEST_CASE("guest faults: the detach answers what is unread and what is unanswered") {
    GuestRequests f;
    f.arrive(1);
    REQUIRE(f.vm.page_faults()->read(f.host.ctx));
    f.arrive(2);
    REQUIRE(f.vm.unbind_gpasid(f.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    f.host.work();
    CHECK(f.codes() == Codes{1, 1});
    CHECK(f.vm.page_faults()->empty());
    CHECK(f.answer(1, 0) == Errno::Einval);
    CHECK(f.codes() == Codes{1, 1});
}

TEST_CASE("guest faults: a number that nothing is attached to is answered Invalid") {
    GuestRequests f;
    f.arrive(1, true, Pasid{299});
    CHECK(f.codes() == Codes{1});
    CHECK(f.vm.page_faults()->empty());
}

TEST_CASE("guest faults: without routing the host refuses, without clean-up nobody answers") {
    GuestRequests unrouted({&kGuestFaultsUnrouted});
    unrouted.arrive(1);
    CHECK(unrouted.codes() == Codes{1});
    GuestRequests kept({&kGuestGroupsKept});
    kept.arrive(1);
    static_cast<void>(kept.vm.unbind_gpasid(kept.host.ctx, "dsa0", Spid{101}));
    kept.host.work();
    CHECK(kept.codes().empty());
}

TEST_CASE("own PASID spaces: two VMs and the pool may all have the same number") {
    KernelParams params = kernel_param_table().defaults();
    params.pasid_spaces = PasidSpaces::Vm;
    Host host({}, {}, {}, params, [](Kernel& kernel) {
        DeviceSetup setup;
        setup.iommu = kernel.find_iommu("iommu0");
        setup.for_users = true;
        for (const char* name : {"dev0", "dev1"}) {
            setup.name = name;
            setup.rid = Rid{static_cast<std::uint16_t>(name[3] == '0' ? 24 : 32)};
            kernel.add_device(setup);
        }
    });
    VmHost& vm1 = host.kernel->create_vm({"vm1", 10, {}, {"dev0"}});
    VmHost& vm2 = host.kernel->create_vm({"vm2", 10, {}, {"dev1"}});
    for (VmHost* vm : {&vm1, &vm2}) {
        const std::string device = vm == &vm1 ? "dev0" : "dev1";
        REQUIRE(vm->open(host.ctx) == Errno::Ok);
        REQUIRE(vm->map_memory(host.ctx, std::uint64_t{1} << 20U));
        REQUIRE(vm->alloc_ioasid(host.ctx, 7, 7));
        CHECK(vm->bind_gpasid(host.ctx, device, Ioasid{7}, Spid{7}, Gpa{0x3000}) == Errno::Ok);
    }
    CHECK(vm1.bind_gpasid(host.ctx, "dev1", Ioasid{7}, Spid{7}, Gpa{0x3000}) == Errno::Enodev);
    Process& app = host.process("host/app");
    const auto id = host.kernel->sva().mm_pasid(host.ctx, app, host.dsa0(), 7, 7);
    REQUIRE(id);
    CHECK(host.kernel->sva().bind(host.ctx, app, host.dsa0(), *id) == Errno::Ok);
    CHECK(vm1.unbind_gpasid(host.ctx, "dev0", Spid{7}) == Errno::Ok);
    CHECK(host.kernel->sva().is_bound(app, Ioasid{7}));
    CHECK(host.kernel->sva().bindings_of(*vm2.set()) == 1);
    CHECK_FALSE(vm1.vmcs().enable_pasid_translation);
}

}  // namespace
}  // namespace ioasim::os::test
