// Invalidations, waits and the order of requests, with every interleaving under the test's control.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::CplStatus;
using pcie::TlpKind;

namespace {

constexpr std::uint64_t kVa = FirstStageBench::kVa;
constexpr std::uint64_t kOther = FirstStageBench::kOther;
constexpr DomainId kDid = FirstStageBench::kDid;

std::uint32_t fault_reason(VtdBench& bench, std::size_t record = 0) {
    const std::uint64_t high = bench.read(reg::kFrcd + static_cast<std::uint32_t>(record) * 16 + 8);
    return frcd::kF.get(high) != 0 ? static_cast<std::uint32_t>(frcd::kReason.get(high)) : 0;
}

std::uint32_t reason(FaultReason r) {
    return static_cast<std::uint32_t>(r);
}

}  // namespace

TEST_CASE("vtd unit: an unmapped page stays reachable until it is invalidated") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.tables.store(bench.leaf(), 0);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.invalidate(bench.page_invalidation());
    CHECK(bench.wait_is_done());
    CHECK(bench.last("vtd.invalidation", "dropped") == 1);
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
}

TEST_CASE("vtd unit: the defect that skips IOTLB invalidations leaves the page reachable") {
    FirstStageBench bench;
    bench.probes.enable(kSkipIotlbInvalidation);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.tables.store(bench.leaf(), 0);
    bench.invalidate(bench.page_invalidation());
    CHECK(bench.wait_is_done());
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
}

TEST_CASE("vtd unit: a PASID entry lives on in the PASID cache until invalidated") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.tables.store(bench.tables.pasid_slot(bench.context, VtdBench::kPasid), 0);
    bench.invalidate(bench.page_invalidation());
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.invalidate({pasid_cache_invalidate(PasidCacheGranularity::Pasid, kDid, VtdBench::kPasid),
                      bench.page_invalidation()[0]});
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
    CHECK(fault_reason(bench) == reason(FaultReason::PasidEntryNotPresent));
}

TEST_CASE("vtd unit: a walk that an invalidation overtakes fills nothing that it covers") {
    FirstStageBench bench;
    bench.send(bench.request(TlpKind::MemRead, kVa));
    // The walk is under way; its first read stays unanswered while the queue works.
    memory::MemRequest walk_read = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.invalidate(bench.page_invalidation());
    CHECK_FALSE(bench.wait_is_done());
    bench.to_memory.push_front(walk_read);
    bench.settle();
    CHECK(bench.probes.hits(kStaleFillDropped) == 1);
    CHECK(bench.wait_is_done());
    const std::size_t reads = bench.count("vtd.walk_read");
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    CHECK(bench.count("vtd.walk_read") == reads + 4);  // structure entries were not covered
}

TEST_CASE("vtd unit: a wait completes after requests that hold older translations are done") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    memory::MemRequest access = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.invalidate(bench.page_invalidation());
    CHECK_FALSE(bench.wait_is_done());
    CHECK(bench.count("vtd.inv_wait_done") == 0);
    bench.to_memory.push_front(access);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK(bench.probes.hits(kWaitDrained) == 1);
    CHECK(bench.count("vtd.inv_wait_done") == 1);
}

TEST_CASE("vtd unit: the defect of the early wait completes it with an old access in flight") {
    FirstStageBench bench;
    bench.probes.enable(kWaitBeforeDrain);
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    memory::MemRequest access = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.invalidate(bench.page_invalidation());
    CHECK(bench.wait_is_done());
    bench.to_memory.push_front(access);
    bench.settle();
}

