// Kernel code on two processors at once, over a machine without hardware models.
#include <doctest/doctest.h>

#include "models/linux/kvm.hpp"
#include "models/linux/vm_host.hpp"
#include "tests/support/sim_harness.hpp"
#include "tests/unit/linux_fake_machine.hpp"

using namespace ioasim;
using namespace ioasim::os;
using ioasim::os::test::Host;
using ioasim::test::SoftwareRun;

namespace {

// Boots the host at once, then runs tasks on it that overlap in time.
struct TwoProcessors {
    void task(const std::string& name, TimePs at, sim::TaskBody body) {
        host.recorder.source(name);  // known to the host's recorder under the same number
        sim::TaskOptions options;
        options.name = name;
        options.port = &host.machine;
        run.dispatcher().spawn(std::move(options), at, std::move(body));
    }
    Host host;
    SoftwareRun run{SoftwareRun::params(2)};
};

}  // namespace

TEST_CASE("sva: of two tasks that unbind one device at once, one works and one is told so") {
    TwoProcessors machine;
    Host& host = machine.host;
    Sva& sva = host.kernel->sva();
    Process& app = host.process("host/app");
    const Ioasid id = *sva.alloc(host.ctx, app, 1, 1000);
    REQUIRE(sva.bind(host.ctx, app, host.dsa0(), id) == Errno::Ok);
    REQUIRE(sva.bind(host.ctx, app, host.dsa1(), id) == Errno::Ok);
    std::vector<Errno> results;
    for (const char* name : {"host/a", "host/b"}) {
        machine.task(name, 1_us, [&](ExecContext& ctx) {
            results.push_back(sva.unbind(ctx, app, host.dsa0(), id));
        });
    }
    CHECK(machine.run.run() == sim::StopReason::Idle);
    CHECK(results == std::vector<Errno>{Errno::Ok, Errno::Enoent});
    CHECK(sva.is_bound(app, id));
    CHECK((*host.unit().read_entry(host.ctx, host.dsa1(), Pasid{id.value()})).present);
}

TEST_CASE("kvm exit 72 in the middle of a BIND takes no second reference") {
    TwoProcessors machine;
    Host& host = machine.host;
    VmHost& vm = host.kernel->create_vm({"vm1", 10, {"dsa0"}});
    REQUIRE(vm.open(host.ctx) == Errno::Ok);
    REQUIRE(vm.map_memory(host.ctx, 16 * kPageSize).error() == Errno::Ok);
    const Ioasid id = *vm.alloc_ioasid(host.ctx, 201, 300);
    bool installed = false;
    machine.task("host/vmm", 1_us, [&](ExecContext& ctx) {
        CHECK(vm.bind_gpasid(ctx, "dsa0", id, Spid{101}, Gpa{0x3000}) == Errno::Ok);
    });
    machine.task("host/vcpu", 1_us, [&](ExecContext& ctx) {
        while (!installed && ctx.now() < 100_us) {
            installed = vm.resolve_pasid_miss(ctx, Spid{101});
            ctx.spend(200_ps);
        }
    });
    CHECK(machine.run.run() == sim::StopReason::Idle);
    CHECK(installed);
    CHECK(host.refs(id) == 3);  // owner, IOMMU, KVM
}
