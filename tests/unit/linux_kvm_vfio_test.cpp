// KVM and non-coherent DMA: votes of the kvm-vfio device, and what WBINVD of a guest reaches.
#include <doctest/doctest.h>

#include "models/linux/coherency_probes.hpp"
#include "models/linux/kvm_vfio.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

class FakeFile final : public KvmFile {
public:
    explicit FakeFile(bool coherent) : coherent_(coherent) {}
    const std::string& file_name() const override { return name_; }
    bool enforces_coherency() const override { return coherent_; }
    void set_kvm(KvmVfio* kvm) override { kvm_ = kvm; }
    void become(bool coherent) { coherent_ = coherent; }
    KvmVfio* kvm() const { return kvm_; }

private:
    std::string name_ = "file";
    bool coherent_;
    KvmVfio* kvm_ = nullptr;
};

class FakeVcpu final : public VcpuControl {
public:
    const std::string& name() const override { return name_; }
    bool in_guest_since(TimePs) const override { return false; }
    void kick(ExecContext&) override { ++kicks; }
    int kicks = 0;

private:
    std::string name_ = "vm1/vcpu0";
};

struct Vm {
    explicit Vm(const std::vector<const Defect*>& defects = {},
                const KernelParams& params = kernel_param_table().defaults())
        : host(defects, {}, {}, params) {
        coherency.add_vcpu(vcpu);
        vfio.create(host.ctx);
    }
    // The helper tasks of other processors run.
    void run_others() {
        auto bodies = std::move(host.scheduler.spawned);
        host.scheduler.spawned.clear();
        for (auto& body : bodies) {
            body(host.ctx);
        }
    }
    std::size_t edges() { return host.log.count("kvm.noncoherent"); }

    Host host;
    KvmCoherency coherency{*host.kernel, "vm1"};
    KvmVfio vfio{*host.kernel, "vm1", coherency};
    FakeVcpu vcpu;
};

}  // namespace

TEST_CASE("kvm-vfio: two files without enforcement are one vote, and only the last one ends it") {
    Vm vm;
    FakeFile a{false};
    FakeFile b{false};
    CHECK(vm.vfio.add(vm.host.ctx, &a) == Errno::Ok);
    CHECK(vm.vfio.add(vm.host.ctx, &b) == Errno::Ok);
    CHECK(vm.coherency.noncoherent() == 1);
    CHECK(vm.edges() == 1);
    CHECK(vm.vfio.remove(vm.host.ctx, &a) == Errno::Ok);
    CHECK(vm.edges() == 1);
    CHECK(vm.vfio.remove(vm.host.ctx, &b) == Errno::Ok);
    CHECK(vm.edges() == 2);
    CHECK(vm.coherency.noncoherent() == 0);
}

TEST_CASE("kvm-vfio: the errors of add and remove") {
    Vm vm;
    FakeFile a{true};
    CHECK(vm.vfio.create(vm.host.ctx) == Errno::Ebusy);
    CHECK(vm.vfio.add(vm.host.ctx, nullptr) == Errno::Einval);
    CHECK(vm.vfio.remove(vm.host.ctx, &a) == Errno::Enoent);
    CHECK(vm.vfio.add(vm.host.ctx, &a) == Errno::Ok);
    CHECK(vm.vfio.add(vm.host.ctx, &a) == Errno::Eexist);
}

TEST_CASE("kvm-vfio: a file learns its VM and forgets it") {
    Vm vm;
    FakeFile a{true};
    vm.vfio.add(vm.host.ctx, &a);
    CHECK(a.kvm() == &vm.vfio);
    vm.vfio.release(vm.host.ctx);
    CHECK(a.kvm() == nullptr);
}

TEST_CASE("kvm-vfio: a removal that fails asks the question anew all the same") {
    Vm vm;
    FakeFile a{true};
    FakeFile other{true};
    vm.vfio.add(vm.host.ctx, &a);
    a.become(false);
    CHECK(vm.vfio.remove(vm.host.ctx, &other) == Errno::Enoent);
    CHECK(vm.coherency.noncoherent() == 1);
}

TEST_CASE("kvm-vfio: release takes the vote back") {
    Vm vm;
    FakeFile a{false};
    vm.vfio.add(vm.host.ctx, &a);
    vm.vfio.release(vm.host.ctx);
    CHECK(vm.coherency.noncoherent() == 0);
}

TEST_CASE("kvm coherency: an edge makes vCPUs leave the guest, a vote beside others does not") {
    Vm vm;
    vm.coherency.register_noncoherent(vm.host.ctx);
    CHECK(vm.vcpu.kicks == 1);
    vm.coherency.register_noncoherent(vm.host.ctx);
    vm.coherency.unregister_noncoherent(vm.host.ctx);
    CHECK(vm.vcpu.kicks == 1);
    vm.coherency.unregister_noncoherent(vm.host.ctx);
    CHECK(vm.vcpu.kicks == 2);
}

TEST_CASE("kvm coherency: WBINVD of a coherent VM is skipped") {
    Vm vm;
    vm.coherency.load(vm.vcpu, 1);
    vm.coherency.wbinvd(vm.host.ctx, vm.vcpu);
    CHECK(vm.host.machine.wbinvds == 0);
    CHECK(vm.coherency.dirty(vm.vcpu).empty());
}

// The fake scheduler runs its contexts on processor 0.
TEST_CASE("kvm coherency: WBINVD reaches the processor it is on although it is not in the mask") {
    Vm vm;
    vm.coherency.register_noncoherent(vm.host.ctx);
    vm.coherency.wbinvd(vm.host.ctx, vm.vcpu);
    CHECK(vm.host.machine.wbinvds == 1);
}

TEST_CASE("kvm coherency: processors visited while DMA was coherent are not remembered") {
    Vm vm;
    vm.coherency.load(vm.vcpu, 1);
    vm.coherency.register_noncoherent(vm.host.ctx);
    vm.coherency.load(vm.vcpu, 2);
    CHECK(vm.coherency.dirty(vm.vcpu) == std::set<std::size_t>{2});
}

TEST_CASE("kvm coherency: without the exit the processor that a vCPU leaves is written back") {
    KernelParams params = kernel_param_table().defaults();
    params.wbinvd_exit = false;
    Vm vm{{}, params};
    vm.coherency.register_noncoherent(vm.host.ctx);
    vm.coherency.load(vm.vcpu, 1);
    vm.coherency.load(vm.vcpu, 1);
    CHECK(vm.host.scheduler.pinned.empty());
    vm.coherency.load(vm.vcpu, 2);
    CHECK(vm.host.scheduler.pinned == std::vector<int>{1});
    vm.run_others();
    CHECK(vm.host.machine.wbinvds == 1);
}

}  // namespace ioasim::os::test
