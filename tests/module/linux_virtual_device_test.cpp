// A virtual device whose guest's PASID ends on another processor.
#include <doctest/doctest.h>

#include <utility>

#include "tests/support/sim_harness.hpp"
#include "tests/unit/linux_shared_queue.hpp"

using namespace ioasim;
using namespace ioasim::os;
using ioasim::os::test::SharedQueue;
using ioasim::test::SoftwareRun;

// Whoever looked the ID up may have lost the processor before its ENQCMDS leaves it.
TEST_CASE("virtual device: work of an UNBIND waits for the attempt that is under way") {
    SharedQueue q;
    SoftwareRun run{SoftwareRun::params(2)};
    const Ioasid id = q.bind(101);
    q.keep(101, 1);
    const auto start = [&](const char* name, TimePs when, sim::TaskBody body) {
        q.host.recorder.source(name);
        sim::TaskOptions options;
        options.name = name;
        options.port = &q.host.machine;
        run.dispatcher().spawn(std::move(options), when, std::move(body));
    };
    TimePs answered;
    TimePs drained;
    ExecContext* submitter = nullptr;
    q.answers([&](int) {
        q.host.core->detach_spid(*submitter, id);
        submitter->spend(5_us);
        answered = submitter->now();
        return cpu::EnqOutcome::Accepted;
    });
    start("host/vmm", 1_ps, [&](ExecContext& ctx) {
        submitter = &ctx;
        CHECK(q.device->resume(ctx, CallingTask{q.vm.mm()}) == Errno::Ok);
    });
    start("host/worker", 3_us, [&](ExecContext& ctx) {
        CHECK(q.host.core->run_pending(ctx) == 2);
        drained = ctx.now();
    });
    CHECK(run.run() == sim::StopReason::Idle);
    CHECK(q.sent == std::vector<std::uint32_t>{id.value()});
    CHECK(drained > answered);
}
