#include "models/platform/dsa_patterns.hpp"

#include <algorithm>

#include "models/platform/dsa_pattern_parts.hpp"

namespace ioasim::platform {
namespace {

// Forced misses of device TLBs: records and operands move from page to page, in a cycle that no
// number of engines divides.
constexpr std::uint64_t kMissPages = 5;

}  // namespace

void run_window(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.queue_depth, 1U), e.batch_size);
        for (BenchSlot& slot : slots) {
            actor.rebuild(slot);
        }
        run_slots(e, actor, slots, e.iterations, part);
    });
}

void run_burst(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.burst, 1U), std::max(e.batch_size, 1U));
        Convergence convergence(e.iterations);
        TimePs before = part.start = actor.timestamp();
        for (bool enough = false; !enough;) {
            for (BenchSlot& slot : slots) {
                renew(bench, actor, slot);
                actor.rebuild(slot);
                actor.submit(slot);
            }
            for (BenchSlot& slot : slots) {
                if (e.wait == WaitFor::All || &slot == &slots.back()) {
                    actor.wait(slot);
                }
                part.measured.operations += slot.members;
                part.measured.bytes += slot.members * slot.buffers.bytes;
            }
            const TimePs now = actor.ctx().now();
            enough = convergence.enough(now - before);
            before = now;
        }
        part.end = actor.timestamp();
    });
}

namespace {

// One operation with its time stamps: the span that was asked for.
TimePs timed(DsaActor& actor, const Experiment& e, BenchSlot& slot) {
    const TimePs start = actor.timestamp();
    TimePs submitted = start;
    if (e.executor == Executor::Cpu) {
        actor.work(e.op, slot.buffers);
    } else {
        if (e.rebuild == RebuildWhen::Timed) {
            actor.rebuild(slot);
        }
        actor.submit(slot);
        if (e.span != SpanOf::Total) {
            submitted = actor.timestamp();
        }
        actor.wait(slot);
    }
    const TimePs end = actor.timestamp();
    return e.span == SpanOf::Submit ? submitted - start
           : e.span == SpanOf::Wait ? end - submitted
                                    : end - start;
}

// One operation after the other.
void one_at_a_time(DsaBench& bench, DsaActor& actor, const Experiment& e, std::uint64_t members,
                   BenchPart& part) {
    const std::uint64_t sets = e.devtlb == DevTlbUse::Miss ? kMissPages : 1;
    std::vector<BenchSlot> slots = actor.make_slots(sets, sets > 1);
    // Sets that share no page.
    std::vector<std::vector<BenchBuffers>> buffers;
    for (std::uint64_t i = 0; i < sets; ++i) {
        buffers.push_back(actor.make_buffers(e.op, e.size_bytes, pairs_for(e, 1), e.layout));
    }
    const std::vector<BenchQueue*> queues = bench.queues();
    Convergence convergence(e.iterations);
    for (std::uint64_t i = 0;; ++i) {
        BenchSlot& slot = slots[i % sets];
        slot.queue = queues.empty() ? nullptr : queues[i % queues.size()];
        const auto& mine = buffers[i % sets];
        actor.aim_batch(slot, e.op, mine[i / sets % mine.size()], members);
        renew(bench, actor, slot);
        actor.flush(slot);
        if (e.rebuild == RebuildWhen::Untimed && e.executor != Executor::Cpu) {
            actor.rebuild(slot);
        }
        const TimePs start = actor.ctx().now();
        const TimePs took = timed(actor, e, slot);
        if (i < e.warmup) {
            continue;
        }
        part.start = part.measured.samples.empty() ? start : part.start;
        part.end = actor.ctx().now();
        part.measured.samples.push_back(took);
        part.measured.operations += slot.members;
        part.measured.bytes += slot.members * slot.buffers.bytes;
        if (convergence.enough(took)) {
            return;
        }
    }
}

// The values of a sequence: sizes in ascending order on the same memory, caches and TLBs kept.
void sequence(Harness& harness, DsaBench& bench) {
    const Experiment& e = bench.experiment();
    const SequenceShape& shape = *e.sequence;
    std::uint64_t largest = 0;
    for (const Experiment& one : harness.series) {
        largest = std::max(largest, one.size_bytes);
    }
    DsaActor actor(bench, harness.ctx, 0);
    std::vector<BenchSlot> slots = actor.make_slots(1);
    BenchBuffers buffers = actor.make_buffers(e.op, largest, 1, e.layout).front();
    slots[0].queue = bench.queues().front();
    for (std::uint64_t size = shape.start_size_bytes; size <= largest;
         size *= std::max<std::uint64_t>(shape.step_factor, 2)) {
        buffers.bytes = size;
        actor.aim(slots[0], e.op, buffers);
        if (e.rebuild == RebuildWhen::Untimed) {
            actor.rebuild(slots[0]);
        }
        const TimePs took = timed(actor, e, slots[0]);
        for (std::size_t i = 0; i < harness.series.size(); ++i) {
            if (harness.series[i].size_bytes == size) {
                harness.results[i].samples.push_back(took);
                harness.results[i].operations = 1;
                harness.results[i].bytes = size;
                harness.results[i].elapsed = took;
                harness.results[i].problem = actor.problem();
            }
        }
        if (shape.cpu_compare_after_each) {
            actor.work(BenchOp::Compare, buffers);
        }
    }
}

void run_latency(Harness& harness, std::uint64_t members) {
    DsaBench bench(harness);
    bench.bring_up();
    if (bench.experiment().sequence) {
        sequence(harness, bench);
        return;
    }
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        one_at_a_time(bench, actor, bench.experiment(), members, part);
    });
}

}  // namespace

void run_single(Harness& harness) {
    run_latency(harness, 1);
}

void run_batch(Harness& harness) {
    run_latency(harness, std::max(harness.series.front().batch_size, 1U));
}

void run_batch_pipeline(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.outstanding, 1U), e.batch_size);
        const auto fill = [&] {
            for (BenchSlot& slot : slots) {
                actor.rebuild(slot);
                actor.submit(slot);
            }
        };
        fill();
        for (BenchSlot& slot : slots) {
            actor.wait(slot);
        }
        part.start = actor.timestamp();
        fill();
        part.start = e.clock_start == ClockStart::AfterFill ? actor.timestamp() : part.start;
        Convergence convergence(e.iterations);
        TimePs before = part.start;
        for (std::uint64_t i = 0;; ++i) {
            BenchSlot& slot = slots[i % slots.size()];
            actor.wait(slot);
            part.measured.operations += slot.members;
            part.measured.bytes += slot.members * slot.buffers.bytes;
            part.end = actor.ctx().now();
            // Batches end in turns of all that are outstanding.
            if ((i + 1) % slots.size() == 0) {
                if (convergence.enough(part.end - before) || i + 1 >= e.iterations) {
                    return;
                }
                before = part.end;
            }
            actor.rebuild(slot);
            actor.submit(slot);
        }
    });
}

}  // namespace ioasim::platform
