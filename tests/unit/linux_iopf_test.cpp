#include <doctest/doctest.h>

#include "models/linux/linux_probes.hpp"
#include "models/linux/page_request_service.hpp"
#include "tests/support/page_requests.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

constexpr std::uint64_t kNowhere = 0x1000;

// A process bound to dsa0 with eight pages that nobody touched, and the page-request queue as a
// device and a unit would fill it. Workers run when the test lets them.
struct Faults {
    explicit Faults(const std::vector<const Defect*>& defects = {},
                    const KernelParams& params = kernel_param_table().defaults())
        : host(
              defects, {},
              [](FakeMachine& machine, KernelConfig&) {
                  machine.ecap |= vtd::ecap::kPrs.make(1) | vtd::ecap::kPds.make(1);
              },
              params),
          app(host.process("host/app")) {
        Sva& sva = host.kernel->sva();
        id = *sva.mm_pasid(host.ctx, app, host.dsa0(), 1, 100);
        bound = sva.bind(host.ctx, app, host.dsa0(), id);
        Mm::Request request;
        request.bytes = 8 * kPageSize;
        request.populate = false;
        base = *app.mm.map(host.ctx, request);
        host.machine.descriptors.clear();
        host.machine.writes.clear();
    }
    PageRequestService& service() { return *host.unit().page_requests(); }
    vtd::PageRequest page(std::uint64_t address, std::uint16_t group, bool last) const {
        return ioasim::test::page_read(Rid{8}, Pasid{id.value()}, address, group, last);
    }
    void arrive(const vtd::PageRequest& request) { ioasim::test::write_request(host, request); }
    void run() {
        service().handle(host.ctx);
        while (service().faults().run_one(host.ctx)) {
        }
    }
    // Response codes as they stand in the invalidation queue.
    std::vector<std::uint64_t> codes() const { return ioasim::test::response_codes(host); }
    bool head_is_tail() {
        return host.machine.hardware_register(kUnit0 + vtd::reg::kPqh) ==
               host.machine.hardware_register(kUnit0 + vtd::reg::kPqt);
    }

    Host host;
    Process& app;
    Ioasid id;
    Errno bound = Errno::Ok;
    std::uint64_t base = 0;
};

using Codes = std::vector<std::uint64_t>;

TEST_CASE("iopf: a page that nobody touched is brought in and the group answered once") {
    Faults f;
    REQUIRE(f.bound == Errno::Ok);
    f.arrive(f.page(f.base, 3, true));
    f.run();
    CHECK(f.codes() == Codes{0});
    CHECK(f.app.mm.translate(f.host.ctx, f.base, true).ok());
    CHECK(f.host.log.count("iopf.fault") == 1);
    CHECK(f.head_is_tail());
}

TEST_CASE(
    "prq thread: the pending bit is cleared before the tail is sampled, the head moved once") {
    Faults f;
    f.arrive(f.page(f.base, 3, true));
    f.arrive(f.page(f.base + kPageSize, 4, true));
    f.service().handle(f.host.ctx);
    REQUIRE(f.host.machine.writes.size() >= 2);
    CHECK(f.host.machine.writes.front().address == kUnit0 + vtd::reg::kPrs);
    std::size_t heads = 0;
    for (const FakeMachine::Write& w : f.host.machine.writes) {
        heads += w.address == kUnit0 + vtd::reg::kPqh ? 1 : 0;
    }
    CHECK(heads == 1);
}

TEST_CASE("prq thread: malformed requests are answered Invalid where they end a group") {
    const auto malformed = [](const Faults& f, int kind, bool last) {
        vtd::PageRequest r = f.page(f.base, 3, last);
        r.address = kind == 0 ? 0x8000'0000'0000 : r.address;
        r.privileged = kind == 1;
        r.execute = kind == 2;
        return r;
    };
    for (int kind = 0; kind < 3; ++kind) {
        CAPTURE(kind);
        Faults f;
        f.arrive(malformed(f, kind, false));
        f.run();
        CHECK(f.codes().empty());
        f.arrive(malformed(f, kind, true));
        f.run();
        CHECK(f.codes() == Codes{1});
        CHECK(f.host.log.count("iopf.group") == 0);
        CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
    }
}

TEST_CASE("prq thread: a stop marker gets no answer") {
    Faults f;
    vtd::PageRequest marker = f.page(0, 0, true);
    marker.read = false;
    f.arrive(marker);
    f.run();
    CHECK(f.codes().empty());
    CHECK(f.head_is_tail());
}

TEST_CASE("prq thread: an unknown requester is answered Invalid where it ends a group") {
    Faults f;
    vtd::PageRequest r = f.page(f.base, 3, false);
    r.rid = Rid{0x99};
    f.arrive(r);
    f.run();
    CHECK(f.codes().empty());
    r.last = true;
    f.arrive(r);
    f.run();
    CHECK(f.codes() == Codes{1});
}

TEST_CASE(
    "prq thread: after an overflow half collected groups are dropped, when nothing is queued") {
    Faults f;
    f.arrive(f.page(f.base, 3, false));
    f.run();
    CHECK(f.service().faults().partials(f.host.dsa0()) == 1);
    f.host.machine.hardware_register(kUnit0 + vtd::reg::kPrs) = vtd::pq::kPro;
    f.run();
    CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
    CHECK((f.host.machine.hardware_register(kUnit0 + vtd::reg::kPrs) & vtd::pq::kPro) == 0);
    f.arrive(f.page(f.base + kPageSize, 3, true));
    f.run();
    CHECK(f.host.log.count("iopf.fault") == 1);
}