TEST_CASE("vtd unit: a request after the invalidation does not join the older walk") {
    FirstStageBench bench;
    bench.send(bench.request(TlpKind::MemRead, kVa));
    bench.send(bench.request(TlpKind::MemRead, kVa + 8));
    CHECK(bench.probes.hits(kWalkJoined) == 1);
    CHECK(bench.unit().pipeline().active_walks() == 1);
    memory::MemRequest walk_read = bench.to_memory.front();
    bench.to_memory.pop_front();
    bench.invalidate(bench.page_invalidation());
    bench.send(bench.request(TlpKind::MemRead, kVa + 16));
    CHECK(bench.unit().pipeline().active_walks() == 2);
    bench.to_memory.push_front(walk_read);
    bench.settle();
    CHECK(bench.to_fabric.size() == 3);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd unit: requests beyond the walkers wait for one") {
    VtdParams params = vtd_param_table().defaults();
    params.walkers = 1;
    FirstStageBench bench{params};
    bench.send(bench.request(TlpKind::MemRead, kVa));
    bench.send(bench.request(TlpKind::MemRead, kOther));
    CHECK(bench.unit().pipeline().active_walks() == 1);
    CHECK(bench.probes.hits(kWalkersBusy) == 1);
    bench.settle();
    CHECK(bench.to_fabric.size() == 2);
}

TEST_CASE("vtd unit: requests beyond the slots wait and are all served") {
    VtdParams params = vtd_param_table().defaults();
    params.requests = 4;
    FirstStageBench bench{params};
    for (std::uint64_t i = 0; i < 20; ++i) {
        bench.send(bench.request(TlpKind::MemRead, kVa + 8 * i));
    }
    CHECK(bench.unit().pipeline().waiting_for_slot() == 16);
    bench.settle();
    CHECK(bench.to_fabric.size() == 20);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd unit: a write that hits waits for an older write that walks") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kOther) == CplStatus::Success);
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    bench.send(bench.request(TlpKind::MemWrite, kOther));
    CHECK(bench.probes.hits(kWriteHeld) == 1);
    std::vector<std::uint64_t> written;
    for (bench.run_timers(); !bench.to_memory.empty(); bench.run_timers()) {
        if (bench.to_memory.front().origin) {
            written.push_back(bench.to_memory.front().address.value());
        }
        bench.answer();
    }
    CHECK(written == std::vector<std::uint64_t>{bench.target.value(), bench.other_target.value()});
}

