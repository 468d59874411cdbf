// The invalidation queue: errors and recovery, prefetch, fences, waits and their interrupt.
#include <doctest/doctest.h>

#include "tests/support/vtd_bench.hpp"

using namespace ioasim;
using namespace ioasim::vtd;
using ioasim::test::FirstStageBench;
using ioasim::test::VtdBench;
using pcie::TlpKind;

namespace {

const Descriptor kBad{0x0F, 0, 0, 0};

VtdParams with_pending_waits(std::uint64_t waits) {
    VtdParams params = vtd_param_table().defaults();
    params.pending_waits = waits;
    return params;
}

QueueError error_of(VtdBench& bench) {
    return (bench.read32(reg::kFsts) & fsts::kIqe) != 0
               ? static_cast<QueueError>(iq::kErrorInfo.get(bench.read(reg::kIqercd)))
               : QueueError::None;
}

Descriptor flush() {
    return iotlb_invalidate(IotlbGranularity::Global);
}

// A walk that memory does not answer: what waits drain for.
memory::MemRequest hold_a_request(VtdBench& bench) {
    bench.send(bench.request(TlpKind::MemRead, FirstStageBench::kVa));
    const memory::MemRequest held = bench.to_memory.front();
    bench.to_memory.pop_front();
    return held;
}

}  // namespace

TEST_CASE("vtd queue: an error leaves the head on the descriptor and stops") {
    FirstStageBench bench;
    bench.put(flush());
    bench.invalidate({kBad, flush()});
    CHECK(error_of(bench) == QueueError::BadType);
    CHECK(bench.read(reg::kIqh) == kDescriptorBytes);
    CHECK_FALSE(bench.wait_is_done());
    CHECK(bench.count("vtd.invalidation") == 1);
    // The tail does not start it again.
    bench.invalidate({});
    CHECK_FALSE(bench.wait_is_done());
}

TEST_CASE("vtd queue: once the error is cleared, descriptors are read again from the head") {
    FirstStageBench bench;
    bench.invalidate({kBad, flush()});
    CHECK_FALSE(bench.wait_is_done());
    // Both were fetched; software mends the first and changes the second.
    bench.rewrite(0, wait_barrier());
    bench.rewrite(1, context_cache_invalidate(ContextGranularity::Global));
    bench.write32(reg::kFsts, fsts::kIqe);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK(error_of(bench) == QueueError::None);
    CHECK(bench.last("vtd.invalidation", "kind") == bench.name("cc"));
}

TEST_CASE("vtd queue: the defect steps over a bad descriptor") {
    FirstStageBench bench;
    bench.probes.enable(kErrorDoesNotStop);
    bench.invalidate({kBad});
    CHECK(bench.count("vtd.queue_stop") == 1);
    CHECK(bench.read(reg::kIqh) != 0);
}

TEST_CASE("vtd queue: the unit reads ahead as far as it may") {
    VtdParams params = vtd_param_table().defaults();
    params.queue_prefetch = 3;
    FirstStageBench bench{params};
    for (int i = 0; i < 6; ++i) {
        bench.put(flush());
    }
    bench.ring();
    CHECK(bench.to_memory.size() == 3);
    params.queue_prefetch = 0;
    FirstStageBench slow{params};
    slow.put(flush());
    slow.put(flush());
    slow.ring();
    CHECK(slow.to_memory.size() == 1);
}

TEST_CASE("vtd queue: answers out of order are executed in order") {
    FirstStageBench bench;
    bench.put(flush());
    bench.put(context_cache_invalidate(ContextGranularity::Global));
    bench.ring();
    REQUIRE(bench.to_memory.size() == 2);
    std::swap(bench.to_memory[0], bench.to_memory[1]);
    bench.settle();
    CHECK(bench.last("vtd.invalidation", "kind") == bench.name("cc"));
}

TEST_CASE("vtd queue: a tail beyond the queue or between descriptors is an error") {
    FirstStageBench bench;
    bench.write(reg::kIqt, kPageSize);
    CHECK(error_of(bench) == QueueError::BadTail);
    bench.write(reg::kIqt, 0);
    bench.write32(reg::kFsts, fsts::kIqe);
    CHECK(error_of(bench) == QueueError::None);
    bench.write(reg::kIqt, 0x10);
    CHECK(error_of(bench) == QueueError::TailAlignment);
}

TEST_CASE("vtd queue: a descriptor that memory does not give is an error") {
    FirstStageBench bench;
    bench.write(reg::kIqa, iq::make_iqa(Hpa{std::uint64_t{1} << 45U}, true, 0));
    bench.write(reg::kIqt, kDescriptorBytes);
    bench.settle();
    CHECK(error_of(bench) == QueueError::Fetch);
    CHECK(bench.read(reg::kIqh) == 0);
}

TEST_CASE("vtd queue: it goes round its ring") {
    FirstStageBench bench;
    const std::size_t slots = kPageSize / kDescriptorBytes;
    for (std::size_t i = 0; i < slots + slots / 2; ++i) {
        bench.invalidate({});
        REQUIRE(bench.wait_is_done());
    }
    CHECK(bench.read(reg::kIqh) == slots / 2 * kDescriptorBytes);
    CHECK(error_of(bench) == QueueError::None);
}