TEST_CASE("iopf: nobody attached, a bare domain and another type of domain have no handler") {
    for (const int kind : {0, 1, 2}) {
        CAPTURE(kind);
        Faults f;
        vtd::PageRequest r = f.page(f.base, 3, false);
        r.pasid = Pasid{50};
        if (kind > 0) {
            REQUIRE(f.host.dsa0().group()->attach(
                        f.host.ctx, Pasid{50},
                        std::make_unique<PasidDomain>(DomainType::Unmanaged, trace::Name{}),
                        kind == 1) == Errno::Ok);
            f.host.machine.descriptors.clear();
        }
        CHECK(f.service().faults().report(f.host.ctx, f.host.dsa0(), r) == Errno::Einval);
        CHECK(f.codes().empty());
        r.last = true;
        CHECK(f.service().faults().report(f.host.ctx, f.host.dsa0(), r) == Errno::Einval);
        CHECK(f.codes() == Codes{1});
        CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
    }
}

TEST_CASE("iopf: without a PASID nobody handles the request") {
    Faults f;
    vtd::PageRequest r = f.page(f.base, 3, true);
    r.has_pasid = false;
    CHECK(f.service().faults().report(f.host.ctx, f.host.dsa0(), r) == Errno::Einval);
    CHECK(f.codes() == Codes{1});
}

TEST_CASE("iopf: pages of a group go oldest first, and the first that cannot be had decides") {
    Faults f;
    f.arrive(f.page(f.base, 3, false));
    f.arrive(f.page(f.base + 5 * kPageSize, 4, false));
    f.arrive(f.page(kNowhere, 3, false));
    f.arrive(f.page(f.base + kPageSize, 3, true));
    f.run();
    CHECK(f.codes() == Codes{1});
    CHECK(f.host.log.count("iopf.fault") == 2);
    CHECK(f.service().faults().partials(f.host.dsa0()) == 1);
    f.arrive(f.page(f.base + 6 * kPageSize, 4, true));
    f.run();
    CHECK(f.codes() == Codes{1, 0});
    CHECK(f.host.log.count("iopf.fault") == 4);
}

TEST_CASE("iopf: a group that its handler refuses, or has no memory for, is a FAILURE once") {
    for (const FaultSite* site : {&kHandlerRefusal, &kGroupAllocation}) {
        Faults f;
        f.host.probes.fail_next(*site);
        f.arrive(f.page(f.base, 3, false));
        f.arrive(f.page(f.base + kPageSize, 3, true));
        f.run();
        CHECK(f.codes() == Codes{2});
        CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
        CHECK(f.service().faults().pending() == 0);
    }
}

TEST_CASE("iopf: the code of FAILURE is Linux's own number, or that of PCI Express") {
    KernelParams params = kernel_param_table().defaults();
    params.iopf_failure_code = 15;
    Faults f({}, params);
    f.host.probes.fail_next(kHandlerRefusal);
    f.arrive(f.page(f.base, 3, true));
    f.run();
    CHECK(f.codes() == Codes{15});
}

TEST_CASE("iopf: no memory for a page of a group tells the caller, and the page is forgotten") {
    Faults f;
    f.host.probes.fail_next(kPartialAllocation);
    CHECK(f.service().faults().report(f.host.ctx, f.host.dsa0(), f.page(f.base, 3, false)) ==
          Errno::Enomem);
    CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
}

TEST_CASE("iopf: a device that leaves gets Invalid for what is pending, late answers are nothing") {
    Faults f;
    for (std::uint16_t group = 1; group <= 3; ++group) {
        f.arrive(f.page(f.base + group * kPageSize, group, true));
    }
    f.arrive(f.page(f.base, 9, false));
    f.service().handle(f.host.ctx);
    f.service().faults().remove_device(f.host.ctx, f.host.dsa0());
    CHECK(f.codes() == Codes{1, 1, 1});
    CHECK(f.service().faults().partials(f.host.dsa0()) == 0);
    f.run();
    CHECK(f.codes() == Codes{1, 1, 1});
    CHECK(f.service().faults().pending() == 0);
}

TEST_CASE("iopf: rights of the mapping decide, and an address space that goes has none") {
    Faults f;
    Mm::Request request;
    request.bytes = kPageSize;
    request.populate = false;
    request.writable = false;
    const std::uint64_t at = *f.app.mm.map(f.host.ctx, request);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at, true, false) == Mm::Fault::NoRight);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at, false, true) == Mm::Fault::NoRight);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at, false, false) == Mm::Fault::Minor);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at, false, false) == Mm::Fault::Present);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at + kPageSize, false, false) == Mm::Fault::NoMapping);
    f.host.probes.fail_next(kPageAllocation);
    CHECK(f.app.mm.handle_fault(f.host.ctx, f.base, false, false) == Mm::Fault::NoMemory);
    f.app.mm.destroy(f.host.ctx);
    CHECK(f.app.mm.handle_fault(f.host.ctx, at, false, false) == Mm::Fault::Exiting);
}

TEST_CASE("interrupts: only the unit's own message marks its line") {
    Faults f;
    const int before = f.host.scheduler.wakes;
    Interrupts& interrupts = f.host.kernel->interrupts();
    interrupts.on_interrupt_message(0x80, Interrupts::kMessageAddress, 0x80);
    interrupts.on_interrupt_message(0x31, 0xFEE0'1000, 0x31);
    CHECK(f.host.scheduler.wakes == before);
    interrupts.on_interrupt_message(0x31, Interrupts::kMessageAddress, 0x31);
    CHECK(f.host.scheduler.wakes == before + 1);
}

}  // namespace
}  // namespace ioasim::os::test
