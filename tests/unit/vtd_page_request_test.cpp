// Page requests: checks, the queue in memory, automatic responses, stop markers, drain.
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"
#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::TlpKind;

namespace {

constexpr Rid kDevice = VtdBench::kDevice;
constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kSlots = kPageSize / kDescriptorBytes;

VtdParams page_params() {
    VtdParams params = ioasim::test::plain_unit();
    params.device_tlb = params.page_requests = true;
    params.page_request_drain = params.stop_markers = true;
    return params;
}

struct PageBench : FirstStageBench {
    explicit PageBench(const VtdParams& params = page_params()) : FirstStageBench(params) {
        set_context(true);
        queue = tables.page();
        write(reg::kPqa, pq::make_pqa(queue, 0));
        to_fabric.clear();
    }
    void set_context(bool page_requests) {
        context.dte = true;
        context.pre = page_requests;
        tables.set_context(kDevice, context);
    }
    static pcie::Tlp page(std::uint16_t group, bool last = true, bool write = true) {
        return pcie::page_request(kDevice, kPasid, {kVa, group, last, write, !write});
    }
    static pcie::Tlp stop_marker() {
        return pcie::page_request(kDevice, kPasid, {kVa, 0, true, false, false});
    }
    void ask(const pcie::Tlp& tlp) {
        send(tlp);
        settle();
    }
    void fill() {
        for (std::uint64_t i = 0; i + 1 < kSlots; ++i) {
            ask(page(static_cast<std::uint16_t>(i), false));
        }
    }
    std::vector<pcie::PageGroupAnswer> answers() const {
        std::vector<pcie::PageGroupAnswer> found;
        for (const pcie::Tlp& tlp : to_fabric) {
            if (tlp.kind == TlpKind::PageGroupResponse) {
                found.push_back(pcie::decode_page_group_answer(tlp.address));
            }
        }
        return found;
    }
    std::size_t interrupts() const {
        std::size_t found = 0;
        for (const pcie::Tlp& tlp : to_fabric) {
            found += tlp.kind == TlpKind::Interrupt ? 1 : 0;
        }
        return found;
    }
    // Until the descriptor is on its way to memory.
    void run_to_write() {
        run_timers();
        while (!to_memory.empty() && to_memory.front().op != memory::MemOp::Write) {
            answer();
            run_timers();
        }
    }
    std::uint64_t tail() const { return read(reg::kPqt); }
    FaultRecord fault() const { return decode_fault({read(reg::kFrcd), read(reg::kFrcd + 8)}); }
    Hpa queue;
};

}  // namespace