TEST_CASE("vtd queue: narrow descriptors serve legacy mode and no other") {
    VtdBench bench;
    const Hpa queue = bench.tables.page();
    bench.write(reg::kIqa, iq::make_iqa(queue, false, 0));
    bench.command(gcmd::kQie);
    const Descriptor wait = wait_with_status(bench.wait_status(), 2);
    bench.tables.store(queue, flush()[0]);
    bench.tables.store(queue + 16, wait[0]);
    bench.tables.store(queue + 24, wait[1]);
    bench.write(reg::kIqt, 32);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK(bench.read(reg::kIqh) == 32);
    bench.write(reg::kRtaddr, rtaddr::make(bench.tables.root(), TableMode::Scalable));
    bench.command(gcmd::kSrtp);
    bench.write(reg::kIqt, 48);
    bench.settle();
    CHECK(error_of(bench) == QueueError::BadWidth);
}

TEST_CASE("vtd queue: a fence holds what follows, another wait lets it pass") {
    for (const bool fence : {true, false}) {
        CAPTURE(fence);
        FirstStageBench bench{with_pending_waits(4)};
        const memory::MemRequest held = hold_a_request(bench);
        bench.put(flush());
        bench.put(wait_with_status(bench.wait_status(), 2, false, fence));
        bench.put(context_cache_invalidate(ContextGranularity::Global));
        bench.ring();
        bench.settle();
        CHECK_FALSE(bench.wait_is_done());
        CHECK(bench.count("vtd.invalidation") == (fence ? 1 : 2));
        bench.to_memory.push_front(held);
        bench.settle();
        CHECK(bench.wait_is_done());
        CHECK(bench.count("vtd.invalidation") == 2);
    }
}

TEST_CASE("vtd queue: the defect lets descriptors pass a fence") {
    FirstStageBench bench{with_pending_waits(4)};
    bench.probes.enable(kFenceIgnored);
    hold_a_request(bench);
    bench.put(flush());
    bench.put(wait_with_status(bench.wait_status(), 2, false, true));
    bench.put(context_cache_invalidate(ContextGranularity::Global));
    bench.ring();
    bench.settle();
    CHECK(bench.count("vtd.invalidation") == 2);
}

TEST_CASE("vtd queue: waits complete in order, as many as the unit tracks") {
    FirstStageBench bench{with_pending_waits(1)};
    const memory::MemRequest held = hold_a_request(bench);
    bench.put(flush());
    bench.put(wait_with_status(bench.wait_status(), 1));
    bench.put(wait_with_status(bench.wait_status(), 2));
    bench.put(context_cache_invalidate(ContextGranularity::Global));
    bench.ring();
    bench.settle();
    CHECK(bench.unit().queue().pending_waits() == 2);
    CHECK(bench.count("vtd.invalidation") == 1);
    bench.to_memory.push_front(held);
    bench.settle();
    CHECK(bench.wait_is_done());
    CHECK(bench.count("vtd.inv_wait_done") == 2);
    CHECK(bench.count("vtd.invalidation") == 2);
}

TEST_CASE("vtd queue: the interrupt of a wait leaves behind its status write") {
    for (const bool broken : {false, true}) {
        CAPTURE(broken);
        FirstStageBench bench;
        if (broken) {
            bench.probes.enable(kInterruptBeforeStatus);
        }
        bench.write32(reg::kIeaddr, 0xFEE0'1000);
        bench.write32(reg::kIectl, 0);
        bench.to_fabric.clear();
        bench.put(wait_with_status(bench.wait_status(), 2, false, false, true));
        bench.ring();
        bench.run_timers();
        bench.answer();  // the descriptor
        bench.run_timers();
        REQUIRE(bench.to_memory.size() == 1);
        CHECK(bench.to_fabric.size() == (broken ? 1 : 0));
        bench.settle();
        CHECK(bench.wait_is_done());
        CHECK(bench.to_fabric.size() == 1);
    }
}

TEST_CASE("vtd queue: completed waits interrupt once until software clears the status") {
    FirstStageBench bench;
    bench.write32(reg::kIectl, 0);
    bench.to_fabric.clear();
    bench.invalidate({wait_with_interrupt()});
    bench.invalidate({wait_with_interrupt()});
    CHECK(bench.to_fabric.size() == 1);
    CHECK(bench.read32(reg::kIcs) == iq::kIwc);
    bench.write32(reg::kIcs, iq::kIwc);
    bench.invalidate({wait_with_interrupt()});
    CHECK(bench.to_fabric.size() == 2);
    CHECK(bench.count("vtd.event_message") == 2);
}

TEST_CASE("vtd queue: the interrupt entry cache is invalidated where interrupts are remapped") {
    VtdParams params = vtd_param_table().defaults();
    params.interrupt_cache = true;
    params.max_handle_mask = 4;
    const Capabilities caps = make_capabilities(params);
    const auto check = [&](const Descriptor& d) {
        return check_descriptor(caps, TableMode::Scalable, true, d);
    };
    CHECK(check(interrupt_cache_invalidate()) == QueueError::None);
    CHECK(check(interrupt_cache_invalidate(7, 4)) == QueueError::None);
    CHECK(check(interrupt_cache_invalidate(7, 5)) == QueueError::Reserved);
    FirstStageBench bench{params};
    bench.invalidate({interrupt_cache_invalidate()});
    CHECK(bench.wait_is_done());
    CHECK(bench.last("vtd.invalidation", "kind") == bench.name("iec"));
}
