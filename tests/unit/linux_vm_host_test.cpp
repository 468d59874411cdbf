#include <doctest/doctest.h>

#include <algorithm>

#include "models/linux/kvm.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/vm_host.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

class FakeVcpu final : public VcpuControl {
public:
    explicit FakeVcpu(const std::string& name) : name_(name) {}
    const std::string& name() const override { return name_; }
    bool in_guest_since(TimePs) const override { return guest && exit_count == 0; }
    void kick(ExecContext&) override {
        ++kicks;
        exit_count += obeys ? 1 : 0;
    }
    bool guest = false;
    bool obeys = true;
    std::uint64_t exit_count = 0;
    int kicks = 0;

private:
    std::string name_;
};

// Two VMs on one host, opened, with memory.
struct TwoVms {
    explicit TwoVms(const std::vector<const Defect*>& defects = {}, Switches switches = {},
                    const KernelParams& params = kernel_param_table().defaults())
        : host(defects, switches, {}, params), vm1(make("vm1")), vm2(make("vm2")) {}
    VmHost& make(const std::string& name) {
        VmHost& vm = host.kernel->create_vm({name, 10, {"dsa0", "dsa1"}});
        opened = vm.open(host.ctx);
        mapped = vm.map_memory(host.ctx, 16 * kPageSize).error();
        return vm;
    }
    Ioasid bound(VmHost& vm, std::uint32_t spid) {
        const Ioasid id = *vm.alloc_ioasid(host.ctx, 201, 300);
        bind_result = vm.bind_gpasid(host.ctx, "dsa0", id, Spid{spid}, Gpa{0x3000});
        return id;
    }
    // The 4-byte entry that a vCPU's PASID translation reads.
    std::uint32_t translation(VmHost& vm, std::uint32_t gpasid) {
        const std::uint64_t directory =
            host.machine.qword(vm.vmcs().low_pasid_directory.value() + (gpasid >> 10U) * 8);
        if ((directory & 1U) == 0) {
            return 0;
        }
        return static_cast<std::uint32_t>(
            host.machine.qword((directory & ~std::uint64_t{0xFFF}) + (gpasid & 0x3FEU) * 4) >>
            ((gpasid & 1U) * 32));
    }

    Errno opened = Errno::Ok;
    Errno mapped = Errno::Ok;
    Errno bind_result = Errno::Ok;
    Host host;
    VmHost& vm1;
    VmHost& vm2;
};

TEST_CASE("kvm bind: a directory tells of a table when that has its first entry") {
    TwoVms t;
    static_cast<void>(t.bound(t.vm1, 101));
    const std::uint64_t directory = t.vm1.vmcs().low_pasid_directory.value();
    const std::uint64_t table = t.host.machine.qword(directory) & ~std::uint64_t{0xFFF};
    const std::vector<std::uint64_t>& stores = t.host.machine.stores;
    const auto listed = std::find(stores.begin(), stores.end(), directory);
    REQUIRE(listed != stores.end());
    CHECK(std::find(stores.begin(), listed, table + 101 * 4) != listed);
}

TEST_CASE("guest bind: entry live, then BIND; KVM holds a reference, a shared queue's VDCM none") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.bind_result == Errno::Ok);
    CHECK(id == Ioasid{201});
    CHECK(t.host.log.before("vtd.pasid_entry_set", "ioasid.bind"));
    CHECK(t.host.log.before("kvm.bind", "vdcm.bind"));
    CHECK(t.host.refs(id) == 3);  // owner, IOMMU, KVM
    CHECK(t.translation(t.vm1, 101) == 0x8000'00C9);
}