TEST_CASE("vtd page requests: the descriptor stands in the queue, bit for bit") {
    PageBench bench;
    bench.ask(
        pcie::page_request(kDevice, VtdBench::kPasid, {0x7F00'1234'5000, 7, true, true, false}));
    CHECK(bench.tables.load(bench.queue) == 0x0000'0005'0108'0101);
    CHECK(bench.tables.load(bench.queue + 8) == 0x0000'7F00'1234'503E);
    CHECK(bench.tables.load(bench.queue + 16) == 0);
    CHECK(bench.tail() == kDescriptorBytes);
    CHECK(bench.read32(reg::kPrs) == pq::kPpr);
    CHECK(bench.answers().empty());
}

TEST_CASE("vtd page requests: one without PASID is checked by RID_PASID and carries none") {
    PageBench bench;
    bench.context.rid_pasid = 9;
    bench.set_context(true);
    bench.tables.set_pasid(bench.context, Pasid{9}, bench.entry);
    bench.ask(pcie::page_request(kDevice, std::nullopt, {kVa, 1, true, false, true}));
    CHECK(bench.tables.load(bench.queue) == 0x0000'0000'0108'0001);
    CHECK(bench.tail() == kDescriptorBytes);
}

TEST_CASE("vtd page requests: the tail moves when the descriptor is in memory") {
    PageBench bench;
    bench.send(PageBench::page(1));
    bench.run_to_write();
    CHECK(bench.tail() == 0);
    CHECK(bench.read32(reg::kPrs) == 0);
    bench.settle();
    CHECK(bench.tail() == kDescriptorBytes);
}

TEST_CASE("vtd page requests: descriptors that are done out of order show in order") {
    PageBench bench;
    for (std::uint16_t i = 0; i < 3; ++i) {
        bench.send(PageBench::page(i, false));
    }
    std::deque<memory::MemRequest> writes;
    while (writes.size() < 3) {
        bench.run_to_write();
        writes.push_back(bench.to_memory.front());
        bench.to_memory.pop_front();
    }
    bench.to_memory = {writes[2], writes[0], writes[1]};
    bench.answer();
    CHECK(bench.tail() == 0);
    bench.answer();
    CHECK(bench.tail() == kDescriptorBytes);
    CHECK(bench.read32(reg::kPrs) == 0);  // the event comes behind all that were accepted
    bench.answer();
    CHECK(bench.tail() == 3 * kDescriptorBytes);
    CHECK(bench.read32(reg::kPrs) == pq::kPpr);
}

TEST_CASE("vtd page requests: one interrupt until software cleared the status, never ahead") {
    for (const bool broken : {false, true}) {
        CAPTURE(broken);
        PageBench bench;
        if (broken) {
            bench.probes.enable(kPageEventEarly);
        }
        bench.write32(reg::kPectl, 0);
        bench.send(PageBench::page(1));
        bench.run_to_write();
        CHECK(bench.interrupts() == (broken ? 1 : 0));
        bench.settle();
        CHECK(bench.interrupts() == 1);
        bench.ask(PageBench::page(2));
        CHECK(bench.interrupts() == 1);
        bench.write32(reg::kPrs, pq::kPpr);
        bench.ask(PageBench::page(3));
        CHECK(bench.interrupts() == 2);
    }
}

TEST_CASE("vtd page requests: the page's cached translation goes before its descriptor shows") {
    for (const bool broken : {false, true}) {
        CAPTURE(broken);
        PageBench bench;
        if (broken) {
            bench.probes.enable(kPageRequestKeepsTranslation);
        }
        CHECK(bench.dma_read(kVa) == pcie::CplStatus::Success);
        CHECK(bench.dma_read(FirstStageBench::kOther) == pcie::CplStatus::Success);
        bench.send(PageBench::page(1));
        bench.run_to_write();
        CHECK(bench.count("vtd.drop") == (broken ? 0 : 1));
        bench.settle();
        bench.dma_read(kVa);
        CHECK(bench.last("vtd.translated", "hit") == (broken ? 1 : 0));
    }
}

TEST_CASE("vtd page requests: where they are not enabled they fault, the last one is answered") {
    PageBench bench;
    bench.set_context(false);
    bench.ask(PageBench::page(1, false));
    CHECK(bench.answers().empty());
    bench.ask(PageBench::page(2));
    REQUIRE(bench.answers().size() == 1);
    CHECK(bench.answers().front().code == 1);
    CHECK(bench.answers().front().group == 2);
    CHECK(bench.fault().type == FaultType::PageRequest);
    CHECK(bench.fault().reason == static_cast<std::uint8_t>(FaultReason::PageRequestDisabled));
    CHECK(bench.fault().address == kVa);
    CHECK(bench.tail() == 0);
}

TEST_CASE("vtd page requests: a missing PASID entry is an Invalid Request; FPD keeps it quiet") {
    PageBench bench;
    const Hpa slot = bench.tables.pasid_slot(bench.context, VtdBench::kPasid);
    bench.tables.store(slot, 0);
    bench.ask(PageBench::page(1));
    CHECK(bench.fault().reason == static_cast<std::uint8_t>(FaultReason::PasidEntryNotPresent));
    CHECK(bench.answers().size() == 1);
    bench.tables.store(slot, pasid_entry::kFpd.mask());
    bench.ask(PageBench::page(2));
    CHECK(bench.last("vtd.fault", "suppressed") == 1);
    CHECK(bench.answers().size() == 2);
}

TEST_CASE("vtd page requests: in legacy mode they are answered with Invalid Request") {
    PageBench bench;
    bench.write(reg::kRtaddr, rtaddr::make(bench.tables.root(), TableMode::Legacy));
    bench.command(gcmd::kSrtp);
    bench.ask(PageBench::page(1));
    CHECK(bench.fault().reason == static_cast<std::uint8_t>(FaultReason::PageRequestInLegacyMode));
    REQUIRE(bench.answers().size() == 1);
    CHECK(bench.answers().front().code == 1);
}

TEST_CASE("vtd page requests: with remapping off they vanish") {
    PageBench bench;
    bench.write32(reg::kGcmd, bench.read32(reg::kGsts) & gcmd::kStickyMask & ~gcmd::kTe);
    bench.settle();
    bench.ask(PageBench::page(1));
    CHECK(bench.answers().empty());
    CHECK(bench.tail() == 0);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd page requests: a full queue overflows; only last ones are answered, with Success") {
    PageBench bench;
    bench.fill();
    CHECK(bench.tail() == (kSlots - 1) * kDescriptorBytes);
    CHECK(bench.read32(reg::kPrs) == pq::kPpr);
    bench.ask(PageBench::page(300, false));
    CHECK(bench.read32(reg::kPrs) == (pq::kPpr | pq::kPro));
    CHECK(bench.answers().empty());
    bench.ask(PageBench::page(301));
    REQUIRE(bench.answers().size() == 1);
    CHECK(bench.answers().front().code == 0);
    CHECK(bench.answers().front().group == 301);
    CHECK(bench.last("vtd.page_response", "automatic") == 1);
    CHECK(bench.tail() == (kSlots - 1) * kDescriptorBytes);
}

TEST_CASE("vtd page requests: the defect loses automatic answers") {
    PageBench bench;
    bench.probes.enable(kAutomaticAnswerLost);
    bench.fill();
    bench.ask(PageBench::page(301));
    CHECK(bench.answers().empty());
}

TEST_CASE("vtd page requests: after an overflow nothing is queued until software cleared it") {
    for (const bool broken : {false, true}) {
        CAPTURE(broken);
        PageBench bench;
        if (broken) {
            bench.probes.enable(kOverflowIgnored);
        }
        bench.fill();
        bench.ask(PageBench::page(301));
        const std::uint64_t tail = bench.tail();
        bench.write(reg::kPqh, 4 * kDescriptorBytes);
        bench.ask(PageBench::page(302));
        CHECK((bench.tail() == tail) == !broken);
        bench.write32(reg::kPrs, pq::kPro);
        const std::uint64_t before = bench.tail();
        bench.ask(PageBench::page(303));
        CHECK(bench.tail() == (before + kDescriptorBytes) % kPageSize);
    }
}

TEST_CASE("vtd page requests: an overflow interrupts unless a request waits already") {
    PageBench bench;
    bench.write32(reg::kPectl, 0);
    bench.fill();
    CHECK(bench.interrupts() == 1);
    bench.write32(reg::kPrs, pq::kPpr);
    bench.ask(PageBench::page(301));
    CHECK(bench.interrupts() == 2);
    CHECK(bench.read32(reg::kPrs) == pq::kPro);
}

TEST_CASE("vtd page requests: a stop marker is queued and never answered") {
    PageBench bench;
    bench.ask(PageBench::stop_marker());
    CHECK(bench.tail() == kDescriptorBytes);
    CHECK((bench.tables.load(bench.queue + 8) & 7U) == 4);
    bench.write(reg::kPqt, 0);
    bench.fill();
    bench.ask(PageBench::stop_marker());
    bench.set_context(false);
    bench.invalidate({context_cache_invalidate(ContextGranularity::Global)});
    bench.ask(PageBench::stop_marker());
    CHECK(bench.answers().empty());
}

TEST_CASE("vtd page requests: a group response becomes a message to the device") {
    PageBench bench;
    bench.invalidate(
        {page_group_response(kDevice, 7, PageResponse::Failure, true, VtdBench::kPasid)});
    REQUIRE(bench.answers().size() == 1);
    CHECK(bench.answers().front().function == kDevice);
    CHECK(bench.answers().front().code == 15);
    CHECK(bench.answers().front().group == 7);
    CHECK(bench.to_fabric.front().pasid == VtdBench::kPasid);
    CHECK(bench.last("vtd.page_response", "automatic") == 0);
    bench.to_fabric.clear();
    bench.invalidate({page_group_response(kDevice, 7, PageResponse::Success)});
    CHECK_FALSE(bench.to_fabric.front().pasid.has_value());
}

TEST_CASE("vtd page requests: a wait with page drain comes behind those that arrived before") {
    for (const bool drain : {true, false}) {
        CAPTURE(drain);
        PageBench bench;
        bench.send(PageBench::page(1));
        bench.run_to_write();
        const memory::MemRequest descriptor = bench.to_memory.front();
        bench.to_memory.pop_front();
        bench.put(wait_with_status(bench.wait_status(), 2, drain));
        bench.ring();
        bench.settle();
        CHECK(bench.wait_is_done() == !drain);
        bench.to_memory.push_front(descriptor);
        bench.settle();
        CHECK(bench.wait_is_done());
    }
}

TEST_CASE("vtd page requests: a draining wait waits for those sent before a device's answer") {
    PageBench bench;
    bench.put(device_tlb_invalidate(kDevice, kWholeAddressSpace, true));
    bench.put(wait_with_status(bench.wait_status(), 2, true));
    bench.ring();
    bench.settle();
    bench.send(PageBench::page(1));
    bench.run_to_write();
    const memory::MemRequest descriptor = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.send(pcie::invalidate_completion(kDevice, {Rid{0x10}, 1U, 1}));
    bench.settle();
    CHECK_FALSE(bench.wait_is_done());
    bench.to_memory.push_front(descriptor);
    bench.settle();
    CHECK(bench.wait_is_done());
}

TEST_CASE("vtd page requests: the defect lets a wait pass them") {
    PageBench bench;
    bench.probes.enable(kPageDrainIgnored);
    bench.send(PageBench::page(1));
    bench.run_to_write();
    bench.to_memory.clear();
    bench.put(wait_with_status(bench.wait_status(), 2, true));
    bench.ring();
    bench.settle();
    CHECK(bench.wait_is_done());
}

TEST_CASE("vtd page requests: one comes behind the writes of its device") {
    PageBench bench;
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    bench.send(PageBench::page(1));
    while (bench.count("memory.access") == 0 && bench.tables.load(bench.target) == 0) {
        CHECK(bench.count("vtd.page_request") == 0);
        bench.run_timers();
        bench.answer();
    }
    bench.settle();
    CHECK(bench.tail() == kDescriptorBytes);
}
