// Queues of the unit among real links, a root complex and a device: who sees what in which order.
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"
#include "models/vtd/vtd_probes.hpp"
#include "tests/support/vtd_machine.hpp"

using namespace ioasim;
using namespace ioasim::test;
using namespace ioasim::vtd;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = 0x7F00'0000'0000;
constexpr TimePs kStart = VtdMachine::kReady;
constexpr Hpa kQueue{0x4000'0000};
constexpr Hpa kStatus{0x4100'0000};
constexpr Hpa kPages{0x4200'0000};
constexpr std::uint64_t kMessage = 0xFEE0'1000;

MachineParams params_with_device_tlb() {
    MachineParams params;
    params.vtd.device_tlb = params.vtd.page_requests = params.vtd.page_request_drain = true;
    params.vtd.device_tlb_timeout = 100_us;
    return params;
}

// A device with a first-stage PASID that may translate and ask for pages; queues are on.
struct QueueMachine : VtdMachine {
    explicit QueueMachine(const MachineParams& params = params_with_device_tlb())
        : VtdMachine(params) {
        VtdTables tables;
        const Hpa first = tables.page();
        const PasidEntry entry = tables.first_stage(3);
        tables.map_first(entry.first_stage, kVa, 0x5000'0000);
        ContextEntry context = tables.make_context();
        context.dte = context.pre = true;
        tables.set_context(kDevice, context);
        tables.set_pasid(context, kPasid, entry);
        const Hpa root = tables.root();
        install(tables, first, tables.page());
        set(0, reg::kIqa, iq::make_iqa(kQueue, true, 0), 8);
        set(100, reg::kPqa, pq::make_pqa(kPages, 0), 8);
        for (const std::uint32_t event : {reg::kFectl, reg::kIectl, reg::kPectl}) {
            set(200 + event, event + 8, kMessage + event * 16, 4);
            set(300 + event, event, 0, 4);
        }
        bring_up(root);
        mmio_write(6_us, kRegisters + reg::kGcmd, gcmd::kQie | gcmd::kTe, 4);
    }
    void set(unsigned ns, std::uint32_t offset, std::uint64_t value, std::uint32_t size) {
        mmio_write(TimePs{ns * 1000}, kRegisters + offset, value, size);
    }
    void queue(TimePs at, const std::vector<Descriptor>& ring) {
        memory.bytes().write(kQueue, ring.data(), ring.size() * kDescriptorBytes);
        mmio_write(at, kRegisters + reg::kIqt, ring.size() * kDescriptorBytes, 8);
    }
    // A CPU that reads a status over and over, a nanosecond apart.
    void watch(TimePs from, TimePs until, std::uint32_t offset) {
        for (TimePs at = from; at < until; at += 1_ns) {
            mmio_read(at, kRegisters + offset, 4);
        }
    }
    // The status was seen before the interrupt that announces it came.
    bool seen_early(std::uint32_t bits) const {
        for (const auto& [time, tlp] : cpus.got) {
            if (tlp.kind == TlpKind::Interrupt) {
                return false;
            }
            if ((value_of(tlp) & bits) != 0) {
                return true;
            }
        }
        return true;
    }
    std::uint32_t status() const {
        std::uint32_t value = 0;
        memory.bytes().read(kStatus, &value, sizeof value);
        return value;
    }
    std::vector<pcie::Tlp> to_device(TlpKind kind) const {
        std::vector<pcie::Tlp> found;
        for (const auto& [time, tlp] : device.got) {
            if (tlp.kind == kind) {
                found.push_back(tlp);
            }
        }
        return found;
    }
};

Descriptor whole(Rid rid) {
    return device_tlb_invalidate(rid, kWholeAddressSpace, true);
}

}  // namespace

TEST_CASE("iommu queues: nobody reads a fault status before its interrupt") {
    QueueMachine m;
    m.device.at(kStart, VtdMachine::dma(TlpKind::MemWrite, kVa + kPageSize));
    m.watch(kStart, kStart + 3_us, reg::kFsts);
    m.sim.run();
    CHECK_FALSE(m.seen_early(fsts::kPpf));
}

TEST_CASE("iommu queues: nobody reads a page-request status before its interrupt") {
    QueueMachine m;
    m.device.at(kStart, pcie::page_request(VtdMachine::kDevice, VtdMachine::kPasid,
                                           {kVa, 1, true, true, false}));
    m.watch(kStart, kStart + 3_us, reg::kPrs);
    m.sim.run();
    CHECK_FALSE(m.seen_early(pq::kPpr));
    std::uint64_t descriptor = 0;
    m.memory.bytes().read(kPages + 8, &descriptor, sizeof descriptor);
    CHECK((descriptor & inv::kAddress) == kVa);
}

TEST_CASE("iommu queues: a wait's status is written when the device answered") {
    QueueMachine m;
    m.queue(kStart, {whole(VtdMachine::kDevice), wait_with_status(kStatus, 2)});
    m.device.at(kStart + 20_us, pcie::invalidate_completion(VtdMachine::kDevice, {Rid{}, 1U, 1}));
    CHECK(m.sim.run() == sim::StopReason::Idle);
    REQUIRE(m.to_device(TlpKind::InvalidateRequest).size() == 1);
    CHECK(m.status() == 2);
    const auto done = m.log.of("vtd.inv_wait_done");
    REQUIRE(done.size() == 1);
    CHECK(done[0].time > kStart + 20_us);
    CHECK(m.log.count("vtd.queue_stop") == 0);
}

TEST_CASE("iommu queues: a device that is gone never answers, the queue stops in time") {
    QueueMachine m;
    m.queue(kStart, {whole(Rid{0x0700}), wait_with_status(kStatus, 2)});
    m.mmio_read(kStart + 200_us, VtdMachine::kRegisters + reg::kFsts, 4);
    CHECK(m.sim.run() == sim::StopReason::Idle);
    CHECK(m.status() == 0);
    const auto asked = m.log.of("vtd.dev_tlb_request");
    const auto stop = m.log.of("vtd.queue_stop");
    REQUIRE(stop.size() == 1);
    CHECK(stop[0].time == asked.at(0).time + 100_us);
    CHECK(m.log.count("pcie.unsupported") == 1);
    CHECK((VtdMachine::value_of(m.cpus.got.back().second) & fsts::kIte) != 0);
}

TEST_CASE("iommu queues: a response reaches the device") {
    QueueMachine m;
    m.queue(kStart, {page_group_response(VtdMachine::kDevice, 9, PageResponse::Success, true,
                                         VtdMachine::kPasid)});
    m.sim.run();
    const auto answers = m.to_device(TlpKind::PageGroupResponse);
    REQUIRE(answers.size() == 1);
    CHECK(pcie::decode_page_group_answer(answers[0].address).group == 9);
}

// Page request, answer to the invalidation and the drain of the wait, all on one way.
TEST_CASE("iommu queues: a draining wait comes behind a page request sent before the answer") {
    for (const bool broken : {false, true}) {
        CAPTURE(broken);
        MachineParams params = params_with_device_tlb();
        params.vtd.page_request_handling = 20_us;
        QueueMachine m{params};
        if (broken) {
            m.sim.probes().enable(kPageDrainIgnored);
        }
        m.queue(kStart, {whole(VtdMachine::kDevice), wait_with_status(kStatus, 2, true)});
        m.device.at(kStart + 10_us, pcie::page_request(VtdMachine::kDevice, VtdMachine::kPasid,
                                                       {kVa, 1, true, true, false}));
        m.device.at(kStart + 10_us + 1_ns,
                    pcie::invalidate_completion(VtdMachine::kDevice, {Rid{}, 1U, 1}));
        m.sim.run();
        const auto shown = m.log.of("vtd.prq");
        const auto done = m.log.of("vtd.inv_wait_done");
        REQUIRE(shown.size() == 1);
        REQUIRE(done.size() == 1);
        CHECK((done[0].time > shown[0].time) == !broken);
    }
}