TEST_CASE("guest bind: one guest PASID in two VMs is two host PASIDs") {
    TwoVms t;
    CHECK(t.bound(t.vm1, 101) == Ioasid{201});
    CHECK(t.bound(t.vm2, 101) == Ioasid{202});
    CHECK(t.bind_result == Errno::Ok);
    CHECK(t.translation(t.vm1, 101) == 0x8000'00C9);
    CHECK(t.translation(t.vm2, 101) == 0x8000'00CA);
    CHECK((*t.host.unit().read_entry(t.host.ctx, t.host.dsa0(), Pasid{201})).did !=
          (*t.host.unit().read_entry(t.host.ctx, t.host.dsa0(), Pasid{202})).did);
}

TEST_CASE(
    "guest unbind: UNBIND, device drain, then the PASID entry; the owner's reference is left") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(t.host.log.before("ioasid.unbind", "kvm.unbind"));
    CHECK(t.host.log.before("kvm.unbind", "vdcm.unbind"));
    CHECK(t.host.log.before("vdcm.unbind", "vtd.pasid_entry_clear"));
    CHECK(t.host.refs(id) == 1);
    CHECK(t.translation(t.vm1, 101) == 0);
    CHECK(t.host.core->find_by_spid(t.host.ctx, t.vm1.set(), Spid{101}, false) == kNoIoasid);
}

TEST_CASE("free of a bound ID: FREE, then UNBIND from deferred work, entry with FPD, reclaim") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.vm1.free_ioasid(t.host.ctx, id) == Errno::Ok);
    CHECK(t.host.log.count("ioasid.unbind") == 0);  // never from the atomic handler
    CHECK(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Enoent);
    t.host.work();
    CHECK(t.host.log.before("ioasid.free", "ioasid.unbind"));
    CHECK(t.host.log.before("kvm.unbind", "vdcm.unbind"));
    CHECK(t.host.log.before("vdcm.unbind", "vtd.pasid_entry_clear"));
    CHECK(t.host.log.before("vtd.pasid_entry_clear", "ioasid.reclaim"));
    CHECK(t.host.log.field(t.host.log.position("vtd.pasid_entry_clear"), "fpd") == 1);
    CHECK(t.host.log.count("ioasid.free") == 1);
    CHECK_FALSE(t.host.core->view(id).has_value());
    CHECK(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Enoent);
}

TEST_CASE(
    "free of a bound ID: the device is drained between UNBIND and the entry only on request") {
    for (const bool drain : {false, true}) {
        KernelParams params = kernel_param_table().defaults();
        params.drain_on_free = drain;
        TwoVms t{{}, {}, params};
        const Ioasid id = t.bound(t.vm1, 101);
        t.host.machine.writes.clear();
        REQUIRE(t.vm1.free_ioasid(t.host.ctx, id) == Errno::Ok);
        t.host.work();
        // Every assigned device gets the command before the unit hears of the entry.
        std::vector<std::uint64_t> written;
        for (const FakeMachine::Write& write : t.host.machine.writes) {
            written.push_back(write.address);
        }
        const auto invalidation =
            std::find(written.begin(), written.end(), kUnit0 + vtd::reg::kIqt);
        for (const std::uint64_t device : {kDsa0, kDsa1}) {
            const auto command = std::find(written.begin(), written.end(), device + dsa::reg::kCmd);
            CHECK((command < invalidation) == drain);
        }
        CHECK(t.host.log.before("kvm.unbind", "vdcm.unbind"));
        CHECK(t.host.log.before("vdcm.unbind", "vtd.pasid_entry_clear"));
        CHECK(t.host.log.count("ioasid.reclaim") == 1);
    }
}

TEST_CASE("free of a bound ID: the same host number is not given again before its teardown") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.vm1.free_ioasid(t.host.ctx, id) == Errno::Ok);
    CHECK(*t.vm2.alloc_ioasid(t.host.ctx, 201, 300) == Ioasid{202});
    t.host.work();
    CHECK(*t.vm2.alloc_ioasid(t.host.ctx, 201, 300) == id);
}

TEST_CASE("older order: the entry is cleared and drained before UNBIND") {
    for (const bool by_defect : {false, true}) {
        const std::vector<const Defect*> defects =
            by_defect ? std::vector<const Defect*>{&kEntryClearedBeforeUnbind}
                      : std::vector<const Defect*>{};
        Switches switches;
        switches.entry_cleared_before_unbind = !by_defect;
        TwoVms t{defects, switches};
        t.bound(t.vm1, 101);
        REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
        CHECK(t.host.log.before("vtd.pasid_entry_clear", "ioasid.unbind"));
        CHECK(t.host.log.count("vtd.pasid_entry_clear") == 1);
    }
}

TEST_CASE("guest PASID on two devices: one BIND at the first, one UNBIND at the last") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.vm1.bind_gpasid(t.host.ctx, "dsa1", id, Spid{101}, Gpa{0x3000}) == Errno::Ok);
    CHECK(t.host.log.count("ioasid.bind") == 1);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(t.host.log.count("ioasid.unbind") == 0);
    CHECK(t.host.log.count("vtd.pasid_entry_clear") == 1);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa1", Spid{101}) == Errno::Ok);
    CHECK(t.host.log.count("ioasid.unbind") == 1);
    CHECK(t.host.refs(id) == 1);
}

