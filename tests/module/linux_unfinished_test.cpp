// Numbers that wait for devices which did not finish, and devices that are emptied (reset, pulled
// out) before, between, during and behind the looks at them.
#include <doctest/doctest.h>

#include <functional>
#include <utility>

#include "models/linux/device.hpp"
#include "models/linux/function_reset.hpp"
#include "models/linux/pasid_drain.hpp"
#include "tests/support/sim_harness.hpp"
#include "tests/unit/linux_fake_machine.hpp"

using namespace ioasim;
using namespace ioasim::os;
using ioasim::os::test::Host;
using ioasim::test::SoftwareRun;

namespace {

constexpr std::uint64_t kFunction = 0xE010'0000;
constexpr TimePs kFirstLook = 10_us;  // behind the start of a test

KernelParams patience(std::uint64_t looks) {
    KernelParams params = kernel_param_table().defaults();
    params.idxd_looks = looks;
    params.idxd_look_again = kFirstLook;
    params.idxd_timeout = 5_us;
    params.iommu_timeout = 50_us;
    params.pci_flr_wait = 20_us;
    return params;
}

// A number of a process, of which only the reference of whoever gives it up is left. The unit
// answers no invalidation and no device ends its command, until a test says so.
struct Waiting {
    using Unfinished = UnfinishedPasids::Unfinished;

    explicit Waiting(std::uint64_t looks) : host({}, {}, {}, patience(looks), add_function) {
        Process& app = host.process("host/app");
        number = *host.kernel->sva().alloc(host.ctx, app, 1, 1000);
        set = app.set;
        holder = host.core->holder("test");
        REQUIRE(host.core->get(host.ctx, set, number, holder) == Errno::Ok);
        REQUIRE(host.kernel->sva().free(host.ctx, app, number) == Errno::Ok);
        host.machine.queue_hangs = true;
        host.machine.command_hangs = true;
    }
    // One with a configuration space, so that it can be reset.
    static void add_function(Kernel& kernel) {
        kernel.add_device({"dsa2",
                           kernel.find_iommu("iommu0"),
                           Rid{24},
                           false,
                           1,
                           kFunction,
                           kFunction + 0x10000,
                           {{"wq0"}},
                           kFunction + 0x20000});
    }
    Device& function() { return *host.kernel->find_device("dsa2"); }
    void at(TimePs when, std::function<void(ExecContext&)> body) {
        task("host/task" + std::to_string(tasks++), when, std::move(body), false);
    }
    // Who gives it up keeps it at the start of the test; the service looks from then on.
    void keep(Unfinished what) {
        at(1_ps, [this, what = std::move(what)](ExecContext& ctx) {
            host.kernel->unfinished().keep(ctx, nullptr, number, holder, what);
            if (!host.scheduler.service_bodies.empty()) {
                task("host/looks", ctx.now() + 1_ps, host.scheduler.service_bodies.back(), true);
            }
        });
    }
    void emptied_at(TimePs when, Device& device) {
        at(when,
           [this, &device](ExecContext& ctx) { host.kernel->unfinished().emptied(ctx, device); });
    }
    bool free_in_the_end() {
        CHECK(run.run() == sim::StopReason::Idle);
        return !host.core->view(number);
    }

    Host host;
    SoftwareRun run{SoftwareRun::params(4)};
    IoasidSet* set = nullptr;
    Ioasid number;
    trace::Name holder{};

private:
    void task(const std::string& name, TimePs when, sim::TaskBody body, bool service) {
        host.recorder.source(name);
        sim::TaskOptions options;
        options.name = name;
        options.port = &host.machine;
        options.service = service;
        run.dispatcher().spawn(std::move(options), when, std::move(body));
    }
    int tasks = 0;
};

UnfinishedPasids::Unfinished left(const std::vector<Device*>& undrained,
                                  const std::vector<Device*>& unflushed) {
    UnfinishedPasids::Unfinished what;
    for (Device* device : undrained) {
        what.undrained.emplace_back(*device);
    }
    for (Device* device : unflushed) {
        what.unflushed.emplace_back(*device);
    }
    return what;
}

}  // namespace

