// PASIDs whose invalidations did not end when their entries went: the number waits.
#include <doctest/doctest.h>

#include "models/linux/aux_domains.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/sva.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

// A process with a PASID on a device with a TLB. The next invalidation is refused on demand.
struct Bound {
    explicit Bound(const std::vector<const Defect*>& defects = {})
        : host(defects),
          process(host.process("host/app")),
          id(*host.kernel->sva().alloc(host.ctx, process, 1, 1000)) {
        REQUIRE(host.kernel->sva().bind(host.ctx, process, host.dsa1(), id) == Errno::Ok);
        REQUIRE(host.refs(id) == 2);
    }
    void refuse() { host.machine.refuse_next = true; }
    Errno unbind() { return host.kernel->sva().unbind(host.ctx, process, host.dsa1(), id); }
    IommuGroup& group() { return *host.dsa1().group(); }
    // Its owner's reference is there all the time.
    bool waits() const { return host.refs(id) == 2; }

    Host host;
    Process& process;
    Ioasid id;
    std::uint32_t pasids = 0;
};

TEST_CASE("unflushed: the unit refuses what a detach wants flushed") {
    Bound app;
    app.refuse();
    CHECK(app.unbind() == Errno::Einval);
    CHECK(app.waits());
}

TEST_CASE("unflushed: the entry went with the address space") {
    SUBCASE("and was flushed") {
        Bound app;
        app.host.kernel->sva().mm_release(app.host.ctx, app.process);
        CHECK(app.unbind() == Errno::Ok);
        CHECK_FALSE(app.waits());
    }
    SUBCASE("and was not") {
        Bound app;
        app.refuse();
        app.host.kernel->sva().mm_release(app.host.ctx, app.process);
        CHECK(app.unbind() == Errno::Einval);
        CHECK(app.waits());
    }
    SUBCASE("and was not, which is forgotten") {
        Bound app{{&kEarlyFlushForgotten}};
        app.refuse();
        app.host.kernel->sva().mm_release(app.host.ctx, app.process);
        CHECK(app.unbind() == Errno::Ok);
        CHECK_FALSE(app.waits());
    }
}

TEST_CASE("unflushed: the entry went when a reset began") {
    Bound app;
    SUBCASE("and was flushed") {
        REQUIRE(app.group().block(app.host.ctx, app.pasids) == Errno::Ok);
        CHECK(app.unbind() == Errno::Ok);
        CHECK_FALSE(app.waits());
    }
    SUBCASE("and was not: the function is not reset") {
        app.refuse();
        REQUIRE(app.group().block(app.host.ctx, app.pasids) == Errno::Einval);
        CHECK(app.unbind() == Errno::Einval);
        CHECK(app.waits());
    }
    SUBCASE("and was not: a second reset finds nothing to flush, and the function forgets") {
        app.refuse();
        REQUIRE(app.group().block(app.host.ctx, app.pasids) == Errno::Einval);
        REQUIRE(app.group().block(app.host.ctx, app.pasids) == Errno::Ok);
        REQUIRE(app.group().unblock(app.host.ctx, app.pasids) == Errno::Ok);
        CHECK(app.unbind() == Errno::Ok);
        CHECK_FALSE(app.waits());
    }
}

TEST_CASE("unflushed: page tables of kernel code under a PASID of somebody") {
    for (const bool refused : {false, true}) {
        Host host;
        Process& app = host.process("host/app");
        const Ioasid id = *host.kernel->sva().alloc(host.ctx, app, 1, 1000);
        const Pasid pasid{id.value()};
        IommuDomain domain{*host.kernel, host.unit(), "app", IommuDomain::Stage::First};
        REQUIRE(domain.create(host.ctx) == Errno::Ok);
        REQUIRE(domain.attach_pasid(host.ctx, host.dsa1(), pasid) == Errno::Ok);
        host.machine.refuse_next = refused;
        domain.detach_pasid(host.ctx, host.dsa1(), pasid);
        CHECK(host.refs(id) == (refused ? 2 : 1));
        domain.destroy();
    }
}

TEST_CASE("unflushed: the default PASID of an auxiliary domain") {
    for (const bool refused : {false, true}) {
        Host host;
        const SecondStage table{};
        AuxDomains& domains = host.kernel->aux_domains();
        REQUIRE(domains.attach(host.ctx, table, "vm1", host.dsa1()) == Errno::Ok);
        const Ioasid id = domains.pasid(table, host.dsa1());
        REQUIRE(host.refs(id) == 2);
        host.machine.refuse_next = refused;
        domains.detach(host.ctx, table, host.dsa1());
        CHECK(host.refs(id) == (refused ? 1 : 0));  // freed, and waits; or gone
    }
}

}  // namespace
}  // namespace ioasim::os::test