TEST_CASE("guest bind refused: nothing is left behind") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    const Ioasid second = *t.vm1.alloc_ioasid(t.host.ctx, 201, 300);
    const Ioasid foreign = *t.vm2.alloc_ioasid(t.host.ctx, 201, 300);
    CHECK(t.vm1.bind_gpasid(t.host.ctx, "dsa0", id, Spid{101}, Gpa{0x3000}) == Errno::Ebusy);
    CHECK(t.vm1.bind_gpasid(t.host.ctx, "dsa0", Ioasid{299}, Spid{102}, Gpa{0x3000}) ==
          Errno::Enoent);
    CHECK(t.vm1.bind_gpasid(t.host.ctx, "dsa0", foreign, Spid{102}, Gpa{0x3000}) == Errno::Eacces);
    CHECK(t.vm1.bind_gpasid(t.host.ctx, "dsa9", second, Spid{102}, Gpa{0x3000}) == Errno::Enodev);
    CHECK(t.host.refs(id) == 3);
    CHECK(t.host.refs(second) == 1);
    CHECK(t.host.refs(foreign) == 1);
    CHECK(t.host.log.count("vtd.pasid_entry_set") == 1);
}

TEST_CASE(
    "guest bind: an SPID that another ID of the set has is refused, and the entry taken back") {
    TwoVms t;
    t.bound(t.vm1, 101);
    const Ioasid other = *t.vm1.alloc_ioasid(t.host.ctx, 201, 300);
    REQUIRE(t.host.core->attach_spid(t.host.ctx, t.vm1.set(), other, Spid{102}) == Errno::Ok);
    const Ioasid third = *t.vm1.alloc_ioasid(t.host.ctx, 201, 300);
    // SPID 102 stands for `other`: the bind goes to that ID, which has its SPID already.
    CHECK(t.vm1.bind_gpasid(t.host.ctx, "dsa0", third, Spid{102}, Gpa{0x3000}) == Errno::Ebusy);
    CHECK((*t.host.unit().read_entry(t.host.ctx, t.host.dsa0(), Pasid{other.value()})).present ==
          false);
    CHECK(t.host.refs(third) == 1);
}