TEST_CASE("unfinished: nobody looks any more, and the device is emptied") {
    Waiting number{1};
    Device& device = number.host.dsa0();
    SUBCASE("it had not drained") {
        number.keep(left({&device}, {}));
        number.emptied_at(300_us, device);
        CHECK(number.free_in_the_end());
    }
    SUBCASE("its invalidation had not ended, and now does") {
        number.keep(left({}, {&device}));
        number.at(200_us, [&](ExecContext&) { number.host.machine.queue_hangs = false; });
        number.emptied_at(300_us, device);
        CHECK(number.free_in_the_end());
    }
    SUBCASE("its invalidation does not end even then") {
        number.keep(left({}, {&device}));
        number.emptied_at(300_us, device);
        CHECK_FALSE(number.free_in_the_end());
    }
    SUBCASE("another one is") {
        number.keep(left({&device}, {}));
        number.emptied_at(300_us, number.host.dsa1());
        CHECK_FALSE(number.free_in_the_end());
    }
    SUBCASE("of two, one is") {
        number.keep(left({&device, &number.host.dsa1()}, {}));
        number.emptied_at(300_us, device);
        CHECK_FALSE(number.free_in_the_end());
    }
}

TEST_CASE("unfinished: the device is emptied during the last look at it") {
    Waiting number{1};
    Device& device = number.host.dsa0();
    // The unit works again, but does not go on with the invalidation that the look waits for.
    SUBCASE("which waits for an invalidation, too") {
        number.keep(left({&device}, {&device}));
        number.emptied_at(31_us, device);
        number.at(50_us, [&](ExecContext&) { number.host.machine.queue_hangs = false; });
        CHECK(number.free_in_the_end());
    }
    SUBCASE("of which only the invalidation is left") {
        number.keep(left({}, {&device}));
        number.emptied_at(31_us, device);
        number.at(50_us, [&](ExecContext&) { number.host.machine.queue_hangs = false; });
        CHECK(number.free_in_the_end());
    }
    SUBCASE("while another one is asked, too") {
        number.keep(left({&device, &number.host.dsa1()}, {}));
        number.emptied_at(kFirstLook + 50_ns, device);
        number.emptied_at(kFirstLook + 60_ns, number.host.dsa1());
        CHECK(number.free_in_the_end());
    }
}

TEST_CASE("unfinished: the device is emptied before anybody keeps the number, and nobody looks") {
    Waiting number{0};
    Device& device = number.host.dsa0();
    const UnfinishedPasids::Unfinished asked = left({&device}, {});
    const UnfinishedPasids::Unfinished unflushed = left({}, {&device});
    SUBCASE("since it was asked") {
        number.host.kernel->unfinished().emptied(number.host.ctx, device);
        number.keep(asked);
        CHECK(number.free_in_the_end());
    }
    SUBCASE("since its invalidation did not end, and now does") {
        number.host.kernel->unfinished().emptied(number.host.ctx, device);
        number.host.machine.queue_hangs = false;
        number.keep(unflushed);
        CHECK(number.free_in_the_end());
    }
    SUBCASE("before it was asked") {
        number.host.kernel->unfinished().emptied(number.host.ctx, device);
        number.keep(left({&device}, {}));
        CHECK_FALSE(number.free_in_the_end());
    }
    SUBCASE("never") {
        number.keep(asked);
        CHECK_FALSE(number.free_in_the_end());
    }
}

TEST_CASE("unfinished: the function is reset, and its driver does not get it going again") {
    Waiting number{0};
    Device& function = number.function();
    Errno result = Errno::Ok;
    number.keep(left({&function}, {}));
    number.at(300_us, [&](ExecContext& ctx) {
        result = reset_function(ctx, *number.host.kernel, function);
    });
    CHECK(number.free_in_the_end());
    CHECK(result == Errno::Etimedout);
}