TEST_CASE("vtd unit: a write of one device does not wait for another device") {
    FirstStageBench bench;
    CHECK(bench.dma_read(kOther) == CplStatus::Success);
    bench.send(bench.request(TlpKind::MemWrite, kOther + kPageSize));
    pcie::Tlp other = bench.request(TlpKind::Interrupt, 0xFEE0'0000, 4);
    other.requester = Rid{0x0110};
    bench.to_fabric.clear();
    bench.send(other);
    CHECK(bench.to_fabric.size() == 1);
    bench.settle();
}

TEST_CASE("vtd unit: a blocked write lets later writes of its device pass in order") {
    FirstStageBench bench;
    bench.send(bench.request(TlpKind::MemWrite, kVa + kPageSize));
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    bench.settle();
    CHECK(bench.tables.load(bench.target) == 0xABABABABABABABAB);
    CHECK_FALSE(bench.unit().busy());
}

TEST_CASE("vtd unit: a device's interrupt comes after its earlier writes are done") {
    FirstStageBench bench;
    bench.to_fabric.clear();
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    pcie::Tlp message = bench.request(TlpKind::Interrupt, 0xFEE0'0000, 4);
    message.pasid.reset();
    bench.send(message);
    while (!bench.to_memory.empty()) {
        CHECK(bench.to_fabric.empty());
        bench.answer();
    }
    CHECK(bench.to_fabric.size() == 1);
    CHECK(bench.tables.load(bench.target) == 0xABABABABABABABAB);
    CHECK(bench.probes.hits(kCompletionHeld) == 1);
}

TEST_CASE("vtd unit: a device's read completion pushes its earlier writes only") {
    FirstStageBench bench;
    bench.to_fabric.clear();
    bench.send(bench.request(TlpKind::MemWrite, kVa));
    pcie::Tlp completion;
    completion.kind = TlpKind::Completion;
    completion.completer = VtdBench::kDevice;
    completion.data = {1, 2, 3, 4};
    bench.send(completion);
    bench.send(bench.request(TlpKind::MemWrite, kOther));
    while (bench.tables.load(bench.target) == 0) {
        CHECK(bench.to_fabric.empty());
        bench.answer();
    }
    CHECK(bench.to_fabric.size() == 1);
    bench.settle();
}

TEST_CASE("vtd unit: the queue stops at a bad descriptor until software clears the error") {
    FirstStageBench bench;
    Descriptor bad = iotlb_invalidate(IotlbGranularity::Global);
    bad[2] = 1;
    bench.tables.store(bench.wait_status(), 0);
    bench.put(bad);
    bench.put(wait_with_status(bench.wait_status(), 2));
    bench.ring();
    bench.settle();
    CHECK((bench.read32(reg::kFsts) & fsts::kIqe) != 0);
    CHECK(iq::kErrorInfo.get(bench.read(reg::kIqercd)) ==
          static_cast<std::uint64_t>(QueueError::Reserved));
    CHECK(bench.read(reg::kIqh) == 0);
    CHECK_FALSE(bench.wait_is_done());
    // Repaired in place, as a driver does; the error is cleared and the queue goes on.
    const Descriptor good = wait_barrier();
    const Hpa base{bench.read(reg::kIqa) & bit_mask(63, 12)};
    bench.tables.bytes().write(base, good.data(), sizeof good);
    bench.write32(reg::kFsts, fsts::kIqe);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK((bench.read32(reg::kFsts) & fsts::kIqe) == 0);
    CHECK(bench.read(reg::kIqh) == 2 * kDescriptorBytes);
}

TEST_CASE("vtd unit: a tail that is no multiple of a wide descriptor is an error") {
    FirstStageBench bench;
    bench.write(reg::kIqt, 16);
    bench.settle();
    CHECK(iq::kErrorInfo.get(bench.read(reg::kIqercd)) ==
          static_cast<std::uint64_t>(QueueError::TailAlignment));
}

TEST_CASE("vtd unit: a tail beyond the queue is an error") {
    FirstStageBench bench;
    bench.write(reg::kIqt, 0x2000);
    bench.settle();
    CHECK(iq::kErrorInfo.get(bench.read(reg::kIqercd)) ==
          static_cast<std::uint64_t>(QueueError::BadTail));
}

TEST_CASE("vtd unit: a wait may interrupt instead of writing a status") {
    FirstStageBench bench;
    bench.write32(reg::kIeaddr, 0xFEE0'3000);
    bench.write32(reg::kIectl, 0);
    bench.to_fabric.clear();
    bench.put(wait_with_interrupt());
    bench.ring();
    bench.settle();
    CHECK(bench.read32(reg::kIcs) == iq::kIwc);
    CHECK(bench.to_fabric.size() == 1);
    bench.put(wait_with_interrupt());
    bench.ring();
    bench.settle();
    CHECK(bench.to_fabric.size() == 1);
    bench.write32(reg::kIcs, iq::kIwc);
    CHECK(bench.read32(reg::kIcs) == 0);
}

TEST_CASE("vtd unit: a descriptor's domain id counts as far as domain ids go") {
    VtdParams params = vtd_param_table().defaults();
    params.domain_bits = 8;
    FirstStageBench bench{params};
    CHECK(bench.dma_read(kVa) == CplStatus::Success);
    bench.tables.store(bench.leaf(), 0);
    bench.invalidate({pasid_iotlb_invalidate(PasidIotlbGranularity::Pasid,
                                             DomainId{0x4100 | FirstStageBench::kDid.value()},
                                             VtdBench::kPasid)});
    CHECK(bench.dma_read(kVa) == CplStatus::UnsupportedRequest);
}

TEST_CASE("vtd unit: a wait's status address counts as far as host addresses go") {
    FirstStageBench bench;
    bench.put(wait_with_status(bench.wait_status() + (std::uint64_t{1} << 60U), 2));
    bench.ring();
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK(bench.last("vtd.inv_wait_done", "status_address") == bench.wait_status().value());
}

TEST_CASE("vtd unit: clearing a queue error leaves the source of an unexpected completion") {
    FirstStageBench bench;
    bench.send(bench.request(TlpKind::InvalidateCompletion, 0));
    bench.put(Descriptor{});
    bench.ring();
    bench.settle();
    bench.write32(reg::kFsts, fsts::kIqe);
    CHECK(iq::kErrorInfo.get(bench.read(reg::kIqercd)) == 0);
    CHECK(get_bits(bench.read(reg::kIqercd), 63, 48) == VtdBench::kDevice.value());
}
