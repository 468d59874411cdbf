#include <doctest/doctest.h>

#include "models/linux/linux_probes.hpp"
#include "models/linux/workqueue_file.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

// A device with a dedicated and a shared queue, and a process bound to it.
struct Opener {
    explicit Opener(const std::vector<const Defect*>& defects = {})
        : host(defects),
          device(host.kernel->add_device({"dsa2",
                                          &host.unit(),
                                          Rid{24},
                                          false,
                                          1,
                                          kDsa1,
                                          kPortals1,
                                          {{"wq0", false, 4}, {"wq1", true, 4}}})),
          process(host.process("host/app")),
          other(host.process("host/other")) {
        REQUIRE(host.unit().attach(host.ctx, device) == Errno::Ok);
        REQUIRE(device.bring_up(host.ctx) == Errno::Ok);
        id = bind(process);
        other_id = bind(other);
    }
    Ioasid bind(Process& who) {
        const Ioasid made = *host.kernel->sva().alloc(host.ctx, who, 1, 1000);
        REQUIRE(host.kernel->sva().bind(host.ctx, who, device, made) == Errno::Ok);
        return made;
    }
    WorkqueueFiles& files() { return host.kernel->workqueue_files(); }
    Errno open(Process& who, std::uint32_t queue, Ioasid as) {
        return files().open(host.ctx, who, device, queue, as);
    }
    Errno close(Process& who, std::uint32_t queue) {
        return files().close(host.ctx, who, device, queue);
    }

    Host host;
    Device& device;
    Process& process;
    Process& other;
    Ioasid id;
    Ioasid other_id;
};

TEST_CASE("workqueue file: a dedicated queue holds a reference while it is open") {
    Opener o;
    const std::uint32_t before = o.host.refs(o.id);
    REQUIRE(o.open(o.process, 0, o.id) == Errno::Ok);
    CHECK(o.host.refs(o.id) == before + 1);
    CHECK(o.files().opened_by(o.process, o.device, 0));
    REQUIRE(o.close(o.process, 0) == Errno::Ok);
    CHECK(o.host.refs(o.id) == before);
    CHECK_FALSE(o.files().opened_by(o.process, o.device, 0));
}

TEST_CASE("workqueue file: a shared queue holds none and may be open often") {
    Opener o;
    const std::uint32_t before = o.host.refs(o.id);
    CHECK(o.open(o.process, 1, o.id) == Errno::Ok);
    CHECK(o.open(o.process, 1, o.id) == Errno::Ok);
    CHECK(o.open(o.other, 1, o.other_id) == Errno::Ok);
    CHECK(o.host.refs(o.id) == before);
}

TEST_CASE("workqueue file: a dedicated queue is somebody's") {
    Opener o;
    REQUIRE(o.open(o.process, 0, o.id) == Errno::Ok);
    CHECK(o.open(o.other, 0, o.other_id) == Errno::Ebusy);
    CHECK(o.close(o.other, 0) == Errno::Enoent);
    REQUIRE(o.close(o.process, 0) == Errno::Ok);
    CHECK(o.open(o.other, 0, o.other_id) == Errno::Ok);
}

TEST_CASE("workqueue file: only for an address space that is bound to the device") {
    Opener o;
    CHECK(o.open(o.process, 0, o.other_id) == Errno::Eperm);
    CHECK(o.open(o.process, 0, Ioasid{999}) == Errno::Eperm);
}

TEST_CASE("workqueue file: an ID that is being freed is not programmed") {
    Opener o;
    o.host.kernel->ioasid().free(o.host.ctx, o.process.set, o.id);
    CHECK(o.open(o.process, 0, o.id) == Errno::Ebusy);
    CHECK_FALSE(o.files().opened_by(o.process, o.device, 0));
    // the queue was set and is cleared again
    CHECK(o.host.machine.writes.back().address == kDsa1 + dsa::reg::kCmd);
}

TEST_CASE("workqueue file: a process that ends closes what it has open") {
    Opener o;
    REQUIRE(o.open(o.process, 0, o.id) == Errno::Ok);
    REQUIRE(o.open(o.process, 1, o.id) == Errno::Ok);
    o.files().close_all(o.host.ctx, o.process);
    CHECK_FALSE(o.files().opened_by(o.process, o.device, 0));
    CHECK_FALSE(o.files().opened_by(o.process, o.device, 1));
}

}  // namespace
}  // namespace ioasim::os::test
