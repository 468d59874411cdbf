#include <doctest/doctest.h>

#include "models/linux/linux_probes.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

struct BoundProcess {
    explicit BoundProcess(Host& host, const std::string& name = "host/app")
        : process(host.process(name)), id(*host.kernel->sva().alloc(host.ctx, process, 1, 1000)) {}
    Process& process;
    Ioasid id;
};

TEST_CASE("sva: the first device takes a reference, further devices none, the last one drops it") {
    Host host;
    BoundProcess app{host};
    Sva& sva = host.kernel->sva();
    CHECK(host.refs(app.id) == 1);
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(host.refs(app.id) == 2);
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa1(), app.id) == Errno::Ok);
    CHECK(host.refs(app.id) == 2);
    REQUIRE(sva.unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(host.refs(app.id) == 2);
    CHECK(sva.entry_live(app.id));
    REQUIRE(sva.unbind(host.ctx, app.process, host.dsa1(), app.id) == Errno::Ok);
    CHECK(host.refs(app.id) == 1);
    CHECK_FALSE(sva.entry_live(app.id));
}

TEST_CASE("sva: FREE of an ID with another user's private data is not the IOMMU's") {
    Host host;
    BoundProcess app{host};
    IoasidCore& core = *host.core;
    int data = 0;
    REQUIRE(core.get(host.ctx, app.process.set, app.id, core.holder("user")) == Errno::Ok);
    REQUIRE(core.attach_data(host.ctx, app.process.set, app.id, &data) == Errno::Ok);
    core.free(host.ctx, app.process.set, app.id);
    CHECK(host.log.count("ioasid.free") == 1);
    CHECK(host.log.count("ioasid.work") == 0);
}