TEST_CASE("foreign free: refused, and the owner's binding stays") {
    TwoVms t;
    const Ioasid id = t.bound(t.vm1, 101);
    // As the ioctl: the caller gets 0, the refusal is in the event.
    CHECK(t.vm2.free_ioasid(t.host.ctx, id) == Errno::Ok);
    CHECK(t.host.log.field(t.host.log.position("ioasid.free_call"), "result") ==
          static_cast<std::uint64_t>(Errno::Eacces));
    CHECK(t.host.core->view(id)->state == IoasidState::Active);
    CHECK(t.translation(t.vm1, 101) == 0x8000'00C9);
}

TEST_CASE("second stage: leaves in memory lead from guest pages to the VM's host pages") {
    Host host;
    VmHost& vm = host.kernel->create_vm({"vm1", 10, {"dsa0"}});
    REQUIRE(vm.open(host.ctx) == Errno::Ok);
    const auto pages = vm.map_memory(host.ctx, 600 * kPageSize);
    REQUIRE(pages.ok());
    const Ioasid id = *vm.alloc_ioasid(host.ctx, 1, 10);
    REQUIRE(vm.bind_gpasid(host.ctx, "dsa0", id, Spid{1}, Gpa{0x3000}) == Errno::Ok);
    const auto entry = host.unit().read_entry(host.ctx, host.dsa0(), Pasid{id.value()});
    for (const std::uint64_t index : {0, 511, 512, 599}) {
        std::uint64_t table = (*entry).second_stage.value();
        for (unsigned level = 4; level >= 1; --level) {
            const std::uint64_t slot =
                host.machine.qword(table + vtd::page_table_offset(index * kPageSize, level));
            REQUIRE((slot & 3U) == 3U);
            table = slot & vtd::kPageTableAddress;
        }
        CHECK(Hpa{table} == (*pages).at(index));
    }
}

TEST_CASE("release: every binding, ID, notifier and page of the VM is gone") {
    TwoVms t;
    t.bound(t.vm2, 101);
    const std::uint64_t pages = t.host.kernel->pages().free_pages();
    VmHost& vm3 = t.make("vm3");
    t.bound(vm3, 101);
    REQUIRE(vm3.alloc_ioasid(t.host.ctx, 201, 300).ok());
    CHECK(vm3.release(t.host.ctx) == Errno::Ok);
    CHECK(t.host.kernel->pages().free_pages() == pages);
    CHECK(t.host.core->sets().size() == 2);
    CHECK(t.host.core->mm_list().size() == 6);  // KVM and two VDCMs of two VMs
    CHECK(t.translation(t.vm2, 101) == 0x8000'00C9);
    CHECK(vm3.release(t.host.ctx) == Errno::Ebadf);
}

TEST_CASE("portal: refused until KVM translates PASIDs") {
    Host host;
    VmHost& vm = host.kernel->create_vm({"vm1", 10, {"dsa0"}});
    CHECK(vm.portal("dsa0", 0).error() == Errno::Eperm);
    REQUIRE(vm.open(host.ctx) == Errno::Ok);
    CHECK(*vm.portal("dsa0", 0) == Hpa{kPortals0 + 0x1000});
    CHECK(vm.portal("dsa0", 1).error() == Errno::Enodev);
}

TEST_CASE("open: a quota beyond the pool fails and leaves nothing registered") {
    Host host;
    VmHost& vm = host.kernel->create_vm({"vm1", 0x200000, {"dsa0"}});
    const std::uint64_t pages = host.kernel->pages().free_pages();
    CHECK(vm.open(host.ctx) == Errno::Enospc);
    CHECK(host.core->mm_list().empty());
    CHECK(host.kernel->pages().free_pages() == pages);
}

// --- kicks --------------------------------------------------------------------------------------

TEST_CASE(
    "kvm unbind: a vCPU in guest mode is kicked after the entry is cleared, one outside is not") {
    TwoVms t;
    FakeVcpu inside{"vm1/vcpu0"};
    FakeVcpu outside{"vm1/vcpu1"};
    inside.guest = true;
    t.vm1.add_vcpu(inside);
    t.vm1.add_vcpu(outside);
    t.bound(t.vm1, 101);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(inside.kicks == 1);
    CHECK(outside.kicks == 0);
    const std::size_t cleared = t.host.log.position("kvm.pasid_table_write", 1);
    CHECK(cleared < t.host.log.position("kvm.kick"));
    CHECK(t.host.log.before("kvm.kick", "kvm.unbind"));
}

TEST_CASE("kvm unbind: a vCPU that never leaves is reported and not waited for any longer") {
    TwoVms t;
    FakeVcpu stuck{"vm1/vcpu0"};
    stuck.guest = true;
    stuck.obeys = false;
    t.vm1.add_vcpu(stuck);
    const Ioasid id = t.bound(t.vm1, 101);
    const TimePs start = t.host.ctx.now();
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(t.host.log.count("ioasid.hazard") == 1);
    CHECK(t.host.ctx.now() - start < t.host.kernel->params().kick_timeout * 2);
    CHECK(t.host.refs(id) == 1);
}

TEST_CASE("kvm defect no_kick: the translation is cleared and nobody is kicked") {
    TwoVms t{{&kKvmNoKick}};
    FakeVcpu inside{"vm1/vcpu0"};
    inside.guest = true;
    t.vm1.add_vcpu(inside);
    t.bound(t.vm1, 101);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(inside.kicks == 0);
    CHECK(t.translation(t.vm1, 101) == 0);
}

TEST_CASE("kvm defect late_clear: the translation outlives the PASID entry") {
    TwoVms t{{&kKvmLateClear}};
    const Ioasid id = t.bound(t.vm1, 101);
    REQUIRE(t.vm1.unbind_gpasid(t.host.ctx, "dsa0", Spid{101}) == Errno::Ok);
    CHECK(t.translation(t.vm1, 101) == 0x8000'00C9);
    CHECK(t.host.refs(id) == 2);
    REQUIRE(t.host.scheduler.spawned.size() == 1);
    t.host.scheduler.spawned[0](t.host.ctx);
    CHECK(t.translation(t.vm1, 101) == 0);
    CHECK(t.host.refs(id) == 1);
    CHECK(t.host.log.before("vtd.pasid_entry_clear", "kvm.unbind"));
}

TEST_CASE("kvm exit 72: an SPID of the VM's own set is installed, anything else is refused") {
    TwoVms t;
    const Ioasid id = *t.vm1.alloc_ioasid(t.host.ctx, 201, 300);
    CHECK_FALSE(t.vm1.resolve_pasid_miss(t.host.ctx, Spid{101}));
    REQUIRE(t.host.core->attach_spid(t.host.ctx, t.vm1.set(), id, Spid{101}) == Errno::Ok);
    CHECK(t.vm1.resolve_pasid_miss(t.host.ctx, Spid{101}));
    CHECK_FALSE(t.vm2.resolve_pasid_miss(t.host.ctx, Spid{101}));
    CHECK(t.host.refs(id) == 2);  // owner and KVM's BIND, none for the second look
}

}  // namespace
}  // namespace ioasim::os::test