TEST_CASE("sva: unbind drains the device before the entry goes") {
    Host host;
    BoundProcess app{host};
    REQUIRE(host.kernel->sva().bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    host.machine.writes.clear();
    REQUIRE(host.kernel->sva().unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    REQUIRE_FALSE(host.machine.writes.empty());
    CHECK(host.machine.writes[0].address == kDsa0 + dsa::reg::kCmd);
    CHECK(host.machine.writes[0].value ==
          dsa::encode_command(dsa::Command::DrainPasid, app.id.value()));
    CHECK(host.machine.writes[1].address == kUnit0 + vtd::reg::kIqt);
}

TEST_CASE("sva: wrong calls and their errors") {
    Host host;
    BoundProcess app{host};
    BoundProcess other{host, "host/other"};
    Sva& sva = host.kernel->sva();
    CHECK(sva.bind(host.ctx, app.process, host.dsa0(), Ioasid{999}) == Errno::Enoent);
    CHECK(sva.bind(host.ctx, app.process, host.dsa0(), other.id) == Errno::Eacces);
    CHECK(sva.unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Enoent);
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(sva.unbind(host.ctx, other.process, host.dsa0(), app.id) == Errno::Enoent);
    CHECK(sva.unbind(host.ctx, app.process, host.dsa1(), app.id) == Errno::Enoent);
    CHECK(host.refs(app.id) == 2);
}

TEST_CASE("sva: a bind that finds the entry occupied leaves no reference behind") {
    Host host;
    BoundProcess app{host};
    REQUIRE(host.unit().set_first_stage(host.ctx, host.dsa0(), Pasid{app.id.value()}, 0x1000,
                                        "x") == Errno::Ok);
    CHECK(host.kernel->sva().bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ebusy);
    CHECK(host.refs(app.id) == 1);
    CHECK_FALSE(app.process.pasid.has_value());
}

TEST_CASE("sva: a bound ID that is freed waits for the IOMMU's deferred work") {
    Host host;
    BoundProcess app{host};
    Sva& sva = host.kernel->sva();
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    host.core->free(host.ctx, app.process.set, app.id);
    CHECK(host.core->view(app.id)->state == IoasidState::FreePending);
    CHECK(sva.entry_live(app.id));
    CHECK(sva.unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK_FALSE(host.core->view(app.id).has_value());
    host.work();
    CHECK(host.log.count("vtd.pasid_entry_clear") == 1);
    CHECK(host.log.count("ioasid.reclaim") == 1);
}

TEST_CASE("sva: free keeps fault processing disabled in the entry, unbind does not") {
    Host host;
    BoundProcess app{host};
    Sva& sva = host.kernel->sva();
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(sva.free(host.ctx, app.process, app.id) == Errno::Ok);
    const std::size_t cleared = host.log.position("vtd.pasid_entry_clear");
    CHECK(host.log.field(cleared, "fpd") == 1);
    CHECK(sva.unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Enoent);
}

TEST_CASE("sva: a second free is silent, a foreign free is refused") {
    Host host;
    BoundProcess app{host};
    BoundProcess other{host, "host/other"};
    Sva& sva = host.kernel->sva();
    REQUIRE(sva.bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(sva.free(host.ctx, other.process, app.id) == Errno::Eacces);
    CHECK(host.core->view(app.id)->state == IoasidState::Active);
    host.core->free(host.ctx, app.process.set, app.id);
    CHECK(sva.free(host.ctx, app.process, app.id) == Errno::Ok);
    CHECK(host.log.count("ioasid.free") == 1);
}

TEST_CASE("sva: quota is the limit, and -ENOSPC its answer") {
    Host host;
    Process& app = host.process("host/app");
    Sva& sva = host.kernel->sva();
    const std::uint64_t quota = host.kernel->params().set_quota;
    for (std::uint64_t i = 0; i < quota; ++i) {
        REQUIRE(sva.alloc(host.ctx, app, 1, 0xFFFFF).ok());
    }
    CHECK(sva.alloc(host.ctx, app, 1, 0xFFFFF).error() == Errno::Enospc);
}

TEST_CASE("process exit: every binding ends, every ID and every page comes back") {
    Host host;
    Process& warm = host.process("host/warm");  // makes the PASID table pages, which stay
    REQUIRE(host.kernel->sva().alloc(host.ctx, warm, 1, 1000).ok());
    REQUIRE(host.kernel->sva().bind(host.ctx, warm, host.dsa0(), Ioasid{1}) == Errno::Ok);
    REQUIRE(host.kernel->sva().bind(host.ctx, warm, host.dsa1(), Ioasid{1}) == Errno::Ok);
    host.kernel->exit_process(host.ctx, warm, "exit");
    const std::uint64_t pages = host.kernel->pages().free_pages();
    const std::uint32_t ids = host.core->available();

    BoundProcess app{host};
    REQUIRE(host.kernel->sva().bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    REQUIRE(host.kernel->sva().bind(host.ctx, app.process, host.dsa1(), app.id) == Errno::Ok);
    host.kernel->exit_process(host.ctx, app.process, "killed");
    CHECK(host.kernel->pages().free_pages() == pages);
    CHECK(host.core->available() == ids);
    CHECK_FALSE(host.core->view(app.id).has_value());
    CHECK(host.log.count("process.exit") == 2);
}

TEST_CASE("sva defect: the missing put keeps the ID pending for ever") {
    Host host({&kMissingPut});
    BoundProcess app{host};
    REQUIRE(host.kernel->sva().bind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    REQUIRE(host.kernel->sva().unbind(host.ctx, app.process, host.dsa0(), app.id) == Errno::Ok);
    CHECK(host.refs(app.id) == 2);
    CHECK(host.kernel->sva().free(host.ctx, app.process, app.id) == Errno::Ok);
    CHECK(host.core->view(app.id)->state == IoasidState::FreePending);
}

TEST_CASE("boot: the second caller gets the first one's result without new work") {
    Host host;
    const std::size_t writes = host.machine.writes.size();
    CHECK(host.kernel->boot(host.ctx) == Errno::Ok);
    CHECK(host.machine.writes.size() == writes);
}

TEST_CASE("boot: a device whose commands never end is given up") {
    Host host({}, {}, [](FakeMachine& machine, KernelConfig&) { machine.command_hangs = true; });
    CHECK(host.boot_result == Errno::Etimedout);
}

TEST_CASE("idxd: queues are configured before the device is enabled, and enabled after it") {
    Host host;
    std::vector<std::uint32_t> commands;
    std::size_t configured = 0;
    for (const FakeMachine::Write& w : host.machine.writes) {
        if (w.address == kDsa0 + dsa::reg::kCmd) {
            commands.push_back(static_cast<std::uint32_t>(get_bits(w.value, 24, 20)));
        }
        const bool queue = w.address >= kDsa0 + dsa::reg::kWqcfgTable && w.address < kDsa1;
        configured += queue && commands.size() == 1 ? 1 : 0;
    }
    CHECK(commands == std::vector<std::uint32_t>{5, 1, 6});  // reset, device, queue
    CHECK(configured == 6);
}

}  // namespace
}  // namespace ioasim::os::test
